"""One imagined change before the wrappers that need no target: what they would say, without anything that could act."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from domain.action import ActionCall, Effect, Executor, Reason, Tier, Verdict
from domain.clock import Clock, SystemClock
from domain.guard import Actor
from domain.inventory import Inventory, Service
from domain.plan import Plan, Step
from domain.value import Value, digest
from governance.claims import Claim, ClaimState, Purpose, save_claim
from governance.credentials.embedded import EmbeddedCredentials
from governance.guard.attempt import Parts, Wrapper
from governance.guard.inventory import SchemaAndInventory
from governance.guard.judging import attempt_for, pin
from governance.guard.mode import ModeOfTarget
from governance.guard.order import nested
from governance.guard.policy import PolicyRules
from governance.guard.taint import Taint
from governance.guard.tier import TierTable
from governance.identity import Identities
from governance.ledger.memory import MemoryLedger
from governance.policy import Policy

LOOKING: tuple[type[Wrapper], ...] = (SchemaAndInventory, ModeOfTarget, TierTable, Taint, PolicyRules)
"""The wrappers that decide by what is written down alone; plan, dry run, budget and approval need a real change."""


class Before(Value):
    """Something that happened earlier, for rules about sequences."""

    action: str
    target: str
    seconds_ago: float = Field(ge=0)
    state: Literal["done", "running"] = "done"


class ExampleChange(Value):
    """A change to ask about: `firebreak policy check --change example.json`."""

    action: str
    target: str
    args: dict[str, Any] = {}
    agent: str = "responder"
    tier: Tier = Tier.T1
    change: str = "inc-example"
    tainted_args: list[str] = []
    compensation: bool = False
    source: str = "rules"
    service: Service | None = None
    """The target, when it is in no inventory."""
    history: list[Before] = []

    def known_in(self, inventory: Inventory) -> Inventory:
        """The inventory with the example's own target in it."""
        if self.service is None:
            return inventory
        kept = [service for service in inventory.services if service.name != self.service.name]
        return Inventory(services=[*kept, self.service])


class ExampleVerdict(Value):
    """What would be said, with all reasons."""

    policy: str
    verdict: Verdict
    quorum: int
    reasons: list[Reason]


async def judge_example(
    example: ExampleChange, *, executor: Executor, inventory: Inventory, policy: Policy, clock: Clock | None = None
) -> ExampleVerdict:
    """Ask the same wrappers that a real change passes. Touches neither a target nor a ledger on disk."""
    time = clock or SystemClock()
    ledger = MemoryLedger(time)
    parts = Parts(
        executor=executor,
        inventory=inventory,
        ledger=ledger,
        identities=Identities(),
        policy=policy,
        clock=time,
        credentials=EmbeddedCredentials(ledger),
    )
    _remember(example, inventory, ledger, policy)
    purpose = Purpose.COMPENSATE if example.compensation else Purpose.APPLY
    pinned = pin(_plan(example, executor, time), Actor(agent=example.agent, change=example.change), parts)
    attempt = attempt_for(
        parts, pinned, pinned.plan.steps[0], Actor(agent=example.agent, change=example.change), purpose
    )
    attempt.tier = example.tier
    await nested(parts, LOOKING).judge(attempt)
    return ExampleVerdict(
        policy=policy.pin, verdict=attempt.verdict, quorum=attempt.quorum, reasons=list(attempt.reasons)
    )


def _plan(example: ExampleChange, executor: Executor, clock: Clock) -> Plan:
    spec = executor.spec(example.action)
    step = Step(
        id="s1",
        call=ActionCall(action=example.action, target=example.target, args=example.args),
        effect=spec.effect if spec else Effect.IRREVERSIBLE,
        rationale="an example",
        tainted_args=example.tainted_args,
    )
    return Plan(
        id="plan-example",
        incident=example.change,
        hypothesis="an example",
        source=example.source,
        steps=[step],
        created_at=clock.now(),
    )


def _remember(example: ExampleChange, inventory: Inventory, ledger: MemoryLedger, policy: Policy) -> None:
    with ledger.transaction() as tx:
        for n, before in enumerate(example.history):
            service = inventory.service(before.target)
            claim = Claim(
                key=digest({"example": n}),
                purpose=Purpose.APPLY,
                state=ClaimState.CONFIRMED if before.state == "done" else ClaimState.DISPATCHED,
                change=example.change,
                plan=f"plan-before-{n}",
                step="s1",
                agent=example.agent,
                tier=example.tier,
                call=ActionCall(action=before.action, target=before.target),
                kind=service.kind if service else "",
                policy=policy.pin,
                fence=n + 1,
                claimed_at=tx.now - timedelta(seconds=before.seconds_ago),
                entry=n,
            )
            save_claim(tx, claim)
