"""An incident as everybody sees it, computed from a run's state. Pure: run it again and you get the same."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from datetime import UTC, datetime

from domain.alert import Alert
from domain.incident import Incident, IncidentStatus, TimelineEntry
from domain.lifecycle import Phase, RuntimeStatus, may_stand, run_result
from domain.severity import Severity
from domain.usage import Usage
from graph.state import State
from tools.intake.route import group_of


def project(state: State) -> Incident:
    """The whole record of a run."""
    alerts = state.get("alerts", [])
    status = state.get("status", IncidentStatus.OPEN)
    timeline = state.get("timeline", [])
    opened = opened_at(state, alerts)
    phases = state.get("phases", [])
    return Incident(
        id=state["incident"],
        thread_id=state["incident"],
        run_id=state.get("run", ""),
        title=state.get("title", ""),
        status=status,
        severity=min((a.severity for a in alerts), key=lambda s: s.rank, default=Severity.UNKNOWN),
        opened_at=opened,
        closed_at=closed_at(timeline) if status.terminal else None,
        service=state.get("service", ""),
        group_key=group_of(alerts[0]) if alerts else "",
        alerts=alerts,
        diagnosis=state.get("diagnosis"),
        confidence_history=state.get("confidence_history", []),
        plans=state.get("plans", []),
        judgements=state.get("judgements", []),
        results=state.get("results", []),
        verifications=state.get("verifications", []),
        approvals=state.get("approvals", []),
        brief=state.get("brief"),
        timeline=timeline,
        phase=phases[-1].value if phases else "BOOTSTRAP",
        runtime=runtime_of(phases, status, state.get("outcome", "")),
        outcome=state.get("outcome", ""),
        run_result=result_of(state) if status.terminal and state.get("outcome") else "",
        outputs=state.get("outputs", []),
        reopens=state.get("reopens"),
        model=state.get("model", ""),
        usage=state.get("usage", Usage()),
    )


def result_of(state: State) -> str:
    """How the run ended: a revoked one was stopped before its end, whatever became of the incident."""
    return run_result(state.get("outcome", ""), revoked=Phase.REVOKED in state.get("phases", [])).value


def runtime_of(phases: list[Phase], status: IncidentStatus, outcome: str) -> RuntimeStatus:
    """How the agent stands, from where the run stands. Every answer is legal in its phase."""
    phase = phases[-1] if phases else Phase.BOOTSTRAP
    if phase is Phase.REVOKED:
        return RuntimeStatus.REVOKED
    if phase is Phase.EXIT:
        return RuntimeStatus.FAILED if outcome == "failed" else RuntimeStatus.COMPLETED
    if status is IncidentStatus.WAITING and may_stand(phase, RuntimeStatus.PAUSED):
        return RuntimeStatus.PAUSED
    return RuntimeStatus.RUNNING if phases else RuntimeStatus.PENDING


def shown_as(incident: Incident, status: IncidentStatus) -> Incident:
    """The record while a node runs that gives it another status."""
    runtime = runtime_of([Phase(incident.phase)], status, incident.outcome)
    return incident.model_copy(update={"status": status, "runtime": runtime})


def closed_at(timeline: list[TimelineEntry]) -> datetime | None:
    """When the run said how it ended."""
    return next((e.at for e in reversed(timeline) if e.event.startswith("incident.")), None)


def opened_at(state: State, alerts: list[Alert]) -> datetime:
    """When the run started; before that, when the first alert came."""
    if state.get("started_at"):
        return datetime.fromisoformat(state["started_at"])
    return min((a.received_at for a in alerts), default=datetime.now(UTC))
