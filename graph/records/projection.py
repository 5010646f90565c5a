"""An incident as everybody sees it, computed from a run's state. Pure: run it again and you get the same."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from datetime import UTC, datetime

from domain.alert import Alert
from domain.incident import Incident, IncidentStatus, TimelineEntry
from domain.severity import Severity
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
        outcome=state.get("outcome", ""),
        reopens=state.get("reopens"),
        model=state.get("model", ""),
    )


def closed_at(timeline: list[TimelineEntry]) -> datetime | None:
    """When the run said how it ended."""
    return next((e.at for e in reversed(timeline) if e.event.startswith("incident.")), None)


def opened_at(state: State, alerts: list[Alert]) -> datetime:
    """When the run started; before that, when the first alert came."""
    if state.get("started_at"):
        return datetime.fromisoformat(state["started_at"])
    return min((a.received_at for a in alerts), default=datetime.now(UTC))
