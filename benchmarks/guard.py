"""What a decision of the guard costs, with fifty rules, beside cedarpy deciding an equivalent policy in the same run.

The decision is everything from authentication to plan binding over one step, rules hot. Dry run, approval, lock, claim
and the ledger's reads and writes are reported apart. The limits are those of the specification; they are held against
processor time, which for a decision that waits for nothing is its time on a free core. On a busy machine the wall's p99
tells of its neighbours: both are printed.
"""

from __future__ import annotations

import asyncio
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import cedarpy

from domain.action import Outcome, Verdict
from domain.clock import ManualClock, SystemClock
from governance.claims import Purpose
from governance.guard.attempt import Attempt
from governance.guard.authenticate import Authenticate
from governance.guard.build import open_home_ledger
from governance.guard.freeze import Freeze
from governance.guard.inventory import SchemaAndInventory
from governance.guard.judging import attempt_for
from governance.guard.mode import ModeOfTarget
from governance.guard.order import WRAPPERS, nested
from governance.guard.plan import PlanBinding
from governance.guard.policy import PolicyRules, fields
from governance.guard.taint import Taint
from governance.guard.tier import TierTable
from governance.ledger.port import Ledger
from governance.plans import load_plan
from governance.policy import Policy, PolicyDocument, Question, Rule, load_policy
from governance.sequence import Sequence
from tests.fakes.guard import TOKENS, Scene, actor, call, plan

T = TypeVar("T")
RULES, ROUNDS, CHANGES = 50, 4000, 150
P50_US, P99_MS = 300.0, 2.0
DECIDING = (Authenticate, Freeze, SchemaAndInventory, ModeOfTarget, TierTable, Taint, PolicyRules, PlanBinding)


@dataclass
class Taken:
    """Seconds of each round: by the wall, and of this thread's processor time."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    async def timed(self, once: Callable[[], Awaitable[T]]) -> T:
        """One round."""
        wall, cpu = time.perf_counter(), time.thread_time()
        answer = await once()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.thread_time() - cpu)
        return answer


def main() -> int:
    """Print the table; 1 when the decision misses a limit."""
    return asyncio.run(_measure())


async def _measure() -> int:
    out = sys.stdout.write
    policy = fifty_rules()
    scene = await _judged(policy)
    ours = await _times(_decision(scene), ROUNDS)
    rules = await _times(_rules(scene), ROUNDS)
    cedar = await _times(_cedar(), ROUNDS)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    out(f"one step, {RULES} rules, {ROUNDS} rounds, microseconds; {load}\n")
    out(f"{'':<44} {'p50':>9} {'p99':>9} {'cpu p50':>9} {'cpu p99':>9}\n")
    _row("decision: authenticate to plan binding", ours)
    _row("  of it the rules", rules)
    _row("cedarpy, equivalent policy, parsed before", cedar)
    ratios = [_p50(of.cpu) / _p50(cedar.cpu) for of in (rules, ours)]
    out(f"rules : cedarpy = {ratios[0]:.2f}   decision : cedarpy = {ratios[1]:.2f}\n")
    await _apart(policy)
    met = _p50(ours.cpu) <= P50_US and _p99(ours.cpu) <= P99_MS * 1000
    out(f"limits p50 <= {P50_US:.0f} us, p99 <= {P99_MS:.0f} ms: {'met' if met else 'MISSED'}\n")
    return 0 if met else 1


def fifty_rules() -> Policy:
    """The shipped rules and as many of a shop's own as make fifty: a third reads each of target, arguments and agent."""
    shipped = load_policy().document
    own = [
        Rule(id=f"own-{n}", why="a shop's own rule", when=_condition(n), verdict=Verdict.DENY)
        for n in range(RULES - len(shipped.rules))
    ]
    return Policy(PolicyDocument.model_validate({**shipped.model_dump(), "rules": [*shipped.rules, *own]}))


def _condition(n: int) -> str:
    return (
        f'action.name == "act_{n}" && target.kind in ["kind_{n}", "kind_{n + 1}"] && agent.level < 3',
        f'target.name.startsWith("shop-{n}-") && action.effect == "irreversible" && !change.compensation',
        f'agent.name == "agent-{n}" && has(args.size) && args.size > {n}',
    )[n % 3]


async def _judged(policy: Policy, ledger: Ledger | None = None, clock: ManualClock | None = None) -> Scene:
    scene = Scene(policy=policy, ledger=ledger, clock=clock or ManualClock())
    await scene.agent.judge(plan(call("scale_pool", size=10)), actor())
    return scene


def _attempt(scene: Scene) -> Attempt:
    parts = scene.guard.parts
    pinned = load_plan(parts.ledger, "plan-1")
    assert pinned is not None
    return attempt_for(parts, pinned, pinned.step("s1"), actor(), Purpose.APPLY, TOKENS["agent"][0])


def _decision(scene: Scene) -> Callable[[], Awaitable[None]]:
    door, ready = nested(scene.guard.parts, DECIDING), _attempt(scene)

    async def once() -> None:
        ready.reasons, ready.identity, ready.strange_args = [], None, []
        await door.judge(ready)
        assert ready.verdict is Verdict.ALLOW, ready.reasons

    return once


def _rules(scene: Scene) -> Callable[[], Awaitable[None]]:
    attempt, policy, ledger = _attempt(scene), scene.guard.parts.policy, scene.store

    async def once() -> None:
        functions = Sequence(ledger, attempt.key).functions()
        found = policy.ask(Question(fields=fields(attempt), functions=functions))
        assert [f.rule for f in found] == ["known-effects"]

    return once


def _cedar() -> Callable[[], Awaitable[None]]:
    """The same conditions in Cedar; what happened before is handed in, as Cedar cannot ask."""
    policies = cedarpy.PolicySet.from_str("\n".join(_cedar_policies()))
    entities = cedarpy.Entities.from_json_str("[]")

    async def once() -> None:
        context: dict[str, Any] = {
            "action": {"name": "scale_pool", "effect": "reversible", "binding": "process", "undo": True},
            "target": {"name": "api", "kind": "api", "environment": "sandbox", "criticality": "medium", "mode": "act"},
            "agent": {"name": "responder", "tier": "T1", "level": 1},
            "change": {"id": "inc-1", "compensation": False},
            "args": {"size": 10},
            "taint": {"unknown": 0},
            "before": {"restarts": 0, "migrating": 0},
        }
        request = {
            "principal": 'Agent::"responder"',
            "action": 'Action::"scale_pool"',
            "resource": 'Service::"api"',
            "context": context,
        }
        assert cedarpy.is_authorized(request, policies, entities).allowed

    return once


def _cedar_policies() -> list[str]:
    def rule(effect: str, condition: str) -> str:
        return f"{effect} (principal, action, resource) when {{ {condition} }};"

    def own(n: int) -> str:
        return (
            f'context.action.name == "act_{n}" && ["kind_{n}", "kind_{n + 1}"].contains(context.target.kind)'
            " && context.agent.level < 3",
            f'context.target.name like "shop-{n}-*" && context.action.effect == "irreversible"'
            " && !context.change.compensation",
            f'context.agent.name == "agent-{n}" && context.args has size && context.args.size > {n}',
        )[n % 3]

    name = "context.action.name"
    shipped = [
        rule("permit", '["read", "transient", "reversible", "irreversible"].contains(context.action.effect)'),
        rule(
            "forbid",
            f'{name} like "grant_*" || {name} like "*policy*" || {name} like "*ledger*"'
            ' || ["action-server", "ledger", "vault"].contains(context.target.name)',
        ),
        rule("forbid", f'{name} like "*root_key*" || {name} like "*unseal*" || {name} like "*init_key*"'),
        rule(
            "forbid",
            'context.target.environment == "production" && ["database", "cache"].contains(context.target.kind)'
            f' && ({name} like "drop_*" || {name} like "delete_*")',
        ),
        rule("forbid", f'{name} == "restart_service" && !context.change.compensation && context.before.restarts >= 6'),
        rule(
            "forbid",
            f'context.target.kind == "database" && {name} != "migrate" && !context.change.compensation'
            " && context.before.migrating > 0",
        ),
        rule("forbid", 'context.action.effect == "irreversible" && context.taint.unknown > 0'),
    ]
    return [*shipped, *(rule("forbid", own(n)) for n in range(RULES - len(shipped)))]


async def _apart(policy: Policy) -> None:
    """The same decision over the ledger on disk, and whole changes: dry run, lock, claim, intent, effect, outcome."""
    with tempfile.TemporaryDirectory() as home:
        clock = ManualClock()
        ledger = open_home_ledger(Path(home), clock)
        scene = await _judged(policy, ledger, clock)
        _row("decision, seat and freeze read from disk", await _times(_decision(scene), ROUNDS))

        async def pinned() -> None:
            _attempt(scene)

        _row("pinned plan, seat and key read from disk", await _times(pinned, ROUNDS))
        _row("a whole change on disk, all wrappers", await _changes(scene))
        ledger.close()
    sys.stdout.write(f"freeze with a step that hangs: quiet after {await _quiet():.2f} s (promised: 5 s)\n")
    sys.stdout.write(
        f"(wrappers of a whole change: {len(WRAPPERS)}; a change writes attempt, intent, effect, read-back)\n"
    )


async def _quiet() -> float:
    """Seconds from the kill switch until nothing runs, while an execution does not end by itself."""
    scene = Scene(clock=cast("Any", SystemClock()))
    scene.executor.hold = asyncio.Event()
    await scene.agent.judge(plan(call("scale_pool", size=10)), actor())
    running = asyncio.ensure_future(scene.agent.apply("plan-1", "s1", actor()))
    while not scene.executor.executed:
        await asyncio.sleep(0)
    report = await scene.operator.freeze("measured")
    await running
    return report.quiet_s


async def _changes(scene: Scene) -> Taken:
    taken = Taken()
    for n in range(CHANGES):
        change = f"inc-{n + 2}"
        made = plan(call("scale_pool", size=11 + n), id=f"plan-{n + 2}", incident=change)
        await scene.agent.judge(made, actor(change=change))
        receipt = await taken.timed(functools.partial(scene.agent.apply, made.id, "s1", actor(change=change)))
        assert receipt.outcome is Outcome.SUCCEEDED, receipt.summary
        scene.clock.advance(70)
    return taken


async def _times(once: Callable[[], Awaitable[None]], rounds: int) -> Taken:
    for _ in range(200):
        await once()
    taken = Taken()
    for _ in range(rounds):
        await taken.timed(once)
    return taken


def _row(name: str, taken: Taken) -> None:
    wall, cpu = taken.wall, taken.cpu
    sys.stdout.write(f"{name:<44} {_p50(wall):>9.1f} {_p99(wall):>9.1f} {_p50(cpu):>9.1f} {_p99(cpu):>9.1f}\n")


def _p50(taken: list[float]) -> float:
    return statistics.median(taken) * 1e6


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98] * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
