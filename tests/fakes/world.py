"""A little world for whole-graph tests: services that are broken or not, actions that mend them or not, and a guard over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from domain.action import ActionCall, ActionSpec, Effect, Judgement, Outcome, Reason, Verdict
from domain.alert import Alert, AlertStatus
from domain.bundle import Bundle, Reading
from domain.clock import Clock, ManualClock
from domain.conditions import Condition, Finding
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.errors import ConflictError, NotFoundError
from domain.guard import Actor, Approval, ApprovalStatus, GuardStatus, Receipt, Withdrawal
from domain.inventory import Binding, HttpProbe, Inventory, Service
from domain.plan import Plan, Step
from domain.retrieval import Passage
from domain.second_opinion import DiffReading
from domain.severity import Severity

NO_ARGS = {"type": "object", "properties": {}}
SIZE = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}


def spec(name: str, effect: Effect, removes: list[Condition], *, binding: str = "process", **more: Any) -> ActionSpec:
    """A published specification."""
    more.setdefault("schema", NO_ARGS)
    return ActionSpec(
        name=name, summary=name, effect=effect, binding=binding, removes=[str(c) for c in removes], **more
    )


SPECS = [
    spec("resume_process", Effect.TRANSIENT, [Condition.PROCESS_PAUSED], no_undo_reason="nothing to undo"),
    spec(
        "restart_service",
        Effect.TRANSIENT,
        [Condition.PROCESS_PAUSED, Condition.PROCESS_NOT_RUNNING, Condition.PROCESS_UNRESPONSIVE],
        no_undo_reason="nothing to undo",
    ),
    spec("scale_pool", Effect.REVERSIBLE, [Condition.POOL_SATURATED], binding="pool", schema=SIZE, undo="scale_pool"),
    spec("widen_queue", Effect.REVERSIBLE, [Condition.POOL_SATURATED], binding="pool|queue", undo="narrow_queue"),
    spec("narrow_queue", Effect.REVERSIBLE, [], binding="pool|queue"),
    spec("clear_cache", Effect.TRANSIENT, [Condition.LOCAL_STATE_TORN], binding="warm_cache", no_undo_reason="refills"),
]

INVENTORY = Inventory(
    services=[
        Service(
            name="frontend",
            kind="frontend",
            depends_on=["api"],
            probes=[HttpProbe(name="shop", url="http://127.0.0.1:1/", user_facing=True)],
            bindings={"process": Binding(via="control")},
        ),
        Service(
            name="api",
            kind="api",
            depends_on=["postgres"],
            bindings={
                "process": Binding(via="control"),
                "pool": Binding(via="control", options={"max": 40}),
                "warm_cache": Binding(via="directory"),
            },
        ),
        Service(name="postgres", kind="database", bindings={"database": Binding(via="postgres")}),
    ]
)


def alert(**changes: Any) -> Alert:
    """A firing alert about the shop."""
    fields: dict[str, Any] = {
        "source": "generic",
        "delivery_id": "d1",
        "identity": "shop-down",
        "episode_id": "shop-down@1",
        "group_key": "shop",
        "title": "shop is failing",
        "status": AlertStatus.FIRING,
        "severity": Severity.HIGH,
        "service": "api",
        "received_at": ManualClock().now(),
    }
    return Alert.model_validate({**fields, **changes})


@dataclass
class World:
    """What is wrong, where, and what mends it. `wrong` maps (condition, service) to the facts a reading shows."""

    wrong: dict[tuple[Condition, str], dict[str, Any]] = field(default_factory=dict)
    mends: set[str] = field(default_factory=set)
    """`action target` pairs that remove everything that is wrong."""
    breaks: set[str] = field(default_factory=set)
    """`action target` pairs that make the database's own check fail."""
    blind: bool = False
    effects: list[str] = field(default_factory=list)
    """Every effect that really took place, in order."""
    also_broken: set[str] = field(default_factory=set)
    led_around: bool = False
    """Users' traffic goes another way: they are served whatever is wrong."""

    @property
    def healthy(self) -> bool:
        return (self.led_around or not self.wrong) and not self.also_broken

    def do(self, call: ActionCall) -> None:
        """Carry out an action."""
        pair = f"{call.action} {call.target}"
        self.effects.append(pair)
        if pair in self.mends:
            self.wrong.clear()
        if pair in self.breaks:
            self.also_broken.add("postgres")

    def undo(self, call: ActionCall) -> None:
        """Take an action back."""
        pair = f"{call.action} {call.target}"
        self.effects.append(f"undo {pair}")
        if pair in self.breaks:
            self.also_broken.clear()


class WorldProbes:
    """Readings of the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def names(self) -> list[str]:
        return ["http_health", "state"]

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        rows = [*self._health(), *self._state()]
        return [r for r in rows if (names is None or r.probe in names) and (services is None or r.service in services)]

    def _health(self) -> list[Reading]:
        shop = self._world.healthy
        database = "postgres" not in self._world.also_broken
        return [
            Reading(
                probe="http_health",
                service="frontend",
                time=0.0,
                ok=shop,
                text=f"shop answers {'200' if shop else '503'}",
                values={"name": "shop", "user_facing": True, "status": 200 if shop else 503},
            ),
            Reading(
                probe="http_health",
                service="postgres",
                time=0.0,
                ok=database,
                text="ready" if database else "not ready",
                values={"name": "ready", "user_facing": False},
            ),
        ]

    def _state(self) -> list[Reading]:
        if self._world.blind:
            return []
        found = dict.fromkeys(INVENTORY.names())
        rows = [
            Reading(
                probe="state",
                service=service,
                time=0.0,
                ok=False,
                text=f"{condition.value} at {service}",
                values={"condition": condition.value, **facts},
            )
            for (condition, service), facts in self._world.wrong.items()
        ]
        wrong = {r.service for r in rows}
        return rows + [
            Reading(probe="state", service=n, time=0.0, ok=True, text=f"{n} is fine") for n in found if n not in wrong
        ]


def diagnose_world(
    bundle: Bundle, *, previous: Diagnosis | None = None, diffs_read: Mapping[str, DiffReading] | None = None
) -> Diagnosis:
    """The simplest perception: a failed state reading is a cause, failed health without one is inconclusive."""
    rows = [r for r in bundle.readings if r.ok is False] or list(bundle.readings)[:2]
    evidence = [
        Evidence(
            id=f"E{n}", kind="reading", source=f"probe:{r.probe}", service=r.service, excerpt=r.text, data=r.values
        )
        for n, r in enumerate(rows, 1)
    ]
    causes = [e for e in evidence if "condition" in e.data]
    hypotheses = [_hypothesis(n, e) for n, e in enumerate(causes, 1)]
    suffering = any(r.ok is False for r in bundle.readings if r.probe == "http_health")
    verdict = DiagnosisVerdict.FAULT if hypotheses else DiagnosisVerdict.HEALTHY
    if suffering and not hypotheses:
        verdict = DiagnosisVerdict.INCONCLUSIVE
    return Diagnosis(
        incident=bundle.id,
        verdict=verdict,
        confidence=0.9 if hypotheses else 0.5,
        hypotheses=hypotheses,
        evidence=evidence,
        blind_spots=[] if bundle.readings else ["no readings"],
    )


def _hypothesis(rank: int, evidence: Evidence) -> Hypothesis:
    facts = {k: v for k, v in evidence.data.items() if k != "condition"}
    finding = Finding(
        condition=Condition(evidence.data["condition"]), service=evidence.service, facts=facts, evidence=[evidence.id]
    )
    return Hypothesis(
        rank=rank,
        service=evidence.service,
        fault_class="some_fault",
        confidence=0.9 / rank,
        statement=evidence.excerpt,
        evidence=[evidence.id],
        details={"conditions": [finding.model_dump(mode="json")]},
    )


class WorldGuard:
    """A guard over the world: verdicts as told, one effect per step, approvals by id. Survives its clients."""

    def __init__(self, world: World, clock: Clock, verdicts: dict[str, Verdict] | None = None) -> None:
        self.world = world
        self.clock = clock
        self.verdicts = verdicts or {}
        """action → verdict; allow when not named."""
        self.plans: dict[str, Plan] = {}
        self.done: dict[tuple[str, str], Receipt] = {}
        self.undone: dict[tuple[str, str], Receipt] = {}
        self.open: dict[str, Approval] = {}
        self.frozen = False
        self.revoked = False
        """The agent may act no more."""
        self.outcomes: dict[str, Outcome] = {}
        """action → outcome; succeeded when not named."""
        self.after_effect: Callable[[], None] = lambda: None
        """Called after an effect took place and before its receipt is returned: where tests kill the caller."""
        self.refuses_undo = False
        self.asks_undo = False
        """Whether taking a step back waits for a person."""
        self._ledger = 0

    async def specs(self) -> list[ActionSpec]:
        return SPECS

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        self.plans[plan.id] = plan
        return [self._judge(plan, step, actor) for step in plan.steps]

    def _judge(self, plan: Plan, step: Step, actor: Actor) -> Judgement:
        verdict = Verdict.DENY if self._shut else self.verdicts.get(step.call.action, Verdict.ALLOW)
        approval_id = self._ask(plan, step, actor) if verdict is Verdict.ASK else None
        reasons = [Reason(wrapper=self._shut or "policy", verdict=verdict, text=f"policy says {verdict.value}")]
        return Judgement(
            step_id=step.id, verdict=verdict, reasons=reasons, approval_id=approval_id, judged_at=self.clock.now()
        )

    @property
    def _shut(self) -> str:
        """The wrapper that refuses everything, or empty."""
        return "freeze" if self.frozen else "revocation" if self.revoked else ""

    def _ask(self, plan: Plan, step: Step, actor: Actor) -> str:
        approval_id = f"apr-{plan.id}-{step.id}"
        self.open[approval_id] = Approval(
            id=approval_id,
            change=actor.change,
            plan=plan.id,
            step_id=step.id,
            call=step.call,
            digest=step.binding_digest(),
            summary="would change",
            requested_by=actor.agent,
            requested_at=self.clock.now(),
            expires_at=self.clock.now() + timedelta(hours=1),
        )
        return approval_id

    def answer(self, approval_id: str, status: ApprovalStatus) -> None:
        """A person answers."""
        self.open[approval_id] = self.open[approval_id].model_copy(
            update={"status": status, "answered_by": ["ada"], "reason": "as asked"}
        )

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        known = self.done.get((plan_id, step_id))
        if known is not None:
            return known
        step = next(s for s in self.plans[plan_id].steps if s.id == step_id)
        verdict = Verdict.DENY if self._shut else self.verdicts.get(step.call.action, Verdict.ALLOW)
        if verdict is Verdict.ASK and approval_id:
            approved = self.open[approval_id].status in (ApprovalStatus.APPROVED, ApprovalStatus.MODIFIED)
            verdict = Verdict.ALLOW if approved else Verdict.ASK
        if verdict is not Verdict.ALLOW:
            return Receipt(
                step_id=step_id,
                verdict=verdict,
                outcome=Outcome.SKIPPED,
                summary=f"{verdict.value} at the door",
                approval_id=approval_id,
                reasons=[Reason(wrapper=self._shut or "policy", verdict=verdict, text="the door says so")],
            )
        outcome = self.outcomes.get(step.call.action, Outcome.SUCCEEDED)
        if outcome is not Outcome.FAILED:
            self.world.do(step.call)
        self._ledger += 1
        receipt = Receipt(
            step_id=step_id,
            verdict=Verdict.ALLOW,
            outcome=outcome,
            summary=f"{step.call.action} done",
            ledger=[self._ledger],
            undo=step.undo or recorded_undo(step.call),
            seconds=0.1,
        )
        self.done[(plan_id, step_id)] = receipt
        self.after_effect()
        return receipt

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        known = self.undone.get((plan_id, step_id))
        if known is not None:
            return known
        step = next(s for s in self.plans[plan_id].steps if s.id == step_id)
        if self.asks_undo and (receipt := self._undo_question(self.plans[plan_id], step, actor)) is not None:
            return receipt
        verdict = Verdict.ASK if self.refuses_undo else Verdict.ALLOW
        if verdict is Verdict.ALLOW:
            self.world.undo(step.call)
        self._ledger += 1
        receipt = Receipt(
            step_id=step_id,
            verdict=verdict,
            outcome=Outcome.SUCCEEDED if verdict is Verdict.ALLOW else Outcome.SKIPPED,
            summary="taken back",
            ledger=[self._ledger],
        )
        self.undone[(plan_id, step_id)] = receipt
        return receipt

    def _undo_question(self, plan: Plan, step: Step, actor: Actor) -> Receipt | None:
        """The question that taking this step back waits for; None once a person said yes."""
        back = step.model_copy(update={"id": f"{step.id}-undo"})
        name = f"apr-{plan.id}-{back.id}"
        if name not in self.open:
            self._ask(plan, back, actor)
        if self.open[name].status is ApprovalStatus.APPROVED:
            return None
        return Receipt(
            step_id=step.id, verdict=Verdict.ASK, outcome=Outcome.SKIPPED, summary="a person must say", approval_id=name
        )

    async def approval(self, approval_id: str) -> Approval:
        if approval_id not in self.open:
            raise NotFoundError(f"no approval {approval_id}")
        return self.open[approval_id]

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        rows = [a for a in self.open.values() if change in (None, a.change)]
        return [a for a in rows if not open_only or a.status is ApprovalStatus.OPEN]

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        if self.open[approval_id].status is not ApprovalStatus.OPEN:
            raise ConflictError(f"{approval_id} is answered")
        moot = {"status": ApprovalStatus.EXPIRED, "reason": f"symptoms ended: {ended.found}", "moot_since": ended.since}
        self.open[approval_id] = self.open[approval_id].model_copy(update=moot)
        return self.open[approval_id]

    async def status(self) -> GuardStatus:
        return GuardStatus(frozen=self.frozen, frozen_by="ada" if self.frozen else "")


def recorded_undo(call: ActionCall) -> ActionCall | None:
    """What an executor captures as the undo of a reversible action."""
    undo = next(spec.undo for spec in SPECS if spec.name == call.action)
    return call.model_copy(update={"action": undo}) if undo else None


class WorldGather:
    """Bundles of the world."""

    def __init__(self, probes: WorldProbes) -> None:
        self._probes = probes
        self.looks = 0

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        self.looks += 1
        return Bundle(id=incident, readings=(*await self._probes.run(), *extra))


class NoDocuments:
    """An empty library that remembers cases."""

    def __init__(self) -> None:
        self.cases: dict[str, str] = {}

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        return []

    async def remember(self, incident: str, title: str, text: str, metadata: dict[str, Any]) -> str:
        self.cases[incident] = text
        return f"cases/{incident}"


class TickingClock(ManualClock):
    """A manual clock whose facts carry distinct times."""

    def now(self) -> Any:
        self.advance(0.001)
        return super().now()


def epoch() -> float:
    """Now, in epoch seconds."""
    return time.time()
