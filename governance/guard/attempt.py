"""One step on its way through the wrappers, and the parts that wrappers work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.action import ActionCall, ActionResult, ActionSpec, DryRunResult, Executor, Outcome, Reason, Tier, Verdict
from domain.clock import Clock
from domain.guard import Actor, Approval, Receipt
from domain.inventory import Environment, Inventory, Service
from domain.plan import Step
from governance.attribution import Excuse, Suspicion
from governance.baselines import Baselines, NoBaselines
from governance.claims import Claim, Purpose
from governance.credentials.port import Credential, Credentials
from governance.identity import Identities, Identity
from governance.ledger.port import Ledger, Transaction
from governance.plans import PinnedPlan
from governance.policy import Policy
from governance.violations import Violation

Check = Callable[[Transaction], None]
"""Something that must hold inside a transaction; raises Refused when it does not."""


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the wrappers share. Everything durable is in the ledger."""

    executor: Executor
    inventory: Inventory
    ledger: Ledger
    identities: Identities
    policy: Policy
    clock: Clock
    credentials: Credentials
    approval_ttl_s: float = 900.0
    """Seconds an approval stays open."""
    read_back_tries: int = 3
    """How often an unknown effect is looked for before it stays unknown."""
    read_back_pause_s: float = 1.0
    baselines: Baselines = field(default_factory=NoBaselines)
    """The golden snapshots that no agent may change."""
    in_flight: dict[str, asyncio.Task[ActionResult]] = field(default_factory=dict[str, asyncio.Task[ActionResult]])
    """Claim key → the execution that is running now."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """Filled in as it passes; reasons of every wrapper add up."""

    purpose: Purpose
    step: Step
    """With the call that is in force."""
    actor: Actor
    key: str
    pinned: PinnedPlan
    token: str = field(default="", repr=False)
    approval_id: str | None = None
    compensates: Claim | None = None
    """The claim that is taken back, when the purpose is to compensate."""
    unwinding: bool = False
    """True when a person ordered this compensation."""
    ordered_under: str = ""
    """The freeze that stood when it was ordered; a later one stops it."""

    identity: Identity | None = None
    spec: ActionSpec | None = None
    service: Service | None = None
    environment: Environment = Environment.PRODUCTION
    tier: Tier = Tier.T0
    quorum: int = 1
    typed_args: dict[str, Any] = field(default_factory=dict[str, Any])
    """The arguments as the action's own check gave them back, defaults filled in."""
    strange_args: list[str] = field(default_factory=list[str])
    """Tainted arguments whose value the inventory does not have."""
    blind: str = ""
    """Why not even a dry run is made; empty when one may be made."""
    reasons: list[Reason] = field(default_factory=list[Reason])
    suspicions: list[Suspicion] = field(default_factory=list[Suspicion])
    """What the wrappers saw that looks like a violation; attributed and charged at the end."""
    dry_run: DryRunResult | None = None
    digest: str = ""
    approval: Approval | None = None
    fence: int = 0
    claim: Claim | None = None
    credential: Credential | None = None
    result: ActionResult | None = None
    receipt: Receipt | None = None
    entries: list[int] = field(default_factory=list[int])
    """Ledger entries that this attempt wrote."""
    on_claim: list[Check] = field(default_factory=list[Check])
    """Runs inside the claim's transaction; raising Refused undoes all of it."""
    on_dispatch: list[Check] = field(default_factory=list[Check])
    """Runs inside the transaction that writes the intent."""

    @property
    def call(self) -> ActionCall:
        """The action with its arguments."""
        return self.step.call

    @property
    def verdict(self) -> Verdict:
        """The strictest word; no word at all is a no."""
        return max((r.verdict for r in self.reasons), key=lambda v: v.strictness, default=Verdict.DENY)

    @property
    def author(self) -> str:
        """Who stands in the ledger for it."""
        return self.identity.name if self.unwinding and self.identity else self.actor.agent

    def say(self, wrapper: str, verdict: Verdict, text: str) -> None:
        """Add a reason."""
        self.reasons.append(Reason(wrapper=wrapper, verdict=verdict, text=text))

    def suspect(self, violation: Violation, what: str, excuse: Excuse | None = None, *, told: bool = False) -> None:
        """Note what looks like a violation. A proposal never is one: only what is carried out can be.

        `told`: the agent has heard a no that is newer than its judgement.
        """
        if self.purpose is not Purpose.APPLY or self.unwinding:
            return
        suspicion = Suspicion(
            violation=violation,
            agent=self.actor.agent,
            change=self.actor.change,
            what=what,
            excuse=excuse or (None if told else self.pinned.excuse(violation, self.step.id)),
        )
        self.suspicions.append(suspicion)

    def denials(self) -> list[Reason]:
        """Reasons that deny."""
        return [r for r in self.reasons if r.verdict is Verdict.DENY]

    def facts(self) -> dict[str, Any]:
        """What every ledger entry about this attempt says."""
        return {
            "plan": self.pinned.plan.id,
            "step": self.step.id,
            "call": self.call.model_dump(mode="json"),
            "purpose": self.purpose.value,
            "agent": self.actor.agent,
            "identity": self.identity.name if self.identity else "",
            "tier": self.tier.value,
            "mode": self.service.mode.value if self.service else "",
            "environment": self.environment.value,
            "policy": self.pinned.policy,
            "claim": self.key,
            **({"accessor": self.credential.accessor} if self.credential else {}),
            "causation": self.pinned.entry,
            "thread": self.actor.thread,
            "agent_fence": self.actor.fence,
            "run": self.actor.run,
        }


class Refused(Exception):  # noqa: N818 - an expected outcome that unwinds the wrappers, never seen by callers
    """The step goes no further. Carries one more reason, when there is one."""

    def __init__(self, reason: Reason | None = None, *, approval_id: str | None = None) -> None:
        super().__init__(reason.text if reason else "refused")
        self.reason = reason
        self.approval_id = approval_id


class Door(Protocol):
    """The face of every wrapper and of the execution inside them."""

    async def judge(self, attempt: Attempt) -> None:
        """Add reasons; change nothing."""
        ...

    async def carry_out(self, attempt: Attempt) -> None:
        """Let it through to the next one, or raise Refused."""
        ...


class Wrapper:
    """One concern: looks, then passes on. Subclasses say more."""

    name = ""

    def __init__(self, inner: Door, parts: Parts) -> None:
        self.inner = inner
        self.parts = parts

    async def look(self, attempt: Attempt) -> None:
        """Add this concern's reasons."""

    async def judge(self, attempt: Attempt) -> None:
        """Look, then let the others look."""
        await self.look(attempt)
        await self.inner.judge(attempt)

    async def carry_out(self, attempt: Attempt) -> None:
        """Look, then let the others act."""
        await self.look(attempt)
        await self.inner.carry_out(attempt)


def _lasts(attempt: Attempt, result: ActionResult) -> bool:
    """Whether something is, or may be, in the world that an undo takes back."""
    declared = attempt.claim.witness if attempt.claim else ()
    return result.outcome in {Outcome.SUCCEEDED, Outcome.UNKNOWN} or result.half_done(declared)


def receipt_of(attempt: Attempt) -> Receipt:
    """The receipt of an attempt that went all the way."""
    result = attempt.result
    if attempt.receipt is not None:
        return attempt.receipt
    return Receipt(
        step_id=attempt.step.id,
        verdict=Verdict.ALLOW,
        outcome=result.outcome if result else Outcome.UNKNOWN,
        summary=result.summary if result else "nothing came back",
        reasons=list(attempt.reasons),
        ledger=list(attempt.entries),
        undo=result.undo if result and _lasts(attempt, result) else None,
        before=result.before if result else {},
        after=result.after if result else {},
        seconds=result.seconds if result else 0.0,
    )
