"""One whole incident as the pages see it: a saturated connection pool, found, mended with an approval, explained."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.action import ActionCall, DryRun, DryRunResult, Effect, Judgement, Outcome, Reason, Verdict
from domain.alert import Alert, AlertStatus, Signature
from domain.bundle import Series
from domain.diagnosis import BlastRadius, Diagnosis, DiagnosisVerdict, Evidence, Hypothesis, NextProbe
from domain.drills import (
    DrillAction,
    DrillDiagnosis,
    DrillLedger,
    DrillPhase,
    DrillProgress,
    DrillResult,
    DrillRun,
    DrillState,
)
from domain.guard import Approval, LedgerEntry
from domain.incident import Incident, IncidentStatus, TimelineEntry
from domain.inventory import Environment, HttpProbe, Inventory, Mode, Service, Slo
from domain.plan import Criterion, Plan, Step, StepResult
from domain.report import Brief, Check, Sentence, Verification
from domain.severity import Severity
from domain.value import digest
from web.ports import SliRow

T0 = datetime(2026, 11, 21, 3, 12, 4, tzinfo=UTC)
"""When the alert arrives."""
ID = "inc-4f2a9c1be07d"


def at(seconds: float) -> datetime:
    """That many seconds after the alert."""
    return T0 + timedelta(seconds=seconds)


ALERT = Alert(
    source="alertmanager",
    delivery_id="del-1",
    identity="fp-9",
    episode_id="fp-9@2026-11-21T03:11:58Z",
    title="Checkout availability burns its budget",
    summary="availability of api 0.61, objective 0.99; burn 38.9 over 10s and 21.4 over 1m",
    status=AlertStatus.FIRING,
    severity=Severity.CRITICAL,
    severity_raw="critical",
    service="api",
    environment="sandbox",
    started_at=at(-6),
    received_at=T0,
    links={"generator": "http://127.0.0.1:9090/graph"},
    signature=Signature(scheme="bearer", verified=True),
)

EVIDENCE = [
    Evidence(
        id="E1",
        kind="alert",
        source="alertmanager:fp-9",
        service="api",
        time=at(-6),
        excerpt="availability of api 0.61, objective 0.99",
        supports="users are failing at the api",
        tainted=True,
    ),
    Evidence(
        id="E2",
        kind="reading",
        source="probe:db_pool",
        service="api",
        time=at(2),
        excerpt="pool of api: 5 of 5 connections in use, 14 requests waiting",
        supports="every pooled connection is taken and requests queue for one",
        data={"size": 5, "in_use": 5, "waiting": 14},
    ),
    Evidence(
        id="E3",
        kind="metric",
        source="metrics:api",
        service="api",
        time=at(1),
        excerpt="p95 latency of /api/products rose from 0.021 s to 2.04 s",
        supports="requests wait about as long as the pool's timeout",
        data={"series": "latency_p95", "before": 0.021, "after": 2.04},
    ),
    Evidence(
        id="E4",
        kind="log",
        source="logs:api",
        service="api",
        time=at(1),
        excerpt='PoolTimeout: couldn\'t get a connection after 2.00 sec route=/api/orders trace=8a4c… <script>alert("x")</script>',
        supports="the api names its pool as what it waits for",
        tainted=True,
        data={"count": 212, "template": "PoolTimeout: couldn't get a connection after <*> sec"},
    ),
    Evidence(
        id="E5",
        kind="reading",
        source="probe:db_activity",
        service="postgres",
        time=at(2),
        excerpt="postgres: 9 of 100 sessions, longest transaction 0.2 s, nobody blocked",
        supports="the database itself is idle and locks nothing",
        data={"sessions": 9, "max_connections": 100, "longest_transaction_s": 0.2},
    ),
    Evidence(
        id="E6",
        kind="reading",
        source="probe:link_latency",
        service="proxy-db",
        time=at(2),
        excerpt="proxy-db answers in 1.1 ms, proxy-db-b in 1.2 ms",
        supports="the way to the database is as fast as ever",
        data={"routes": {"proxy-db": 1.1, "proxy-db-b": 1.2}},
    ),
    Evidence(
        id="E7",
        kind="change",
        source="changes",
        service="frontend",
        time=at(-1500),
        excerpt="deploy of frontend 2026.11.20-3, 25 minutes before",
        supports="the last change, but in another service and long before",
    ),
    Evidence(
        id="E8",
        kind="runbook",
        source="runbooks/pool-exhaustion#how-to-tell-apart",
        excerpt="When the pool is full but the database is idle, look for clients that hold connections, not for slow queries.",
        supports="how this differs from a slow database",
        tainted=True,
    ),
    Evidence(
        id="E9",
        kind="metric",
        source="metrics:api",
        service="api",
        time=at(31),
        excerpt="5 of 12 connections in use, nobody waiting, for 6 s",
        supports="after the change nobody waits",
    ),
    Evidence(
        id="E10",
        kind="reading",
        source="probe:http_health",
        service="frontend",
        time=at(36),
        excerpt="user probe `shop checkout`: 200 in 48 ms, six times in a row",
        supports="users are served again",
    ),
]

HYPOTHESES = [
    Hypothesis(
        rank=1,
        service="api",
        indicator="saturation",
        fault_class="pool_exhaustion",
        confidence=0.93,
        statement="The connection pool of api is exhausted: 5 of 5 in use and 14 requests waiting (E2, E3).",
        evidence=["E2", "E3", "E4", "E8"],
        against=["E7"],
        falsify="curl -s http://127.0.0.1:18080/metrics | grep -E 'pool_(in_use|waiting)'   # wrong if nobody waits",
        details={"size": 5, "in_use": 5, "waiting": 14},
    ),
    Hypothesis(
        rank=2,
        service="postgres",
        indicator="latency",
        fault_class="long_transactions",
        confidence=0.11,
        statement="A long transaction in postgres holds what api waits for.",
        evidence=["E3"],
        against=["E5"],
        falsify="SELECT pid, state, now() - xact_start FROM pg_stat_activity ORDER BY 3 DESC NULLS LAST LIMIT 5;",
    ),
    Hypothesis(
        rank=3,
        service="proxy-db",
        indicator="latency",
        fault_class="latency",
        confidence=0.04,
        statement="The link between api and postgres is slow.",
        evidence=["E3"],
        against=["E6"],
        falsify="firebreak investigate --probe link_latency",
    ),
]

DIAGNOSIS = Diagnosis(
    incident=ID,
    verdict=DiagnosisVerdict.FAULT,
    confidence=0.93,
    summary="Users fail because api has no free database connection (E1, E2); the database and the link are well (E5, E6).",
    hypotheses=HYPOTHESES,
    evidence=EVIDENCE,
    blast_radius=BlastRadius(services=["api", "frontend"], users="39 % of requests to the shop fail"),
    next_probes=[
        NextProbe(probe="db_activity", service="postgres", refutes="long transaction: no session older than 1 s")
    ],
    blind_spots=["No traces were read for worker: its span file is empty."],
    seconds=1.4,
)

SCALE = ActionCall(action="scale_pool", target="api", args={"size": 12})
BACK = ActionCall(action="scale_pool", target="api", args={"size": 5})
RESTART = ActionCall(action="restart_service", target="api", args={})

PLAN = Plan(
    id="plan-71c0",
    incident=ID,
    hypothesis=HYPOTHESES[0].statement,
    fault_class="pool_exhaustion",
    service="api",
    steps=[
        Step(
            id="s1",
            call=SCALE,
            effect=Effect.REVERSIBLE,
            rationale="A larger pool gives the waiting requests connections (E2); the database has 91 sessions free (E5).",
            evidence=["E2", "E5"],
            undo=BACK,
            criteria=[
                Criterion(probe="http_health", service="frontend", expect="checkout answers for 6 s"),
                Criterion(probe="db_pool", service="api", expect="nobody waits for a connection"),
            ],
        ),
        Step(
            id="s2",
            call=RESTART,
            effect=Effect.TRANSIENT,
            rationale="Only if requests still wait: drops what holds the connections.",
            evidence=["E4"],
            cannot_undo="a restart leaves nothing to take back",
        ),
    ],
    summary="Give api more connections, restart it only if that does not help.",
    source="rules",
    created_at=at(4),
)

REASONS = [
    Reason(
        wrapper="inventory",
        verdict=Verdict.ALLOW,
        text="api exists and its pool has a binding; size 12 is within 1 to 40.",
    ),
    Reason(wrapper="mode", verdict=Verdict.ALLOW, text="api is in mode act."),
    Reason(
        wrapper="tier",
        verdict=Verdict.ASK,
        text="responder is T2; a reversible change on production needs one approval. On sandbox it would pass.",
    ),
    Reason(wrapper="dry_run", verdict=Verdict.ALLOW, text="would change: pool size 5 to 12, no restart."),
    Reason(wrapper="budget", verdict=Verdict.ALLOW, text="1 of 8 mutations for this change, 1 of 4 for this target."),
]

JUDGEMENTS = [
    Judgement(
        step_id="s1",
        verdict=Verdict.ASK,
        reasons=REASONS,
        policy="production@5c1f0a",
        dry_run=DryRunResult(
            answer=DryRun.WOULD_CHANGE,
            summary="The pool of api would grow from 5 to 12 connections without a restart; postgres would hold 16 of 100.",
            witness={"size": 5},
        ),
        approval_id="apr-90b1",
        digest=digest("s1"),
        judged_at=at(5),
    ),
    Judgement(
        step_id="s2",
        verdict=Verdict.DENY,
        reasons=[
            Reason(
                wrapper="plan_binding",
                verdict=Verdict.DENY,
                text="Expected the condition of step 1 to be known first; judged again if step 1 fails.",
            )
        ],
        policy="production@5c1f0a",
        digest=digest("s2"),
        judged_at=at(5),
    ),
]

APPROVAL = Approval(
    id="apr-90b1",
    change=ID,
    plan=PLAN.id,
    step_id="s1",
    call=SCALE,
    digest=digest({"call": SCALE.model_dump(mode="json"), "witness": {"size": 5}}),
    summary="The pool of api would grow from 5 to 12 connections without a restart; postgres would hold 16 of 100.",
    blast_radius="api only; open requests keep their connections, users notice nothing while it runs",
    undo="scale_pool(api, size=5), rehearsed in a drill 2 days ago",
    reasons=REASONS,
    witness={"size": 5, "in_use": 5},
    compensations=[BACK],
    requested_by="responder",
    requested_at=at(5),
    expires_at=at(905),
)

TIMELINE = [
    TimelineEntry(
        at=T0,
        event="alert.received",
        text="Alert from alertmanager: checkout availability burns its budget",
        evidence=["E1"],
    ),
    TimelineEntry(
        at=at(0.2), event="incident.opened", text="Incident opened by rule `opened`: no open incident for api"
    ),
    TimelineEntry(
        at=at(2.4), event="evidence.gathered", text="8 pieces of evidence from 11 probes, metrics, logs and changes"
    ),
    TimelineEntry(
        at=at(3.6), event="diagnosis.made", text="Most likely: pool exhaustion at api, 93 %", evidence=["E2", "E3"]
    ),
    TimelineEntry(at=at(4.1), event="plan.created", text="Plan of 2 steps, first one reversible"),
    TimelineEntry(
        at=at(5.0), event="step.judged", text="Step 1: ask. A reversible change on production needs one approval"
    ),
    TimelineEntry(at=at(5.1), event="approval.requested", text="Waiting for a person, at most 15 minutes"),
]
AFTER = [
    TimelineEntry(at=at(22.7), event="approval.given", text="Approved by operator"),
    TimelineEntry(
        at=at(23.4),
        event="step.applied",
        text="scale_pool on api: succeeded, 5 to 12 connections",
        data={"ledger": [41, 42]},
    ),
    TimelineEntry(
        at=at(36.2),
        event="recovery.verified",
        text="Users are served, nobody waits, nothing got worse",
        evidence=["E9", "E10"],
    ),
    TimelineEntry(at=at(37.0), event="brief.written", text="Brief written, case remembered"),
]

RESULT = StepResult(
    step_id="s1",
    action="scale_pool",
    target="api",
    outcome=Outcome.SUCCEEDED,
    summary="pool of api grew from 5 to 12; read back: 12",
    seconds=0.41,
    ledger=[41, 42],
    undo=BACK,
    at=at(23.4),
)

VERIFICATION = Verification(
    step_id="s1",
    symptoms_relieved=True,
    cause_repaired=True,
    checks=[
        Check(
            name="user probe: shop checkout",
            kind="symptom",
            ok=True,
            text="200 in 48 ms, six times in a row",
            evidence=["E10"],
        ),
        Check(
            name="cause: nobody waits for a connection",
            kind="cause",
            ok=True,
            text="5 of 12 in use, 0 waiting",
            evidence=["E9"],
        ),
        Check(
            name="re-trigger: the slow readers come back",
            kind="durable",
            ok=None,
            text="They are still connected; the pool holds.",
        ),
        Check(name="sessions at postgres", kind="regression", ok=True, text="16 of 100, below 80", evidence=["E5"]),
    ],
    before={"availability": 0.61, "p95_seconds": 2.04, "waiting": 14},
    after={"availability": 1.0, "p95_seconds": 0.024, "waiting": 0},
    at=at(36.2),
)

BRIEF = Brief(
    what_broke=[Sentence(text="From 03:11:58 on, 39 % of requests to the shop failed.", evidence=["E1", "E3"])],
    why=[
        Sentence(
            text="api had no free database connection: 5 of 5 were in use and 14 requests waited.",
            evidence=["E2", "E4"],
        ),
        Sentence(text="The database and the link to it were well.", evidence=["E5", "E6"]),
    ],
    actions=[
        Sentence(
            text="The pool of api was scaled from 5 to 12 after operator approved it.", evidence=["E2", "L41", "L42"]
        )
    ],
    recovery=[
        Sentence(
            text="Checkout answered in 48 ms, six times in a row, and nobody waited any more.", evidence=["E9", "E10"]
        )
    ],
    prevention=[Sentence(text="Limit how long one export may hold a connection.", evidence=["E8"])],
    status_page="Between 03:11 and 03:12 UTC some orders could not be placed. The cause is repaired and all functions work.",
    unsupported=["The exports were probably started by the reporting team."],
    written_by="rules",
    written_at=at(37),
)

HISTORY: list[dict[str, Any]] = [
    {"service": "api", "fault_class": "pool_exhaustion", "confidence": 0.42},
    {"service": "postgres", "fault_class": "long_transactions", "confidence": 0.38},
    {"service": "api", "fault_class": "pool_exhaustion", "confidence": 0.71},
    {"service": "postgres", "fault_class": "long_transactions", "confidence": 0.2},
    {"service": "api", "fault_class": "pool_exhaustion", "confidence": 0.93},
    {"service": "postgres", "fault_class": "long_transactions", "confidence": 0.11},
]


def waiting() -> Incident:
    """The incident while it waits for a person."""
    return Incident(
        id=ID,
        thread_id="thr-1",
        run_id="run-1",
        title="Checkout availability burns its budget",
        status=IncidentStatus.WAITING,
        severity=Severity.CRITICAL,
        opened_at=at(0.2),
        service="api",
        alerts=[ALERT],
        diagnosis=DIAGNOSIS.model_copy(update={"evidence": EVIDENCE[:8]}),
        confidence_history=HISTORY,
        plans=[PLAN],
        judgements=JUDGEMENTS,
        approvals=[APPROVAL.id],
        timeline=TIMELINE,
        phase="PLAN",
        model="rules",
    )


def resolved() -> Incident:
    """The same, mended and explained."""
    return waiting().model_copy(
        update={
            "status": IncidentStatus.RESOLVED,
            "closed_at": at(37.2),
            "diagnosis": DIAGNOSIS,
            "results": [RESULT],
            "verifications": [VERIFICATION],
            "brief": BRIEF,
            "timeline": [*TIMELINE, *AFTER],
            "phase": "EXIT",
            "outcome": "mitigated",
        }
    )


def fresh() -> Incident:
    """One that has only just been opened."""
    return Incident(
        id="inc-00c1d2e3f4a5",
        thread_id="thr-9",
        run_id="run-9",
        title="Orders fail with 500",
        status=IncidentStatus.DIAGNOSING,
        severity=Severity.HIGH,
        opened_at=at(40),
        service="api",
        alerts=[ALERT.model_copy(update={"title": "Orders fail with 500", "severity": Severity.HIGH})],
        timeline=[TimelineEntry(at=at(40), event="incident.opened", text="Incident opened")],
    )


def older() -> list[Incident]:
    """A past that fills the inbox."""
    rows = [
        (
            "inc-a1",
            "Receipts cannot be written",
            "api",
            "disk_full",
            IncidentStatus.RESOLVED,
            "mitigated",
            Severity.HIGH,
        ),
        (
            "inc-a2",
            "Payments answer 429",
            "payments",
            "upstream_429",
            IncidentStatus.RESOLVED,
            "mitigated",
            Severity.HIGH,
        ),
        (
            "inc-a3",
            "Deploy of frontend looked suspicious",
            "frontend",
            None,
            IncidentStatus.DISMISSED,
            "healthy",
            Severity.WARNING,
        ),
        (
            "inc-a4",
            "Login role refused",
            "api",
            "credential_revoked",
            IncidentStatus.ESCALATED,
            "escalated",
            Severity.CRITICAL,
        ),
        ("inc-a5", "Nightly export slow", "worker", None, IncidentStatus.TAKEN, "taken", Severity.INFO),
    ]
    out = []
    for i, (name, title, service, fault, status, outcome, severity) in enumerate(rows, 1):
        top = HYPOTHESES[0].model_copy(update={"service": service, "fault_class": fault, "confidence": 0.9 - i / 20})
        out.append(
            waiting().model_copy(
                update={
                    "id": name,
                    "title": title,
                    "service": service,
                    "status": status,
                    "outcome": outcome,
                    "severity": severity,
                    "opened_at": at(-3600 * i * 5),
                    "closed_at": at(-3600 * i * 5 + 60),
                    "approvals": [],
                    "diagnosis": DIAGNOSIS.model_copy(
                        update={"hypotheses": [top] if fault else [], "confidence": top.confidence, "incident": name}
                    ),
                }
            )
        )
    return out


def entries(count: int = 64) -> list[LedgerEntry]:
    """A ledger of that many rows."""
    kinds = ["attempt", "intent", "effect", "read_back", "approval", "refusal", "observation"]
    out = []
    for seq in range(count):
        kind = kinds[seq % len(kinds)]
        content = {"action": "scale_pool", "target": "api", "verdict": "ask", "args_digest": digest(seq), "tier": "T2"}
        out.append(
            LedgerEntry(
                seq=seq,
                at=at(seq - 30),
                kind=kind,
                actor="operator" if kind == "approval" else "responder",
                change=ID if seq > 20 else "drl-77",
                content=content,
                prev=digest(seq - 1),
                hash=digest(seq),
            )
        )
    return out


def series() -> list[Series]:
    """A minute and a half of normal life, half a minute of trouble, and a minute of recovery."""
    times = tuple(T0.timestamp() - 90 + i for i in range(190))

    def shape(normal: float, bad: float, noise: float, out: float | None = None) -> tuple[float, ...]:
        values = []
        for i in range(190):
            wave = noise * (math.sin(i / 3) + math.sin(i / 7.3))
            inside = 84 <= i <= 114
            values.append(
                max(0.0, (bad if inside else normal if i < 84 else (out if out is not None else normal)) + wave)
            )
        return tuple(values)

    return [
        Series(service="api", metric="availability", times=times, values=shape(0.996, 0.61, 0.002)),
        Series(service="api", metric="latency_p95", times=times, values=shape(0.021, 2.04, 0.002)),
        Series(service="api", metric="pool_waiting", times=times, values=shape(0, 14, 0.05)),
        Series(service="api", metric="pool_in_use", times=times, values=shape(2.1, 5, 0.4, 5.2)),
        Series(service="api", metric="constant", times=times, values=(1.0,) * 190),
    ]


def slis() -> list[SliRow]:
    """Service levels in trouble and out of it."""
    good = [0.99 + 0.002 * math.sin(i) for i in range(40)]
    bad = [*good[:28], *[0.61 + 0.01 * math.sin(i) for i in range(12)]]
    return [
        SliRow(
            service="api", name="availability", sli="availability", target=0.99, current=0.61,
            burn_short=38.9, burn_long=21.4, budget_left=0.62, firing=True, ok=False, points=bad, at=T0,
        ),
        SliRow(
            service="api", name="latency p95", sli="latency_p95", unit="s", target=0.25, current=2.04,
            burn_short=14.1, burn_long=8.0, budget_left=0.71, firing=True, ok=False, points=[0.02] * 30 + [2.0] * 10, at=T0,
        ),
        SliRow(
            service="frontend", name="checkout", sli="availability", target=0.995, current=0.98,
            burn_short=4.0, burn_long=0.9, budget_left=-0.08, ok=False, points=bad, at=T0,
        ),
        SliRow(
            service="postgres", name="sessions in use", sli="saturation", target=0.8, current=0.09,
            burn_short=0.0, burn_long=0.0, budget_left=1.0, ok=True,
            points=[0.09 + 0.01 * math.sin(i) for i in range(40)], at=T0,
        ),
        SliRow(service="worker", name="queue freshness", sli="freshness", unit="s", target=30),
    ]  # fmt: skip


def drill_runs() -> list[DrillRun]:
    """One running drill and some that ended."""

    def ended(
        name: str, fault: str, service: str, *, mended: bool = True, abstain: bool = False, minutes: int = 10
    ) -> DrillRun:
        result = DrillResult(
            drill=name,
            fault=fault,
            blind=True,
            incident=ID,
            detected=True,
            detection_s=3.8,
            diagnosis=DrillDiagnosis(
                verdict=DiagnosisVerdict.HEALTHY if abstain else DiagnosisVerdict.FAULT,
                service=None if abstain else service,
                fault_class=None if abstain else fault,
                confidence=0.9,
            ),
            expected={"fault": fault, "service": service, "abstain": abstain},
            diagnosed=True,
            actions=[]
            if abstain
            else [DrillAction(action="scale_pool", target=service, outcome="succeeded", seconds=0.4)],
            mitigated=mended and not abstain,
            mitigation_s=None if abstain or not mended else 21.4,
            durable=mended and not abstain,
            abstained=True if abstain else None,
            oracle=[
                "the fault was really there: 5 of 5 connections held",
                "checkout answers again",
                "survives the slow readers",
            ],
            ledger=DrillLedger(entries=64, verified=True),
            seconds=47.2,
        )
        return DrillRun(
            id=name,
            state=DrillState.FINISHED,
            fault=fault,
            incident=ID,
            started_at=at(-60 * minutes),
            ended_at=at(-60 * minutes + 47),
            result=result,
            progress=[DrillProgress(at=at(-60 * minutes), phase=DrillPhase.STEADY, text="the shop serves users")],
        )

    running = DrillRun(
        id="drl-90",
        state=DrillState.RUNNING,
        started_at=at(-12),
        incident=ID,
        progress=[
            DrillProgress(at=at(-12), phase=DrillPhase.STEADY, text="The shop serves users: 24 of 24 requests"),
            DrillProgress(at=at(-9), phase=DrillPhase.COMMITTED, text="Label sealed in the ledger, entry 31"),
            DrillProgress(at=at(-8), phase=DrillPhase.BROKEN, text="Something is broken now"),
            DrillProgress(at=T0, phase=DrillPhase.DETECTED, text=f"Incident {ID} opened", incident=ID),
        ],
    )
    return [
        running,
        ended("drl-89", "pool_exhaustion", "api", minutes=12),
        ended("drl-88", "noop", "", abstain=True, minutes=40),
        ended("drl-87", "disk_full", "api", minutes=75),
        ended("drl-86", "hang", "api", mended=False, minutes=120),
    ]


def inventory() -> Inventory:
    """A small system."""
    return Inventory(
        system="shop",
        services=[
            Service(
                name="api",
                kind="api",
                environment=Environment.SANDBOX,
                mode=Mode.ACT,
                chaos=True,
                depends_on=["postgres", "payments"],
                probes=[HttpProbe(name="health", url="http://127.0.0.1:18080/healthz")],
                slos=[Slo(name="availability", sli="availability", target=0.99)],
            ),
            Service(
                name="frontend",
                kind="frontend",
                environment=Environment.SANDBOX,
                mode=Mode.ACT,
                chaos=True,
                depends_on=["api"],
            ),
            Service(name="postgres", kind="database", environment=Environment.SANDBOX, mode=Mode.ACT, chaos=True),
            Service(name="payments", kind="upstream", environment=Environment.STAGING, mode=Mode.ASK),
        ],
    )
