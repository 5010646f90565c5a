"""Sequences: what happened before, in flight included, read again where nobody can get in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.action import Outcome, Tier, Verdict
from domain.errors import ConfigError
from domain.value import digest
from governance.claims import Claim, ClaimState, Purpose, save_claim
from governance.guard.attempt import Attempt
from governance.guard.claim import ClaimOnce
from governance.guard.policy import fields
from governance.ledger.memory import MemoryLedger
from governance.policy import Policy, PolicyDocument, Rule
from governance.sequence import Sequence, window_s
from governance.vocabulary import FIELDS, Kind
from tests.fakes.guard import RESTART, Scene, actor, call, plan, step, with_code


def remember(ledger: MemoryLedger, action: str, target: str, ago: float, **more: Any) -> str:
    key = digest({"a": action, "t": target, "ago": ago, "more": str(more)})
    with ledger.transaction() as tx:
        defaults: dict[str, Any] = {
            "key": key,
            "purpose": Purpose.APPLY,
            "state": ClaimState.CONFIRMED,
            "change": "inc-0",
            "plan": "plan-0",
            "step": "s1",
            "agent": "responder",
            "tier": Tier.T1,
            "call": call(action, target),
            "kind": "database" if target == "postgres" else "api",
            "policy": "p",
            "fence": 1,
            "claimed_at": tx.now - timedelta(seconds=ago),
            "entry": 1,
        }
        save_claim(tx, Claim(**{**defaults, **more}))
    return key


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("24h", 86_400)])
def test_a_window_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    """Seconds, minutes, hours."""
    assert window_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "25h", "1d", "-1m", "10 m", 600, None])
def test_anything_else_is_no_window(text: Any) -> None:
    """A rule that looks back over what cannot be read errs, and so denies."""
    with pytest.raises(ConfigError, match="window"):
        window_s(text)


def test_counts_are_over_applications_in_the_window() -> None:
    """Target, kind, window, wildcard; taking something back does not count, nor does the step itself."""
    ledger = MemoryLedger()
    remember(ledger, "restart_service", "api", 30)
    remember(ledger, "restart_service", "api", 500)
    remember(ledger, "restart_service", "postgres", 10)
    remember(ledger, "restart_service", "api", 20, purpose=Purpose.COMPENSATE)
    own = remember(ledger, "restart_service", "api", 1)
    of = Sequence(ledger, own)
    assert of.count("restart_service", "api", "1m") == 1
    assert of.count("restart_service", "api", "10m") == 2
    assert of.count("*", "*", "10m") == 3
    assert of.count("migrate", "*", "10m") == 0
    assert of.count_kind("restart_service", "database", "10m") == 1
    assert of.count_kind("*", "*", "10m") == 3


@pytest.mark.parametrize(
    ("state", "ago", "counts"),
    [
        (ClaimState.CLAIMED, 5, True),
        (ClaimState.CLAIMED, 61, False),
        (ClaimState.DISPATCHED, 500, True),
        (ClaimState.UNKNOWN, 5000, True),
        (ClaimState.CONFIRMED, 5, False),
        (ClaimState.FAILED, 5, False),
    ],
)
def test_what_is_in_flight_is_running(state: ClaimState, ago: float, counts: bool) -> None:
    """From the claim on; a claim that lost its lock is nothing, an unknown end may still be going on."""
    ledger = MemoryLedger()
    remember(ledger, "migrate", "api", ago, state=state)
    of = Sequence(ledger, "own")
    assert of.running("migrate", "*") == int(counts)
    assert of.running("migrate", "postgres") == 0
    assert of.running_kind("*", "api") == int(counts)


ONCE = PolicyDocument(
    version="1",
    name="default",
    seats={"responder": Tier.T1},
    rules=[
        Rule(id="all", why="open", when="true", verdict=Verdict.ALLOW),
        Rule(id="once", why="once in ten minutes", when='count("*", "*", "10m") >= 1', verdict=Verdict.DENY),
    ],
)


async def test_two_at_once_do_not_both_get_the_last_place() -> None:
    """Two targets, so no lock in common: the second finds the first in flight."""
    scene = Scene(policy=Policy(ONCE))
    await scene.agent.judge(plan(RESTART, call("restart_service", "postgres")), actor())
    scene.executor.hold = asyncio.Event()
    both = asyncio.gather(scene.agent.apply("plan-1", "s1", actor()), scene.agent.apply("plan-1", "s2", actor()))
    for _ in range(300):
        await asyncio.sleep(0)
    scene.executor.hold.set()
    outcomes = sorted((receipt.verdict, receipt.outcome) for receipt in await both)
    assert outcomes == [(Verdict.ALLOW, Outcome.SUCCEEDED), (Verdict.DENY, Outcome.SKIPPED)]
    assert len(scene.executor.executed) == 1


async def test_who_was_overtaken_after_looking_is_refused_in_the_claim() -> None:
    """Between the look and the claim something else took the last place: the claim's own transaction sees it."""
    ledger = MemoryLedger()

    def overtake() -> None:
        remember(ledger, "restart_service", "elsewhere", 1)

    scene = Scene(policy=Policy(ONCE), ledger=ledger, wrappers=with_code(ClaimOnce, overtake))
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    assert "something else happened since" in receipt.summary
    assert scene.executor.executed == []


async def test_the_database_rests_while_a_migration_is_in_flight() -> None:
    """The shipped rule over real claims: denied during the migration, and judged on its own afterwards."""
    scene = Scene()
    assert isinstance(scene.store, MemoryLedger)
    remember(scene.store, "migrate", "api", 5, state=ClaimState.DISPATCHED)
    [judged] = await scene.agent.judge(plan(call("restart_service", "postgres")), actor())
    assert judged.verdict is Verdict.DENY
    assert any("migration is under way" in reason.text for reason in judged.reasons)
    [other] = await scene.agent.judge(plan(RESTART, id="plan-2"), actor())
    assert other.verdict is Verdict.ALLOW


async def test_conditions_see_what_the_vocabulary_says() -> None:
    """Every field of every root is there with its kind, and no other."""
    seen: list[Attempt] = []

    class Spy(Policy):
        def ask(self, question: Any) -> Any:
            seen.append(question.fields)
            return super().ask(question)

    scene = Scene(policy=Spy(Scene().policy.document))
    poisoned = step("s1", call("set_config", key="URL", value="evil"), tainted_args=["key", "value"])
    await scene.agent.judge(plan(poisoned), actor())
    found: Any = seen[0]
    assert found["taint"] == {"args": ["key", "value"], "unknown": ["key", "value"]}
    assert found["args"] == {"key": "URL", "value": "evil"}
    kinds = {Kind.CHOICE: str, Kind.TEXT: str, Kind.FLAG: bool, Kind.NUMBER: int, Kind.NAMES: list}
    for root, declared in FIELDS.items():
        if root != "args":
            assert set(found[root]) == set(declared)
            assert all(isinstance(found[root][name], kinds[field.kind]) for name, field in declared.items())
    assert callable(fields)
