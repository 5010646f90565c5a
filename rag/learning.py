"""What is kept of a closed incident: a redacted note that says what was seen, believed, done, and whether it helped."""

from __future__ import annotations

from typing import Any

from domain.incident import Incident
from domain.redaction import redact


def case_note(incident: Incident) -> tuple[str, str, dict[str, Any]]:
    """Title, Markdown text and metadata of the case. Pure; the text holds no secrets."""
    top = incident.diagnosis.top if incident.diagnosis else None
    cause = f"{top.fault_class or 'unclassified'} at {top.service}" if top else incident.outcome or "no cause found"
    lines = [f"# {incident.title}", "", "## What was seen", ""]
    if incident.diagnosis:
        cited = set(top.evidence if top else [])
        lines += [f"- {e.source}: {e.excerpt}" for e in incident.diagnosis.evidence if not cited or e.id in cited]
        lines += ["", "## What it was", "", f"{incident.diagnosis.verdict}: {incident.diagnosis.summary}"]
    if top:
        lines.append(f"{top.statement} (confidence {top.confidence:.2f})")
    lines += ["", "## What was done", ""]
    lines += [f"- {r.action} on {r.target}: {r.outcome}. {r.summary}" for r in incident.results] or ["- nothing"]
    lines += ["", "## Outcome", "", incident.outcome or "open"]
    metadata = {
        "incident": incident.id,
        "service": top.service if top else incident.service,
        "fault_class": (top.fault_class or "") if top else "",
        "outcome": incident.outcome,
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else "",
    }
    return f"Case {incident.id}: {cause}", redact("\n".join(lines)), metadata
