"""What was told: events in the order of their numbers, and how far other records were followed."""

from __future__ import annotations

from collections.abc import Sequence

from domain.events import Event
from graph.records.rows import append_event
from graph.records.sqlite import Connection, RecordsFile


class EventLog:
    """Every public call is one transaction."""

    def __init__(self, file: RecordsFile) -> None:
        self._file = file

    async def events(self, *, after: int = 0, subject: str | None = None, limit: int = 500) -> list[Event]:
        """Stored events with a higher sequence number (their id), ascending."""
        sql = "SELECT seq, body FROM events WHERE seq > ? AND (? IS NULL OR subject = ?) ORDER BY seq LIMIT ?"
        rows = await self._file.do(lambda db: db.execute(sql, (after, subject, subject, limit)).fetchall())
        return [_event(seq, body) for seq, body in rows]

    async def newest_event(self) -> int:
        """The highest sequence number; 0 when there is none."""
        sql = "SELECT coalesce(max(seq), 0) FROM events"
        newest: int = (await self._file.do(lambda db: db.execute(sql).fetchone()))[0]
        return newest

    async def followed(self, name: str) -> int:
        """Up to where another record was followed; -1 when not at all."""
        sql = "SELECT seq FROM followed WHERE name = ?"
        row = await self._file.do(lambda db: db.execute(sql, (name,)).fetchone())
        return -1 if row is None else int(row[0])

    async def observed(self, events: Sequence[Event], name: str, seq: int | None) -> list[Event]:
        """Facts from another record, and up to where it was followed, in one transaction; they come back numbered."""

        def work(db: Connection) -> list[Event]:
            if seq is not None:
                db.execute("INSERT OR REPLACE INTO followed (name, seq) VALUES (?, ?)", (name, seq))
            return [append_event(db, event) for event in events]

        return await self._file.do(work)


def _event(seq: int, body: str) -> Event:
    return Event.model_validate_json(body).model_copy(update={"id": str(seq)})
