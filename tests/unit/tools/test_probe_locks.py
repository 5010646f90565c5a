"""When the locks of a database are looked at once more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tools.postgres import Connection
from tools.probes import database

IDLER: dict[str, Any] = {"pid": 7, "state": "idle in transaction", "transaction_s": 9.0, "blocked_by": []}
WAITER: dict[str, Any] = {"pid": 8, "state": "active", "transaction_s": 0.1, "blocked_by": [7]}


@pytest.mark.parametrize(
    ("moments", "looks", "last"),
    [
        ([[IDLER, WAITER], [IDLER]], 1, [IDLER, WAITER]),
        ([[IDLER], [IDLER, WAITER], [IDLER]], 2, [IDLER, WAITER]),
        ([[IDLER]] * 9, database.LOOKS, [IDLER]),
        ([[{**IDLER, "transaction_s": 0.2}], [IDLER]], 1, [{**IDLER, "transaction_s": 0.2}]),
        ([[{**IDLER, "state": "active"}], [IDLER]], 1, [{**IDLER, "state": "active"}]),
        ([[]], 1, []),
    ],
)
async def test_an_idle_transaction_is_looked_at_until_somebody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, moments: list[list[dict[str, Any]]], looks: int, last: list[dict[str, Any]]
) -> None:
    """Those who wait give up after a short timeout and come back: a moment without them says nothing."""
    left = list(moments)

    async def seen(_: Connection) -> list[dict[str, Any]]:
        return left.pop(0)

    monkeypatch.setattr(database, "sessions", seen)
    monkeypatch.setattr(database, "BETWEEN_LOOKS_S", 0.0)
    assert await database.with_waiters(cast("Connection", None)) == last
    assert len(moments) - len(left) == looks
