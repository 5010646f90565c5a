"""A small staging environment in memory: versions, a schema with object numbers, a guard, and users who may notice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from contracts.enforcement.yard import Yard
from contracts.rehearsal.ground import Ground, Upcoming
from contracts.rehearsal.trial import State, Trial
from domain.action import ActionCall, ActionSpec, Effect, Judgement, Outcome, Reason, Verdict
from domain.bundle import Reading, Span, Window
from domain.clock import ManualClock
from domain.errors import ConflictError
from domain.guard import Actor, Approval, ApprovalStatus, Receipt
from domain.inventory import Binding, Environment, Inventory, Service
from domain.plan import Plan
from tests.fakes.rollouts import Site

API = Service(
    name="api",
    kind="api",
    environment=Environment.STAGING,
    depends_on=["cache"],
    bindings={
        "release": Binding(via="control", options={"versions": ["v1", "v2"]}),
        "migration": Binding(via="control"),
    },
)
CACHE = Service(name="cache", kind="cache", environment=Environment.STAGING, bindings={"cache": Binding(via="redis")})
LIVE = API.model_copy(update={"name": "live", "environment": Environment.PRODUCTION})
ADDS = """
revision = "2"
def upgrade():
    op.add_column("t", c)
def downgrade():
    op.drop_column("t", "note")
"""
SPECS = [
    ActionSpec(name="promote_release", summary="", effect=Effect.REVERSIBLE, binding="release", schema={}, undo="x"),
    ActionSpec(name="migrate", summary="", effect=Effect.REVERSIBLE, binding="migration", schema={}, undo="migrate"),
    ActionSpec(name="clear_cache", summary="", effect=Effect.TRANSIENT, binding="cache", schema={}),
]

AS_IT_WAS = State(version="v1", weights={"v1": 100}, revision="1", columns={"t.id": "9.1 integer"}, rows={"t": 500})


@dataclass
class Staging:
    """`broken`: pairs of version and revision that do not serve users."""

    clock: ManualClock = field(default_factory=ManualClock)
    state: State = AS_IT_WAS
    broken: set[tuple[str, str]] = field(default_factory=set)
    fails: dict[str, str] = field(default_factory=dict)
    """Action → why it fails; it does nothing then."""
    leaves: dict[str, Any] = field(default_factory=dict)
    """What the way down leaves otherwise than it was."""
    stuck: bool = False
    source: str = ADDS
    verdict: Verdict = Verdict.ALLOW
    answer: ApprovalStatus = ApprovalStatus.APPROVED
    specs_known: list[ActionSpec] = field(default_factory=lambda: list(SPECS))
    probed: bool = True
    """Whether anything outside looks at the service."""
    calls: list[str] = field(default_factory=list)
    saved: list[Trial] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    telemetry: Any = None
    hold: asyncio.Event | None = None
    """When set, looks at the service wait for it."""
    _plans: dict[str, Plan] = field(default_factory=dict)
    _before: dict[str, State] = field(default_factory=dict)

    def ground(self, save: Any = None) -> Ground:
        """Ports onto it."""
        yard = Yard(
            inventory=Inventory(services=[API, CACHE, LIVE]),
            guard=self,  # type: ignore[arg-type]
            telemetry=self.telemetry or self,  # type: ignore[arg-type]
            clock=self.clock,
            note=self.note,
            memories=Site.memories,  # type: ignore[arg-type]
            actor=lambda change: Actor(agent="responder", change=change),
            boot=lambda: "",
        )
        return Ground(
            yard=yard, look=self.look, witness=self.witness, pending=self.pending, save=save or self.saved.append
        )

    async def look(self, probes: Sequence[str], services: Sequence[str]) -> list[Reading]:
        if self.hold is not None:
            await self.hold.wait()
        if not self.probed:
            return []
        ok = (self.state.version, self.state.revision) not in self.broken
        return [Reading(probe="http_health", service="api", time=0.0, ok=ok, text="checkout: expected 201, found 500")]

    async def witness(self, service: str) -> State:
        return self.state

    async def pending(self, service: str, wanted: str) -> Upcoming:
        return Upcoming(revision=wanted or "2", sources=[("2_note.py", self.source)])

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 0) -> list[Span]:
        return []

    async def note(self, kind: str, change: str, content: dict[str, Any]) -> None:
        self.notes.append(content)

    # -- guard -----------------------------------------------------------------------------------------------------

    async def specs(self) -> list[ActionSpec]:
        return self.specs_known

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        self._plans[plan.id] = plan
        reasons = [Reason(wrapper="mode", verdict=self.verdict, text="the mode says so")]
        asked = "apr-1" if self.verdict is Verdict.ASK else None
        now = self.clock.now()
        return [Judgement(step_id="s1", verdict=self.verdict, reasons=reasons, approval_id=asked, judged_at=now)]

    async def approval(self, approval_id: str) -> Approval:
        now, call = self.clock.now(), ActionCall(action="migrate", target="api")
        facts = {"change": "trial-1", "plan": "p", "step_id": "s1", "digest": "0", "summary": ""}
        times = {"requested_at": now, "expires_at": now + timedelta(hours=1)}
        return Approval(id=approval_id, call=call, requested_by="responder", status=self.answer, **facts, **times)

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        call = self._plans[plan_id].steps[0].call
        self.calls.append(" ".join([call.action, *map(str, call.args.values())]))
        if why := self.fails.get(call.action):
            return _receipt(Outcome.FAILED, why)
        self._before[plan_id] = self.state
        self.state = self._after(call)
        return _receipt(Outcome.SUCCEEDED, f"{call.action} is done")

    def _after(self, call: ActionCall) -> State:
        match call.action:
            case "promote_release":
                return self.state.model_copy(update={"version": call.args["version"], "weights": {"v2": 100}})
            case "migrate":
                columns = {**self.state.columns, "t.note": "9.2 text"}
                return self.state.model_copy(update={"revision": call.args["revision"], "columns": columns})
            case _:
                return self.state

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        if plan_id not in self._before:
            raise ConflictError(f"step {step_id} has nothing to take back")
        call = self._plans[plan_id].steps[0].call
        self.calls.append(f"back from {call.action}")
        if self.stuck:
            return _receipt(Outcome.FAILED, "the database is gone")
        self.state = self._before.pop(plan_id)
        if call.action == "migrate":
            self.state = self.state.model_copy(update=self.leaves)
        return _receipt(Outcome.SUCCEEDED, "taken back")


def _receipt(outcome: Outcome, summary: str) -> Receipt:
    return Receipt(step_id="s1", verdict=Verdict.ALLOW, outcome=outcome, summary=summary)
