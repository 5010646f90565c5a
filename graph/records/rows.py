"""How records become rows and rows become records, within somebody's transaction."""

from __future__ import annotations

from domain.alert import Alert, AlertStatus
from domain.errors import NotFoundError
from domain.events import Event
from domain.incident import Incident, TimelineEntry
from domain.lifecycle import Phase, RuntimeStatus
from graph.face import Receipt
from graph.records.events import events_of, merged
from graph.records.sqlite import Connection
from tools.intake.route import OpenIncident, dedup_key


def add_receipt(db: Connection, receipt: Receipt) -> None:
    """What became of one alert of a delivery."""
    db.execute(
        "INSERT INTO receipts (delivery, episode, incident, rule, body) VALUES (?, ?, ?, ?, ?)",
        (receipt.delivery_id, receipt.episode_id, receipt.incident, receipt.rule, receipt.model_dump_json()),
    )


def put_alert(db: Connection, incident_id: str, alert: Alert, service: str) -> None:
    """An alert of an incident; the newest word about an episode replaces the older one."""
    db.execute(
        "INSERT INTO alerts (incident, episode, service, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (incident, episode) DO UPDATE SET body = excluded.body",
        (incident_id, alert.episode_id, service, alert.model_dump_json()),
    )


def load_incident(db: Connection, incident_id: str) -> Incident:
    """Raises NotFoundError."""
    row = db.execute("SELECT body FROM incidents WHERE id = ?", (incident_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no incident {incident_id}", expected="an id of `incident list`")
    return Incident.model_validate_json(row[0])


def save_incident(db: Connection, incident: Incident) -> list[Event]:
    """The projection with its remarks and alerts in it; the numbered events of what is new."""
    old = db.execute("SELECT body FROM incidents WHERE id = ?", (incident.id,)).fetchone()
    before = Incident.model_validate_json(old[0]) if old else None
    remarks = db.execute("SELECT body FROM remarks WHERE incident = ? ORDER BY n", (incident.id,))
    joined = db.execute("SELECT body FROM alerts WHERE incident = ? ORDER BY rowid", (incident.id,))
    now = merged(
        incident,
        [TimelineEntry.model_validate_json(body) for (body,) in remarks],
        [Alert.model_validate_json(body) for (body,) in joined],
    )
    closed = now.closed_at.isoformat() if now.closed_at else None
    db.execute(
        "INSERT INTO incidents (id, opened_at, status, terminal, closed_at, body) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status, terminal = excluded.terminal,"
        " closed_at = excluded.closed_at, body = excluded.body",
        (now.id, now.opened_at.isoformat(), now.status.value, finished(now), closed, now.model_dump_json()),
    )
    return [append_event(db, event) for event in events_of(before, now)]


def finished(incident: Incident) -> bool:
    """Whether no run works on it any more: closed and, where a brief follows, told."""
    told = incident.phase == Phase.EXIT or (incident.phase == Phase.REVOKED and incident.brief is not None)
    return incident.status.terminal and (told or incident.runtime is RuntimeStatus.FAILED)


def append_event(db: Connection, event: Event) -> Event:
    """The event with its number."""
    cursor = db.execute("INSERT INTO events (subject, body) VALUES (?, ?)", (event.subject, event.model_dump_json()))
    return event.model_copy(update={"id": str(cursor.lastrowid)})


def as_open(db: Connection, incident: Incident) -> OpenIncident:
    """The incident as later alerts are compared with it."""
    rows = [
        (service, Alert.model_validate_json(body))
        for service, body in db.execute("SELECT service, body FROM alerts WHERE incident = ?", (incident.id,))
    ]
    top = incident.diagnosis.top if incident.diagnosis else None
    return OpenIncident(
        id=incident.id,
        group_key=incident.group_key,
        opened_at=incident.opened_at,
        services=frozenset({incident.service, top.service if top else "", *(s for s, _ in rows)} - {""}),
        episodes=frozenset(dedup_key(a) for _, a in rows if a.status is not AlertStatus.RESOLVED),
    )
