"""Checkpoints in one SQLite file, for places where no Redis server can run and for Studio and tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph.checkpoint.serde import strict_serde


@asynccontextmanager
async def open_sqlite_saver(path: Path | str) -> AsyncIterator[AsyncSqliteSaver]:
    """A saver on `path` (or `:memory:`) in WAL mode; closed with its connection."""
    async with aiosqlite.connect(str(path)) as connection:
        saver = AsyncSqliteSaver(connection, serde=strict_serde())
        await saver.setup()
        yield saver
