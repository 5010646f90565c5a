"""A service under a rollout on a simulated clock: a guard that moves shares, and telemetry that follows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import exp, floor
from pathlib import Path
from random import Random
from typing import Any

from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.observing import Reading
from contracts.enforcement.opening import Order
from contracts.enforcement.yard import Yard
from domain.action import ActionCall, ActionSpec, Judgement, Outcome, Reason, Verdict
from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import ManualClock
from domain.contract import Canary, Contract, ContractStatus, DataLoss, Guardrail, Metric, Rollback, Stage
from domain.errors import ConflictError
from domain.guard import Actor, Approval, ApprovalStatus, GuardStatus, Receipt, Withdrawal
from domain.inventory import Binding, Environment, Inventory, Service, Slo
from domain.plan import Plan
from domain.risk import Risk, RiskLevel

API = Service(
    name="api",
    kind="api",
    environment=Environment.SANDBOX,
    slos=[Slo(name="api-errors", sli="error_ratio", target=0.99)],
    bindings={
        "release": Binding(
            via="control",
            options={"versions": ["v1", "v2"], "dimensions": ["customer.group"], "memory_bytes": 500_000_000},
        )
    },
)
RATE = 25.0


def contract(clock: ManualClock, **changes: Any) -> Contract:
    """10 % and 50 % for two minutes each, then everything."""
    rails = [
        Guardrail(metric=Metric.ERROR_RATE, limit=2.0, unit="percent", window_s=300, reason="high risk"),
        Guardrail(metric=Metric.LATENCY_P95, limit=500.0, unit="ms", window_s=300, reason="objective"),
        Guardrail(metric=Metric.MEMORY, limit=80.0, unit="percent", window_s=300, reason="room"),
    ]
    fields: dict[str, Any] = {
        "id": "con-1",
        "deployment": "d-1",
        "service": "api",
        "environment": Environment.SANDBOX,
        "version": "v2",
        "context": "0" * 64,
        "risk": Risk.model_construct(score=55.0, level=RiskLevel.HIGH, confidence=0.8, factors=[]),
        "guardrails": rails,
        "canary": Canary(required=True, stages=[Stage(percent=10, seconds=120), Stage(percent=50, seconds=120)]),
        "validators": [],
        "rollback": Rollback(possible=True, window_s=60, data_loss_risk=DataLoss.NONE),
        "created_at": clock.now(),
        "expires_at": clock.now() + timedelta(days=1),
        "status": ContractStatus.APPROVED,
    }
    return Contract.model_construct(**{**fields, **changes})


@dataclass
class Site:
    """The world: shares move when the guard says so, requests come at RATE, and the new version may be worse."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    slower: float = 1.0
    failing: float = 0.0
    leak: float = 0.0
    """Bytes per second."""
    verdict: Verdict = Verdict.ALLOW
    share: float = 0.0
    boot: str = "boot-1"
    wall_off: float = 0.0
    """What the wall clock is wrong by."""
    silent: Callable[[float], bool] = lambda moment: False
    calls: list[str] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    answer: ApprovalStatus = ApprovalStatus.OPEN
    broken: str = ""
    """What an attempt to give a share fails with; nothing comes of it."""
    stuck: bool = False
    """Nothing can be taken back."""
    outcomes: list[tuple[str, ContractStatus]] = field(default_factory=list)
    """What the place where contracts are kept was told."""
    _shares: list[tuple[float, float]] = field(default_factory=lambda: [(-1e9, 0.0)])
    _plans: dict[str, Plan] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=dict)

    def yard(self) -> Yard:
        """Ports onto this world."""
        return Yard(
            inventory=Inventory(services=[API]),
            guard=self,
            telemetry=self,
            clock=_Wrong(self),
            note=self.note,
            memories=self.memories,
            actor=lambda change: Actor(agent="responder", change=change),
            boot=lambda: self.boot,
        )

    def files(self) -> RolloutFiles:
        """The home's rollouts."""
        return RolloutFiles(self.folder)

    def order(self, **changes: Any) -> Order:
        """What is asked for."""
        return Order.model_construct(contract=contract(self.clock, **changes), version="v2", exemption=None, reason="")

    # -- where contracts are kept --------------------------------------------------------------------------------

    def binding(self, contract: Contract) -> Contract:
        return contract

    async def carried(self, contract_id: str, status: ContractStatus) -> None:
        self.outcomes.append((contract_id, status))

    async def serving(self, service: str) -> str:
        """The version that has all requests, as the probe says."""
        if self.share not in (0.0, 100.0):
            raise ConflictError("it is split")
        return "v2" if self.share else "v1"

    # -- guard ---------------------------------------------------------------------------------------------------

    async def specs(self) -> list[ActionSpec]:
        return []

    async def status(self) -> GuardStatus:
        return GuardStatus()

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        self._plans[plan.id] = plan
        reasons = [Reason(wrapper="mode", verdict=self.verdict, text="the mode says so")]
        asked = "apr-1" if self.verdict is Verdict.ASK else None
        return [
            Judgement(
                step_id="s1", verdict=self.verdict, reasons=reasons, approval_id=asked, judged_at=self.clock.now()
            )
        ]

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        call = self._plans[plan_id].steps[0].call
        if self.broken:
            failed = {"verdict": Verdict.ALLOW, "outcome": Outcome.FAILED, "summary": self.broken, "ledger": [1]}
            return Receipt(step_id="s1", **failed)
        self._before[plan_id] = self.share
        self._give(float(call.args.get("percent", 100)), f"{call.action} {call.args.get('percent', 100)}")
        return _receipt(call)

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        if self.stuck:
            return Receipt(step_id="s1", verdict=Verdict.ALLOW, outcome=Outcome.FAILED, summary="the proxy is gone")
        if plan_id not in self._before:
            raise ConflictError(f"step {step_id} has nothing to take back")
        self._give(self._before[plan_id], f"back to {self._before[plan_id]:g}")
        return _receipt(self._plans[plan_id].steps[0].call)

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        return []

    async def approval(self, approval_id: str) -> Approval:
        now = self.clock.now()
        call = ActionCall(action="split_release", target="api")
        return Approval(
            id=approval_id,
            change="dep-1",
            plan="p",
            step_id="s1",
            call=call,
            digest="0",
            summary="",
            requested_by="responder",
            requested_at=now,
            expires_at=now + timedelta(hours=1),
            status=self.answer,
        )

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        raise ConflictError(f"{approval_id} is not asked about symptoms")

    def _give(self, share: float, words: str) -> None:
        self.share = share
        self._shares.append((self.clock.monotonic(), share))
        self.calls.append(words)

    # -- what is observed ----------------------------------------------------------------------------------------

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """Requests of each whole second in the window, the same whenever they are asked for."""
        offset = self.clock.now().timestamp() + self.wall_off - self.clock.monotonic()
        first, last = (floor(edge - offset) for edge in window)
        found = [span for second in range(first, last + 1) for span in self._second(second, offset)]
        return [span for span in found if window[0] <= span.start < window[1]]

    def _second(self, second: int, offset: float) -> list[Span]:
        if self.silent(second):
            return []
        rng = Random(second)
        share = next(share for since, share in reversed(self._shares) if since <= second)
        rows = []
        for place in range(int(RATE)):
            new, order = rng.random() < share / 100.0, rng.random() < 0.2
            seconds = exp(rng.gauss(-3.0 if order else -5.0, 0.4)) * (self.slower if new else 1.0)
            failed = rng.random() < (self.failing if new else 0.0) + 0.001
            group = "guest" if rng.random() < 0.7 else "member"
            rows.append(_span(second + place / RATE + offset, seconds, failed, "v2" if new else "v1", order, group))
        return rows

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        return []

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        return []

    async def changes(self, window: Window) -> list[Change]:
        return []

    async def memories(self, service: Service, former: str, version: str, at: float) -> Reading | None:
        noise = Random(int(at)).gauss(0, 1e5)
        return Reading(at=at, canary=90e6 + noise + self.leak * at, baseline=90e6)

    async def note(self, kind: str, change: str, content: dict[str, Any]) -> None:
        self.notes.append({"kind": kind, "change": change, **content})


class _Wrong(ManualClock):
    """The site's clock as this process sees it: the wall may be wrong, the monotonic clock is not."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def now(self):  # type: ignore[no-untyped-def]
        return self._site.clock.now() + timedelta(seconds=self._site.wall_off)

    def monotonic(self) -> float:
        return self._site.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._site.clock.sleep(seconds)


def _span(start: float, seconds: float, failed: bool, version: str, order: bool, group: str) -> Span:
    route = "/orders" if order else "/catalogue"
    marks = {
        "http.route": route,
        "http.response.status_code": 500 if failed else 200,
        "service.version": version,
        "customer.group": group,
    }
    ids = {"trace_id": f"{start}", "span_id": f"{start}", "service": "api"}
    return Span(**ids, operation=f"GET {route}", start=start, duration_ms=seconds * 1000.0, attributes=marks)


def _receipt(call: ActionCall) -> Receipt:
    return Receipt(step_id="s1", verdict=Verdict.ALLOW, outcome=Outcome.SUCCEEDED, summary=call.action, ledger=[1])
