"""What a payload would become, without sending it anywhere: for `firebreak intake test FILE`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.errors import IntakeError
from tools.intake import change, deploy_events, fields, generic, github
from tools.intake.alertmanager import SOURCE as ALERTMANAGER
from tools.intake.generic import GenericMapping
from tools.intake.normalise import SOURCES, normalise
from tools.intake.route import OpenIncident, dedup_key, group_of, route


def describe(
    body: bytes,
    *,
    source: str | None = None,
    mapping: GenericMapping | None = None,
    received_at: datetime | None = None,
) -> dict[str, Any]:
    """{schema_version, source, alerts: [Alert + dedup_key, route, route_text], changes, truncated, reason} as plain JSON;
    for GitHub's pull requests also `hints`, what there is to look at.

    The source is recognised from the body when it is not given. Routes are what would happen with no incident open.
    Raises IntakeError.
    """
    chosen = source or ("generic" if mapping else detect(body))
    if chosen == github.SOURCE:
        return _hints(body)
    now = received_at or datetime.now(UTC)
    found = normalise(chosen, {}, body, now, "test", mapping=mapping)
    incidents: list[OpenIncident] = []
    alerts = []
    for alert in found.alerts:
        decided = route(alert, incidents, now=now)
        if decided.rule == "opened":
            incidents.append(
                OpenIncident(
                    id="a new incident",
                    group_key=group_of(alert),
                    opened_at=now,
                    services=frozenset({alert.service} - {""}),
                    episodes=frozenset({dedup_key(alert)}),
                )
            )
        shown = alert.model_dump(mode="json")
        alerts.append({**shown, "dedup_key": dedup_key(alert), "route": decided.rule, "route_text": decided.text})
    return {
        "schema_version": "1",
        "source": found.source,
        "alerts": alerts,
        "changes": [c.model_dump(mode="json") for c in found.changes],
        "truncated": found.truncated,
        "reason": found.reason,
    }


def _hints(body: bytes) -> dict[str, Any]:
    """What a delivery of GitHub's says to look at."""
    hint = github.read_hint(fields.parse(body))
    told = {"hints": [hint.model_dump(mode="json")] if hint else [], "alerts": [], "changes": []}
    return {"schema_version": "1", "source": github.SOURCE, **told, "truncated": 0, "reason": ""}


def detect(body: bytes) -> str:
    """The source whose shape a body has. Raises IntakeError when it has none's."""
    parsed = fields.parse(body)
    rows = parsed if isinstance(parsed, list) else [parsed]
    head = rows[0] if rows and isinstance(rows[0], dict) else {}
    listed = head.get("alerts")
    members = [m for m in (listed if isinstance(listed, list) else rows) if isinstance(m, dict)]
    versioned = isinstance(parsed, list) or fields.text(head.get("version"), "version") in {"", "3", "4"}
    if versioned and members and all("labels" in m and ("startsAt" in m or "generatorURL" in m) for m in members):
        return ALERTMANAGER
    if deploy_events.own_rows(head) is not None:
        return change.SOURCE
    if isinstance(head.get("repository"), dict) and "full_name" in head["repository"] and "sender" in head:
        return github.SOURCE
    if "changes" in head or (head.keys() <= change.FIELDS and head.get("kind") in change.KINDS):
        return change.SOURCE
    ours = generic.FIELDS | generic.ALIASES.keys()
    if members and all(m.keys() <= ours and m.keys() & {"title", "summary"} for m in members):
        return generic.SOURCE
    raise IntakeError(
        "the payload's source is not recognised",
        expected=f"the shape of one of {', '.join(SOURCES)}",
        found=f"fields {', '.join(sorted(map(str, head)))[:150] or 'none'}",
        hint="name the source with --source, or use generic with a mapping file",
        code="intake.unknown_source",
    )
