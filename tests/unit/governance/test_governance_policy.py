"""Policies: what errs or matches nothing denies, and no rule undoes another's no."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import Verdict
from domain.errors import ConfigError
from domain.inventory import Environment
from governance.policy import Policy, PolicyDocument, Question, Rule, load_policy, parse_policy, shipped

FIELDS: dict[str, Any] = {
    "action": {"name": "restart_service", "effect": "transient", "binding": "process", "undo": False},
    "target": {"name": "api", "kind": "api", "environment": "sandbox", "criticality": "medium", "mode": "act"},
    "args": {"n": 3},
    "agent": {"name": "responder", "tier": "T1", "level": 1},
    "change": {"id": "inc-1", "compensation": False},
    "plan": {"source": "rules", "revision": 1, "steps": 1},
    "taint": {"args": [], "unknown": []},
}


def question(restarts: int = 0, migrating: int = 0, **changes: dict[str, Any]) -> Question:
    fields = {name: {**value, **changes.get(name, {})} for name, value in FIELDS.items()}
    functions: dict[str, Callable[..., int]] = {
        "count": lambda action, target, window: restarts,
        "count_kind": lambda action, kind, window: restarts,
        "running": lambda action, target: migrating,
        "running_kind": lambda action, kind: migrating,
    }
    return Question(fields=fields, functions=functions)


def policy(*rules: tuple[str, Verdict]) -> Policy:
    made = [Rule(id=f"r{n}", why="because", when=when, verdict=verdict) for n, (when, verdict) in enumerate(rules)]
    return Policy(PolicyDocument(version="1", name="test", rules=made))


def verdict(of: Policy, asked: Question) -> Verdict:
    return max((f.verdict for f in of.ask(asked)), key=lambda v: v.strictness)


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("nothing.there", "erred"),
        ("args.missing > 1", "erred"),
        ("count('a', 'b')", "erred"),
        ("'text'", "not true or false"),
        ("1", "not true or false"),
        ("false", "no rule"),
    ],
)
def test_a_rule_that_errs_or_never_matches_denies(when: str, why: str) -> None:
    """Default is no, and the reason says why."""
    [finding] = policy((when, Verdict.ALLOW)).ask(question())
    assert finding.verdict is Verdict.DENY
    assert why in finding.text


@given(st.lists(st.tuples(st.sampled_from(["true", "false", "args.n == 3", "broken"]), st.sampled_from(Verdict))))
def test_a_denial_survives_any_further_rules(more: list[tuple[str, Verdict]]) -> None:
    """Whatever is added around a rule that denies, the verdict stays deny."""
    half = len(more) // 2
    rules = [*more[:half], ("args.n == 3", Verdict.DENY), *more[half:]]
    assert verdict(policy(*rules), question()) is Verdict.DENY


def test_the_default_policy_leaves_a_restart_to_the_tiers() -> None:
    """The first restart is allowed, the seventh within ten minutes is not; an undo is not counted."""
    default = load_policy("sandbox")
    assert default.name == "default"
    assert verdict(default, question()) is Verdict.ALLOW
    assert verdict(default, question(restarts=6)) is Verdict.DENY
    assert verdict(default, question(restarts=6, change={"compensation": True})) is Verdict.ALLOW


def test_production_asks_and_stops_the_third_restart() -> None:
    """Every change asks; reading does not; twice is enough."""
    production = load_policy("production")
    assert verdict(production, question()) is Verdict.ASK
    assert verdict(production, question(action={"effect": "read"})) is Verdict.ALLOW
    assert verdict(production, question(restarts=2)) is Verdict.DENY


@pytest.mark.parametrize("name", ["default", "production"])
@pytest.mark.parametrize(
    "changes",
    [
        {"action": {"name": "grant_tier"}},
        {"action": {"name": "set_policy"}},
        {"action": {"name": "edit_ledger"}},
        {"target": {"name": "vault"}},
        {"action": {"name": "read_root_key"}},
        {"action": {"name": "unseal"}},
        {"action": {"name": "drop_database"}, "target": {"kind": "database", "environment": "production"}},
        {"action": {"effect": "unheard-of"}},
    ],
)
def test_what_is_forbidden_at_every_tier_is_denied(name: str, changes: dict[str, Any]) -> None:
    """Governance itself, root keys and production data are out of reach; so is an unknown effect class."""
    assert verdict(load_policy(name), question(**changes)) is Verdict.DENY


def test_the_database_rests_while_it_is_migrated() -> None:
    """No other action on a database while a migration is under way."""
    default = load_policy()
    assert verdict(default, question(migrating=1, target={"kind": "database"})) is Verdict.DENY
    assert (
        verdict(default, question(migrating=1, action={"name": "migrate"}, target={"kind": "database"}))
        is Verdict.ALLOW
    )


@pytest.mark.parametrize("name", ["default", "production"])
def test_untrusted_text_destroys_nothing(name: str) -> None:
    """What cannot be undone is never done with an argument that only a log line knows; what it confirms may be asked for."""
    strange = {"args": ["table"], "unknown": ["table"]}
    assert verdict(load_policy(name), question(action={"effect": "irreversible"}, taint=strange)) is Verdict.DENY
    known = {"args": ["table"], "unknown": []}
    assert verdict(load_policy(name), question(action={"effect": "irreversible"}, taint=known)) is not Verdict.DENY


def test_a_policy_is_pinned_by_its_content() -> None:
    """The same words give the same revision; any other word another one."""
    assert load_policy("").pin == load_policy("default").pin
    assert policy(("true", Verdict.ALLOW)).revision != policy(("true", Verdict.ASK)).revision
    assert load_policy("production").pin.startswith("production@")


def test_a_policy_only_makes_an_environment_stricter() -> None:
    """Under the production policy a sandbox is judged as production; nothing is ever judged as less than it is."""
    assert load_policy("production").environment(Environment.SANDBOX) is Environment.PRODUCTION
    assert load_policy("default").environment(Environment.SANDBOX) is Environment.SANDBOX
    as_staging = Policy(load_policy("default").document.model_copy(update={"environment": Environment.STAGING}))
    assert as_staging.environment(Environment.PRODUCTION) is Environment.PRODUCTION


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rules: [",
        "version: '1'\nname: x\nrules: []",
        "version: '1'\nname: x\nrules: [{id: a, why: b, when: 'true', verdict: maybe}]",
        "version: '1'\nname: x\nrules: [{id: a, why: b, when: '1 +', verdict: deny}]",
        "version: '1'\nname: x\nextra: 1\nrules: [{id: a, why: b, when: 'true', verdict: deny}]",
        "version: '1'\nname: x\nrules: [{id: a, why: b, when: 'true', verdict: deny}, {id: a, why: b, when: 'true', verdict: ask}]",
    ],
)
def test_a_malformed_policy_is_an_error(text: str) -> None:
    """A policy that cannot be read does not become a policy that allows."""
    with pytest.raises(ConfigError) as refused:
        parse_policy(text, "test.yaml")
    assert refused.value.code == "policy.invalid"


def test_a_policy_is_found_by_name_or_path(tmp_path: Path) -> None:
    """Shipped names, a file of one's own, and an error for anything else."""
    assert shipped() == ["default", "production"]
    own = tmp_path / "own.yaml"
    own.write_text("version: '1'\nname: own\nrules: [{id: a, why: b, when: 'true', verdict: deny}]")
    assert load_policy(str(own)).name == "own"
    with pytest.raises(ConfigError, match="no policy"):
        load_policy("lenient")
