"""The price history as newline-delimited JSON, straight from a server-side cursor."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from stack.shop.api.database import Database
from stack.shop.serving import Doors

BATCH = 100
HISTORY = """
SELECT h.id, h.product_id, h.recorded_at::text AS recorded_at, h.price_cents, h.note
FROM price_history h ORDER BY h.id
"""


async def history(db: Database) -> AsyncIterator[bytes]:
    """Chunks of lines. Holds one connection of the pool for as long as the reader takes."""
    async with (
        db.connection("export") as conn,
        conn.transaction(),
        conn.cursor(name="export") as cursor,
    ):
        await cursor.execute(HISTORY)
        while rows := await cursor.fetchmany(BATCH):
            yield b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def started(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, with the first already there: errors before it can still become an error answer."""
    first = await anext(chunks, b"")

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return rest()


async def whole_or_broken(chunks: AsyncIterator[bytes], doors: Doors, client: object) -> AsyncIterator[bytes]:
    """The same chunks; whoever is cut before the last one hears a reset, and not what looks like the end."""
    doors.abrupt(client, True)
    async for chunk in chunks:
        yield chunk
    doors.abrupt(client, False)
