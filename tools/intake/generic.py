"""The generic source: our own plain JSON shape, or a sender's shape through a mapping of fields.

The shape, for one alert or for each entry of a list (or of `alerts`): `title` (or `summary`) is required; `status`
(firing when absent), `severity`, `service`, `environment`, `identity` (also `id`, `dedup_key`, `fingerprint`),
`group_key`, `started_at`, `ended_at`, `labels`, `annotations`, `links`, `values`.

A mapping says where these fields are found: dotted paths into the body (`details.host.name`, `tags.0`), constants, and
words for statuses and severities. It contains no expressions: a stranger's text is only ever moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from domain.alert import Alert, AlertStatus, Signature
from domain.errors import IntakeError
from domain.severity import Severity
from domain.value import Value
from tools.intake import fields
from tools.intake.alertmanager import episode, label_fingerprint

SOURCE = "generic"
FIELDS = frozenset(
    {
        *("title", "summary", "status", "severity", "service", "environment", "identity", "group_key"),
        *("started_at", "ended_at", "labels", "annotations", "links", "values"),
    }
)
ALIASES = {"id": "identity", "dedup_key": "identity", "fingerprint": "identity", "description": "summary"}
_STATUSES = {
    **{s.value: s for s in AlertStatus},
    **dict.fromkeys(("alerting", "active", "open", "triggered", "problem", "down", "critical"), AlertStatus.FIRING),
    **dict.fromkeys(("ok", "closed", "recovered", "resolve", "up", "normal"), AlertStatus.RESOLVED),
    **dict.fromkeys(("ack", "acknowledge"), AlertStatus.ACKNOWLEDGED),
    **dict.fromkeys(("silenced", "muted", "inhibited"), AlertStatus.SUPPRESSED),
}


class GenericMapping(Value):
    """Where a sender keeps our fields."""

    items: str = ""
    """Path of the list of alerts; empty: the body is one alert (or a list)."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our field → dotted path."""
    constants: dict[str, str] = Field(default_factory=dict)
    """Our field → text, where the path gives nothing."""
    statuses: dict[str, AlertStatus] = Field(default_factory=dict)
    severities: dict[str, Severity] = Field(default_factory=dict)

    def apply(self, item: Any) -> dict[str, Any]:
        """An alert in our shape."""
        found = {name: value for name, path in self.fields.items() if (value := dig(item, path)) is not None}
        row: dict[str, Any] = {**self.constants, **found}
        status, severity = str(row.get("status", "")), str(row.get("severity", ""))
        if status in self.statuses:
            row["status"] = self.statuses[status].value
        if severity in self.severities:
            row["severity"] = self.severities[severity].value
        return row


def dig(value: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and len(part) < 6 and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def read(
    body: Any,
    *,
    received_at: datetime,
    delivery_id: str,
    signature: Signature,
    mapping: GenericMapping | None = None,
) -> list[Alert]:
    """Alerts of a body. Raises IntakeError."""
    listed = _items(body, mapping)
    rows = [mapping.apply(item) for item in listed] if mapping else listed
    return [
        _alert(row, "the body" if len(rows) == 1 else f"entry {position}", received_at, delivery_id, signature)
        for position, row in enumerate(rows)
    ]


def _items(body: Any, mapping: GenericMapping | None) -> list[dict[str, Any]]:
    if mapping is not None and mapping.items:
        return fields.items(dig(body, mapping.items), mapping.items)
    if isinstance(body, list):
        return fields.items(body, "the body")
    found = fields.mapping(body, "the body")
    if mapping is None and "alerts" in found:
        return fields.items(found["alerts"], "alerts")
    return [found]


def _alert(item: Mapping[str, Any], where: str, received_at: datetime, delivery_id: str, signature: Signature) -> Alert:
    row = {**{ALIASES[k]: v for k, v in item.items() if k in ALIASES}, **{k: v for k, v in item.items() if k in FIELDS}}

    def word(name: str) -> str:
        return fields.text(row.get(name), f"{name} of {where}")

    title = word("title") or word("summary")
    if not title:
        raise IntakeError(
            f"{where} says nothing",
            expected="a title (or a summary); for another shape a mapping file",
            found=f"fields {', '.join(sorted(map(str, item)))[:150] or 'none'}",
            hint='the smallest alert is {"title": "checkout fails", "service": "api"}',
        )
    labels = fields.texts(row.get("labels"), f"labels of {where}")
    service, environment = word("service") or labels.get("service", ""), word("environment")
    derived = label_fingerprint({"title": title, "service": service, "environment": environment, **labels})
    identity = word("identity") or derived
    started = fields.time(row.get("started_at"), f"started_at of {where}")
    status = _STATUSES.get(word("status").strip().lower() or "firing", AlertStatus.UNKNOWN)
    raw = word("severity") or labels.get("severity", "")
    return Alert(
        source=SOURCE,
        delivery_id=delivery_id,
        identity=identity,
        episode_id=episode(identity, started),
        group_key=word("group_key") or identity,
        title=title[:500],
        summary=word("summary"),
        status=status,
        severity=fields.severity(raw),
        severity_raw=raw,
        service=service,
        environment=environment or fields.first(labels, "environment", "env"),
        labels=labels,
        annotations=fields.texts(row.get("annotations"), f"annotations of {where}"),
        started_at=started,
        ended_at=fields.time(row.get("ended_at"), f"ended_at of {where}"),
        received_at=received_at,
        links=fields.links(fields.texts(row.get("links"), f"links of {where}")),
        values=fields.values(row.get("values"), f"values of {where}"),
        raw_ref=delivery_id,
        signature=signature,
    )
