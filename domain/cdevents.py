"""Facts that CDEvents has a type for, in its shape (CDEvents 0.4.1 inside CloudEvents 1.0). It has none for approvals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.events import PREFIX, Event, Integration

VERSION = "0.4.1"
_INCIDENTS: Mapping[str, str] = {
    f"{PREFIX}incident.opened": "dev.cdevents.incident.detected.0.2.0",
    f"{PREFIX}incident.resolved": "dev.cdevents.incident.resolved.0.2.0",
}
_SERVICES: Mapping[str, str] = {
    "rollback_release": "dev.cdevents.service.rolledback.0.2.0",
    "deploy_release": "dev.cdevents.service.deployed.0.2.0",
    "split_release": "dev.cdevents.service.deployed.0.2.0",
    "promote_release": "dev.cdevents.service.upgraded.0.2.0",
}
"""Action → what its confirmed effect is called."""


def cdevents_type(event: Event) -> str:
    """The CDEvents type of a fact, or empty."""
    if event.type in _INCIDENTS:
        return _INCIDENTS[event.type]
    done = event.type == Integration.EXECUTION_COMPLETE.type and event.data.get("outcome") == "succeeded"
    return _SERVICES.get(str(event.data.get("action")), "") if done else ""


def envelope(event: Event, source: str) -> dict[str, Any]:
    """The CloudEvents attributes and data of a fact. `source` is a URI reference that names this installation."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": cdevents_type(event) or event.type,
        "subject": event.subject,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    return {**attributes, "data": _payload(event, attributes) if cdevents_type(event) else event.data}


def _payload(event: Event, attributes: Mapping[str, Any]) -> dict[str, Any]:
    incident = event.type in _INCIDENTS
    content: dict[str, Any] = {"environment": {"id": str(event.data.get("environment") or "unknown")}}
    if incident:
        content |= {"description": str(event.data.get("text", ""))}
    else:
        content |= {"artifactId": f"pkg:generic/{event.data.get('target')}"}
    return {
        "context": {
            "version": VERSION,
            "id": attributes["id"],
            "source": attributes["source"],
            "type": attributes["type"],
            "timestamp": attributes["time"],
        },
        "subject": {
            "id": event.subject if incident else str(event.data.get("target")),
            "source": attributes["source"],
            "type": "incident" if incident else "service",
            "content": content,
        },
        "customData": event.data,
        "customDataContentType": "application/json",
    }
