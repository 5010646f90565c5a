"""The incident records in one SQLite file: what arrived, what became of it, how each run stands, what happened."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from domain.alert import Alert, AlertStatus, Change
from domain.bundle import Window
from domain.errors import NotFoundError
from domain.events import Event
from domain.incident import Incident, IncidentRow, IncidentStatus, TimelineEntry
from domain.lifecycle import Phase, RuntimeStatus
from graph.face import Page, Receipt
from graph.records.delivery import Delivery, Order
from graph.records.events import RUN_FAILED, events_of, merged
from tools.intake.route import OpenIncident, dedup_key

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    received_at TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting');
CREATE TABLE IF NOT EXISTS receipts (n INTEGER PRIMARY KEY, delivery TEXT NOT NULL, episode TEXT NOT NULL, incident TEXT,
    rule TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS receipts_by_delivery ON receipts (delivery);
CREATE TABLE IF NOT EXISTS incidents (id TEXT PRIMARY KEY, opened_at TEXT NOT NULL, status TEXT NOT NULL,
    terminal INTEGER NOT NULL, closed_at TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_at DESC, id DESC);
CREATE TABLE IF NOT EXISTS alerts (incident TEXT NOT NULL, episode TEXT NOT NULL, service TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (incident, episode));
CREATE TABLE IF NOT EXISTS remarks (n INTEGER PRIMARY KEY, incident TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, t REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (incident TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject, seq);
CREATE TABLE IF NOT EXISTS followed (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""


class SqliteRecords:
    """One connection, used from a worker thread; every public call is one transaction."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(str(path), check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._locked, work)

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, self._db:
            return work(self._db)

    # -- deliveries and receipts ----------------------------------------------------------------------------------

    async def store_delivery(self, delivery: Delivery) -> None:
        """Durable before anyone is told; the same id twice stays one."""
        row = (
            delivery.id,
            delivery.source,
            json.dumps(delivery.headers),
            delivery.body,
            delivery.received_at.isoformat(),
        )
        sql = "INSERT OR IGNORE INTO deliveries (id, source, headers, body, received_at) VALUES (?, ?, ?, ?, ?)"
        await self._do(lambda db: db.execute(sql, row))

    async def waiting_deliveries(self) -> list[Delivery]:
        """In order of arrival."""
        sql = "SELECT id, source, headers, body, received_at FROM deliveries WHERE state = 'waiting' ORDER BY rowid"
        return [_delivery(row) for row in await self._do(lambda db: db.execute(sql).fetchall())]

    async def finish_delivery(self, delivery_id: str, receipts: Sequence[Receipt]) -> None:
        """Receipts and state in one transaction."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE deliveries SET state = 'done' WHERE id = ?", (delivery_id,))
            for r in receipts:
                _receipt(db, r)

        await self._do(work)

    async def receipts(self, delivery_id: str) -> list[Receipt]:
        """What became of a delivery. Raises NotFoundError for an unknown one."""

        def work(db: sqlite3.Connection) -> list[Receipt]:
            if not db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery_id,)).fetchone():
                raise NotFoundError(f"there is no delivery {delivery_id}", expected="an id that intake answered")
            rows = db.execute("SELECT body FROM receipts WHERE delivery = ? ORDER BY n", (delivery_id,))
            return [Receipt.model_validate_json(body) for (body,) in rows]

        return await self._do(work)

    async def note_changes(self, changes: Sequence[Change]) -> None:
        """Keep what was told of changes; one that is known by its id stays as it was told first."""
        rows = [(c.id, c.time.timestamp(), c.model_dump_json()) for c in changes]
        await self._do(lambda db: db.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?)", rows))

    async def changes(self, window: Window) -> list[Change]:
        """Told changes in the window, oldest first."""

        def work(db: sqlite3.Connection) -> list[Change]:
            found = db.execute("SELECT body FROM changes WHERE t BETWEEN ? AND ? ORDER BY t, id", window)
            return [Change.model_validate_json(body) for (body,) in found]

        return await self._do(work)

    # -- incidents ------------------------------------------------------------------------------------------------

    async def open(
        self, incident: Incident, alert_services: Sequence[tuple[Alert, str]], receipts: Sequence[Receipt]
    ) -> list[Event]:
        """A new incident with its first alerts and their receipts, in one transaction."""

        def work(db: sqlite3.Connection) -> list[Event]:
            for alert, service in alert_services:
                _alert(db, incident.id, alert, service)
            for receipt in receipts:
                _receipt(db, receipt)
            return _save(db, incident)

        return await self._do(work)

    async def save(self, incident: Incident) -> list[Event]:
        """Replace the projection; returns the events of what is new on its timeline."""
        return await self._do(lambda db: _save(db, incident))

    async def remark(self, incident_id: str, entry: TimelineEntry) -> list[Event]:
        """A fact that no node knows (somebody took over, an alert joined); kept beside the projection."""

        def work(db: sqlite3.Connection) -> list[Event]:
            db.execute("INSERT INTO remarks (incident, body) VALUES (?, ?)", (incident_id, entry.model_dump_json()))
            return _save(db, _load(db, incident_id))

        return await self._do(work)

    async def failures(self, incident_id: str) -> int:
        """How often the incident's run failed so far."""
        sql = "SELECT count(*) FROM remarks WHERE incident = ? AND json_extract(body, '$.event') = ?"
        found: int = (await self._do(lambda db: db.execute(sql, (incident_id, RUN_FAILED)).fetchone()))[0]
        return found

    async def join(self, incident_id: str, alert: Alert, service: str) -> None:
        """An alert that belongs to an incident; the newest word about an episode counts."""
        await self._do(lambda db: _alert(db, incident_id, alert, service))

    async def alerts(self, incident_id: str) -> list[Alert]:
        """All alerts of an incident, as they stand now."""
        sql = "SELECT body FROM alerts WHERE incident = ? ORDER BY rowid"
        return [
            Alert.model_validate_json(b)
            for (b,) in await self._do(lambda db: db.execute(sql, (incident_id,)).fetchall())
        ]

    async def get(self, incident_id: str) -> Incident:
        """Raises NotFoundError."""
        return await self._do(lambda db: _load(db, incident_id))

    async def page(self, *, status: str | None, limit: int, cursor: str | None) -> Page:
        """Newest first; the cursor is `opened_at|id` of the last row."""
        opened, _, last = (cursor or "9999|").partition("|")
        sql = (
            "SELECT body FROM incidents WHERE (? IS NULL OR status = ?) AND (opened_at < ? OR (opened_at = ? AND id < ?))"
            " ORDER BY opened_at DESC, id DESC LIMIT ?"
        )
        args = (status, status, opened, opened, last or "", limit + 1)
        rows = await self._do(lambda db: db.execute(sql, args).fetchall())
        found = [Incident.model_validate_json(body) for (body,) in rows]
        shown = found[:limit]
        more = f"{shown[-1].opened_at.isoformat()}|{shown[-1].id}" if len(found) > limit and shown else None
        return Page(incidents=[i.row() for i in shown], next=more)

    async def rows(self, limit: int) -> list[IncidentRow]:
        """The newest incidents in short form."""
        return (await self.page(status=None, limit=limit, cursor=None)).incidents

    async def unfinished(self) -> list[str]:
        """Ids of incidents that some run still works on, oldest first."""
        sql = "SELECT id FROM incidents WHERE terminal = 0 ORDER BY opened_at"
        return [row[0] for row in await self._do(lambda db: db.execute(sql).fetchall())]

    async def told_since(self, since: datetime) -> list[Alert]:
        """The alerts, as they stand now, of incidents that some run still works on or that closed after `since`."""
        sql = (
            "SELECT a.body FROM alerts a JOIN incidents i ON i.id = a.incident "
            "WHERE i.terminal = 0 OR i.closed_at > ? ORDER BY i.opened_at, a.rowid"
        )
        rows = await self._do(lambda db: db.execute(sql, (since.isoformat(),)).fetchall())
        return [Alert.model_validate_json(body) for (body,) in rows]

    async def related(self, alert: Alert, late: timedelta) -> list[OpenIncident]:
        """Incidents that an alert may join, newest first: the open ones, and those closed after what it reports began.

        Alerts come late: for `late` after closing, what began before still belongs to the closed incident.
        """
        began = alert.started_at or alert.received_at
        since = (alert.received_at - late).isoformat()

        def work(db: sqlite3.Connection) -> list[OpenIncident]:
            sql = "SELECT body FROM incidents WHERE terminal = 0 OR closed_at > ? ORDER BY opened_at DESC, id DESC"
            found = [Incident.model_validate_json(body) for (body,) in db.execute(sql, (since,))]
            return [_open_incident(db, i) for i in found if i.closed_at is None or began <= i.closed_at]

        return await self._do(work)

    async def mended_since(self, since: datetime) -> list[Incident]:
        """Incidents that closed as resolved after `since`."""
        sql = "SELECT body FROM incidents WHERE status = ? AND closed_at > ?"
        rows = await self._do(lambda db: db.execute(sql, (IncidentStatus.RESOLVED, since.isoformat())).fetchall())
        return [Incident.model_validate_json(body) for (body,) in rows]

    async def served_since(self, since: datetime) -> list[Incident]:
        """Incidents that closed after `since` because users were served again: mended, or healthy without us."""
        sql = (
            "SELECT body FROM incidents WHERE closed_at > ?"
            " AND (status = ? OR status = ? AND json_extract(body, '$.outcome') = 'healthy')"
        )
        args = (since.isoformat(), IncidentStatus.RESOLVED, IncidentStatus.DISMISSED)
        rows = await self._do(lambda db: db.execute(sql, args).fetchall())
        return [Incident.model_validate_json(body) for (body,) in rows]

    async def opened_since(self, since: datetime) -> int:
        """How many incidents opened lately."""
        sql = "SELECT count(*) FROM incidents WHERE opened_at > ?"
        count: int = (await self._do(lambda db: db.execute(sql, (since.isoformat(),)).fetchone()))[0]
        return count

    # -- orders of people -----------------------------------------------------------------------------------------

    async def give_order(self, incident_id: str, order: Order) -> None:
        """The first order stands."""
        sql = "INSERT OR IGNORE INTO orders (incident, body) VALUES (?, ?)"
        await self._do(lambda db: db.execute(sql, (incident_id, order.model_dump_json())))

    async def order(self, incident_id: str) -> Order | None:
        """What a person ordered about this incident."""
        sql = "SELECT body FROM orders WHERE incident = ?"
        row = await self._do(lambda db: db.execute(sql, (incident_id,)).fetchone())
        return Order.model_validate_json(row[0]) if row else None

    # -- events ---------------------------------------------------------------------------------------------------

    async def events(self, *, after: int = 0, subject: str | None = None, limit: int = 500) -> list[Event]:
        """Stored events with a higher sequence number (their id), ascending."""
        sql = "SELECT seq, body FROM events WHERE seq > ? AND (? IS NULL OR subject = ?) ORDER BY seq LIMIT ?"
        rows = await self._do(lambda db: db.execute(sql, (after, subject, subject, limit)).fetchall())
        return [_event(seq, body) for seq, body in rows]

    async def newest_event(self) -> int:
        """The highest sequence number; 0 when there is none."""
        sql = "SELECT coalesce(max(seq), 0) FROM events"
        newest: int = (await self._do(lambda db: db.execute(sql).fetchone()))[0]
        return newest

    async def followed(self, name: str) -> int:
        """Up to where another record was followed; -1 when not at all."""
        sql = "SELECT seq FROM followed WHERE name = ?"
        row = await self._do(lambda db: db.execute(sql, (name,)).fetchone())
        return -1 if row is None else int(row[0])

    async def observed(self, events: Sequence[Event], name: str, seq: int | None) -> list[Event]:
        """Facts from another record, and up to where it was followed, in one transaction; they come back numbered."""

        def work(db: sqlite3.Connection) -> list[Event]:
            if seq is not None:
                db.execute("INSERT OR REPLACE INTO followed (name, seq) VALUES (?, ?)", (name, seq))
            return [_append(db, event) for event in events]

        return await self._do(work)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    return Delivery(
        id=row[0], source=row[1], headers=json.loads(row[2]), body=row[3], received_at=datetime.fromisoformat(row[4])
    )


def _receipt(db: sqlite3.Connection, receipt: Receipt) -> None:
    db.execute(
        "INSERT INTO receipts (delivery, episode, incident, rule, body) VALUES (?, ?, ?, ?, ?)",
        (receipt.delivery_id, receipt.episode_id, receipt.incident, receipt.rule, receipt.model_dump_json()),
    )


def _alert(db: sqlite3.Connection, incident_id: str, alert: Alert, service: str) -> None:
    db.execute(
        "INSERT INTO alerts (incident, episode, service, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (incident, episode) DO UPDATE SET body = excluded.body",
        (incident_id, alert.episode_id, service, alert.model_dump_json()),
    )


def _load(db: sqlite3.Connection, incident_id: str) -> Incident:
    row = db.execute("SELECT body FROM incidents WHERE id = ?", (incident_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no incident {incident_id}", expected="an id of `incident list`")
    return Incident.model_validate_json(row[0])


def _save(db: sqlite3.Connection, incident: Incident) -> list[Event]:
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
    return [_append(db, event) for event in events_of(before, now)]


def finished(incident: Incident) -> bool:
    """Whether no run works on it any more: closed and, where a brief follows, told."""
    told = incident.phase == Phase.EXIT or (incident.phase == Phase.REVOKED and incident.brief is not None)
    return incident.status.terminal and (told or incident.runtime is RuntimeStatus.FAILED)


def _append(db: sqlite3.Connection, event: Event) -> Event:
    cursor = db.execute("INSERT INTO events (subject, body) VALUES (?, ?)", (event.subject, event.model_dump_json()))
    return event.model_copy(update={"id": str(cursor.lastrowid)})


def _event(seq: int, body: str) -> Event:
    return Event.model_validate_json(body).model_copy(update={"id": str(seq)})


def _open_incident(db: sqlite3.Connection, incident: Incident) -> OpenIncident:
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
