"""Verdicts are monotone: a higher tier never hears a stricter word, a greater risk never a laxer one."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.action import Tier, Verdict
from domain.inventory import Binding, Environment, Mode, Service
from governance.guard.example import ExampleChange, judge_example
from governance.policy import load_policy, shipped
from tests.fakes.executor import FakeExecutor, sandbox_inventory

ARGUMENTS: dict[str, dict[str, Any]] = {
    "read_status": {},
    "restart_service": {},
    "scale_pool": {"size": 9},
    "drop_table": {"table": "orders"},
}
"""From harmless to harmful."""

POLICIES = {name: load_policy(name) for name in shipped()}


def verdict(policy: str, tier: Tier, environment: Environment, action: str, mode: Mode, tainted: bool) -> Verdict:
    service = Service(
        name="thing",
        kind="database",
        environment=environment,
        mode=mode,
        bindings={"process": Binding(via="process", path="x.pid")},
    )
    example = ExampleChange(
        action=action,
        target="thing",
        args=ARGUMENTS[action],
        tier=tier,
        service=service,
        tainted_args=list(ARGUMENTS[action]) if tainted else [],
    )
    inventory = example.known_in(sandbox_inventory())
    asked = judge_example(example, executor=FakeExecutor(), inventory=inventory, policy=POLICIES[policy])
    return asyncio.run(asked).verdict


situations = st.tuples(
    st.sampled_from(sorted(POLICIES)),
    st.sampled_from(Tier),
    st.sampled_from(Environment),
    st.sampled_from(sorted(ARGUMENTS)),
    st.sampled_from(Mode),
    st.booleans(),
)


@given(situations)
@settings(max_examples=150, deadline=None)
def test_more_autonomy_never_hears_a_stricter_word(situation: tuple[str, Tier, Environment, str, Mode, bool]) -> None:
    """Over every policy, environment, action, mode and taint."""
    policy, _, environment, action, mode, tainted = situation
    found = [verdict(policy, tier, environment, action, mode, tainted).strictness for tier in Tier]
    assert all(higher <= lower for lower, higher in pairwise(found))


@given(situations)
@settings(max_examples=150, deadline=None)
def test_more_risk_never_hears_a_laxer_word(situation: tuple[str, Tier, Environment, str, Mode, bool]) -> None:
    """A more harmful environment, a more harmful action, a value that only a log line knows."""
    policy, tier, environment, action, mode, tainted = situation
    places = [verdict(policy, tier, place, action, mode, tainted).strictness for place in Environment]
    assert all(milder <= worse for milder, worse in pairwise(places))
    deeds = [verdict(policy, tier, environment, deed, mode, tainted).strictness for deed in ARGUMENTS]
    assert all(milder <= worse for milder, worse in pairwise(deeds))
    trusted, strange = (verdict(policy, tier, environment, action, mode, said).strictness for said in (False, True))
    assert trusted <= strange


@pytest.mark.parametrize("policy", shipped())
def test_less_mode_never_hears_a_laxer_word(policy: str) -> None:
    """observe, shadow, ask, act: each lets at least as much through as the one before."""
    for tier in Tier:
        found = [
            verdict(policy, tier, Environment.SANDBOX, "restart_service", mode, tainted=False).strictness
            for mode in Mode
        ]
        assert all(freer <= tighter for tighter, freer in pairwise(found))
