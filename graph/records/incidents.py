"""How each run stands: incidents with their alerts, what people remarked and ordered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.alert import Alert
from domain.events import Event
from domain.incident import Incident, IncidentRow, IncidentStatus, TimelineEntry
from graph.face import Page, Receipt
from graph.records.delivery import Order
from graph.records.events import RUN_FAILED
from graph.records.rows import add_receipt, as_open, load_incident, put_alert, save_incident
from graph.records.sqlite import Connection, RecordsFile
from tools.intake.route import OpenIncident


class Incidents:
    """Every public call is one transaction."""

    def __init__(self, file: RecordsFile) -> None:
        self._file = file

    async def open(
        self, incident: Incident, alert_services: Sequence[tuple[Alert, str]], receipts: Sequence[Receipt]
    ) -> list[Event]:
        """A new incident with its first alerts and their receipts, in one transaction."""

        def work(db: Connection) -> list[Event]:
            for alert, service in alert_services:
                put_alert(db, incident.id, alert, service)
            for receipt in receipts:
                add_receipt(db, receipt)
            return save_incident(db, incident)

        return await self._file.do(work)

    async def save(self, incident: Incident) -> list[Event]:
        """Replace the projection; returns the events of what is new on its timeline."""
        return await self._file.do(lambda db: save_incident(db, incident))

    async def remark(self, incident_id: str, entry: TimelineEntry) -> list[Event]:
        """A fact that no node knows (somebody took over, an alert joined); kept beside the projection."""

        def work(db: Connection) -> list[Event]:
            db.execute("INSERT INTO remarks (incident, body) VALUES (?, ?)", (incident_id, entry.model_dump_json()))
            return save_incident(db, load_incident(db, incident_id))

        return await self._file.do(work)

    async def failures(self, incident_id: str) -> int:
        """How often the incident's run failed so far."""
        sql = "SELECT count(*) FROM remarks WHERE incident = ? AND json_extract(body, '$.event') = ?"
        found: int = (await self._file.do(lambda db: db.execute(sql, (incident_id, RUN_FAILED)).fetchone()))[0]
        return found

    async def join(self, incident_id: str, alert: Alert, service: str) -> None:
        """An alert that belongs to an incident; the newest word about an episode counts."""
        await self._file.do(lambda db: put_alert(db, incident_id, alert, service))

    async def alerts(self, incident_id: str) -> list[Alert]:
        """All alerts of an incident, as they stand now."""
        sql = "SELECT body FROM alerts WHERE incident = ? ORDER BY rowid"
        return [
            Alert.model_validate_json(b)
            for (b,) in await self._file.do(lambda db: db.execute(sql, (incident_id,)).fetchall())
        ]

    async def get(self, incident_id: str) -> Incident:
        """Raises NotFoundError."""
        return await self._file.do(lambda db: load_incident(db, incident_id))

    async def page(self, *, status: str | None, limit: int, cursor: str | None) -> Page:
        """Newest first; the cursor is `opened_at|id` of the last row. `open` is every status in which something goes on."""
        opened, _, last = (cursor or "9999|").partition("|")
        wanted = [s.value for s in IncidentStatus if not s.terminal] if status == IncidentStatus.OPEN else [status]
        sql = (
            "SELECT body FROM incidents WHERE (? IS NULL OR status IN (SELECT value FROM json_each(?)))"
            " AND (opened_at < ? OR (opened_at = ? AND id < ?)) ORDER BY opened_at DESC, id DESC LIMIT ?"
        )
        args = (status, json.dumps(wanted), opened, opened, last or "", limit + 1)
        rows = await self._file.do(lambda db: db.execute(sql, args).fetchall())
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
        return [row[0] for row in await self._file.do(lambda db: db.execute(sql).fetchall())]

    async def told_since(self, since: datetime) -> list[Alert]:
        """The alerts, as they stand now, of incidents that some run still works on or that closed after `since`."""
        sql = (
            "SELECT a.body FROM alerts a JOIN incidents i ON i.id = a.incident "
            "WHERE i.terminal = 0 OR i.closed_at > ? ORDER BY i.opened_at, a.rowid"
        )
        rows = await self._file.do(lambda db: db.execute(sql, (since.isoformat(),)).fetchall())
        return [Alert.model_validate_json(body) for (body,) in rows]

    async def related(self, alert: Alert, late: timedelta) -> list[OpenIncident]:
        """Incidents that an alert may join, newest first: the open ones, and those closed after what it reports began.

        Alerts come late: for `late` after closing, what began before still belongs to the closed incident.
        """
        began = alert.started_at or alert.received_at
        since = (alert.received_at - late).isoformat()

        def work(db: Connection) -> list[OpenIncident]:
            sql = "SELECT body FROM incidents WHERE terminal = 0 OR closed_at > ? ORDER BY opened_at DESC, id DESC"
            found = [Incident.model_validate_json(body) for (body,) in db.execute(sql, (since,))]
            return [as_open(db, i) for i in found if i.closed_at is None or began <= i.closed_at]

        return await self._file.do(work)

    async def mended_since(self, since: datetime) -> list[Incident]:
        """Incidents that closed as resolved after `since`."""
        sql = "SELECT body FROM incidents WHERE status = ? AND closed_at > ?"
        rows = await self._file.do(lambda db: db.execute(sql, (IncidentStatus.RESOLVED, since.isoformat())).fetchall())
        return [Incident.model_validate_json(body) for (body,) in rows]

    async def served_since(self, since: datetime) -> list[Incident]:
        """Incidents that closed after `since` because users were served again: mended, or healthy without us."""
        sql = (
            "SELECT body FROM incidents WHERE closed_at > ?"
            " AND (status = ? OR status = ? AND json_extract(body, '$.outcome') = 'healthy')"
        )
        args = (since.isoformat(), IncidentStatus.RESOLVED, IncidentStatus.DISMISSED)
        rows = await self._file.do(lambda db: db.execute(sql, args).fetchall())
        return [Incident.model_validate_json(body) for (body,) in rows]

    async def opened_since(self, since: datetime) -> int:
        """How many incidents opened lately."""
        sql = "SELECT count(*) FROM incidents WHERE opened_at > ?"
        count: int = (await self._file.do(lambda db: db.execute(sql, (since.isoformat(),)).fetchone()))[0]
        return count

    async def give_order(self, incident_id: str, order: Order) -> None:
        """The first order stands."""
        sql = "INSERT OR IGNORE INTO orders (incident, body) VALUES (?, ?)"
        await self._file.do(lambda db: db.execute(sql, (incident_id, order.model_dump_json())))

    async def order(self, incident_id: str) -> Order | None:
        """What a person ordered about this incident."""
        sql = "SELECT body FROM orders WHERE incident = ?"
        row = await self._file.do(lambda db: db.execute(sql, (incident_id,)).fetchone())
        return Order.model_validate_json(row[0]) if row else None
