"""What arrived: deliveries until they are taken in, what became of each, and changes that were told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.alert import Change
from domain.bundle import Window
from domain.errors import NotFoundError
from graph.face import Receipt
from graph.records.delivery import Delivery
from graph.records.rows import add_receipt
from graph.records.sqlite import Connection, RecordsFile


class Inbox:
    """Every public call is one transaction."""

    def __init__(self, file: RecordsFile) -> None:
        self._file = file

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
        await self._file.do(lambda db: db.execute(sql, row))

    async def waiting_deliveries(self) -> list[Delivery]:
        """In order of arrival."""
        sql = "SELECT id, source, headers, body, received_at FROM deliveries WHERE state = 'waiting' ORDER BY rowid"
        return [_delivery(row) for row in await self._file.do(lambda db: db.execute(sql).fetchall())]

    async def finish_delivery(self, delivery_id: str, receipts: Sequence[Receipt]) -> None:
        """Receipts and state in one transaction."""

        def work(db: Connection) -> None:
            db.execute("UPDATE deliveries SET state = 'done' WHERE id = ?", (delivery_id,))
            for r in receipts:
                add_receipt(db, r)

        await self._file.do(work)

    async def receipts(self, delivery_id: str) -> list[Receipt]:
        """What became of a delivery. Raises NotFoundError for an unknown one."""

        def work(db: Connection) -> list[Receipt]:
            if not db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery_id,)).fetchone():
                raise NotFoundError(f"there is no delivery {delivery_id}", expected="an id that intake answered")
            rows = db.execute("SELECT body FROM receipts WHERE delivery = ? ORDER BY n", (delivery_id,))
            return [Receipt.model_validate_json(body) for (body,) in rows]

        return await self._file.do(work)

    async def note_changes(self, changes: Sequence[Change]) -> None:
        """Keep what was told of changes; one that is known by its id stays as it was told first."""
        rows = [(c.id, c.time.timestamp(), c.model_dump_json()) for c in changes]
        await self._file.do(lambda db: db.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?)", rows))

    async def changes(self, window: Window) -> list[Change]:
        """Told changes in the window, oldest first."""

        def work(db: Connection) -> list[Change]:
            found = db.execute("SELECT body FROM changes WHERE t BETWEEN ? AND ? ORDER BY t, id", window)
            return [Change.model_validate_json(body) for (body,) in found]

        return await self._file.do(work)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    return Delivery(
        id=row[0], source=row[1], headers=json.loads(row[2]), body=row[3], received_at=datetime.fromisoformat(row[4])
    )
