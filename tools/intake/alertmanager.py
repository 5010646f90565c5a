"""Prometheus Alertmanager's webhook, versions 4 and 3, partial bodies, and the plain list that Prometheus itself sends.

Format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. A fingerprint is never recomputed
when there is one: two alerts may look the same and not be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertStatus, Signature
from domain.value import canonical
from tools.intake import fields

SOURCE = "alertmanager"
_VERSIONS = frozenset({"", "3", "4"})


def read(body: Any, *, received_at: datetime, delivery_id: str, signature: Signature) -> tuple[list[Alert], int, str]:
    """(alerts, how many the sender left out, why it notified). Raises IntakeError."""
    group = {"alerts": body} if isinstance(body, list) else fields.mapping(body, "the body")
    version = fields.text(group.get("version"), "version")
    if version not in _VERSIONS:
        raise fields.malformed("version", "3 or 4 (or none)", version)
    if "alerts" not in group:
        raise fields.malformed("alerts", "a list of alerts", "nothing")
    alerts = [
        _alert(item, f"alerts[{position}]", group, received_at, delivery_id, signature)
        for position, item in enumerate(fields.items(group["alerts"], "alerts"))
    ]
    truncated = group.get("truncatedAlerts") or 0
    if isinstance(truncated, bool) or not isinstance(truncated, int):
        raise fields.malformed("truncatedAlerts", "a count", truncated)
    reason = fields.text(group.get("notification_reason", group.get("notificationReason")), "notification_reason")
    return alerts, max(0, truncated), reason


def _alert(
    item: Mapping[str, Any],
    where: str,
    group: Mapping[str, Any],
    received_at: datetime,
    delivery_id: str,
    signature: Signature,
) -> Alert:
    labels = fields.texts(group.get("commonLabels"), "commonLabels") | fields.texts(
        item.get("labels"), f"{where}.labels"
    )
    notes = fields.texts(group.get("commonAnnotations"), "commonAnnotations")
    notes |= fields.texts(item.get("annotations"), f"{where}.annotations")
    if not labels and not notes:
        raise fields.malformed(where, "labels or annotations", "neither")
    own = fields.texts(item.get("labels"), f"{where}.labels") or labels
    identity = fields.text(item.get("fingerprint"), f"{where}.fingerprint") or label_fingerprint(own)
    started = fields.time(item.get("startsAt"), f"{where}.startsAt")
    word = fields.text(item.get("status"), f"{where}.status") or fields.text(group.get("status"), "status")
    status = _status(word)
    ended = fields.time(item.get("endsAt"), f"{where}.endsAt") if status is AlertStatus.RESOLVED else None
    raw = fields.first(labels, "severity", "priority", "level") or fields.first(notes, "severity", "priority")
    return Alert(
        source=SOURCE,
        delivery_id=delivery_id,
        identity=identity,
        episode_id=episode(identity, started),
        group_key=fields.text(group.get("groupKey"), "groupKey") or _group(group, identity),
        title=fields.first(labels, "alertname") or fields.first(notes, "title", "summary") or "alert",
        summary=fields.first(notes, "summary", "description", "message"),
        status=status,
        severity=fields.severity(raw),
        severity_raw=raw,
        service=fields.first(labels, "service", "service_name", "app", "application", "component", "job"),
        environment=fields.first(labels, "environment", "env", "deployment_environment", "stage"),
        labels=labels,
        annotations=notes,
        started_at=started,
        ended_at=ended,
        received_at=received_at,
        links=_links(item, where, group, notes),
        values=fields.values({k: v for k, v in notes.items() if k in {"value", "threshold"}}, "annotations"),
        raw_ref=delivery_id,
        signature=signature,
    )


def label_fingerprint(labels: Mapping[str, str]) -> str:
    """An identity made from labels, for senders that give none."""
    return "labels-" + hashlib.sha256(canonical(dict(labels))).hexdigest()[:16]


def episode(identity: str, started: datetime | None) -> str:
    """Identity plus start: the same alert firing anew is another episode."""
    return f"{identity}@{started.isoformat() if started else 'unknown'}"


def _status(word: str) -> AlertStatus:
    """A word for a state; a missing one means firing (only firing alerts were sent before there were words)."""
    lowered = word.strip().lower() or "firing"
    if lowered in {"active", "alerting"}:
        return AlertStatus.FIRING
    return AlertStatus(lowered) if lowered in set(AlertStatus) else AlertStatus.UNKNOWN


def _group(group: Mapping[str, Any], identity: str) -> str:
    labels = fields.texts(group.get("groupLabels"), "groupLabels")
    return label_fingerprint(labels) if labels else identity


def _links(item: Mapping[str, Any], where: str, group: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, str]:
    found = {
        "source": fields.text(item.get("generatorURL"), f"{where}.generatorURL"),
        "alertmanager": fields.text(group.get("externalURL"), "externalURL"),
        "runbook": fields.first(notes, "runbook_url", "runbook"),
        "dashboard": fields.first(notes, "dashboard_url", "dashboard"),
    }
    return fields.links(found)
