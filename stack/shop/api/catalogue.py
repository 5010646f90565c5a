"""What is for sale: from the cache, else from the database; a snapshot on disk warms the next start."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stack.home import write_atomic
from stack.shop.api.database import Database
from stack.shop.api.metrics import ApiMetrics
from stack.shop.spans import Tracing

CACHE_KEY = "shop:catalogue"
WARM_FILE = "warm-start.json"

PRODUCTS = """
SELECT p.id, p.name, p.price_cents, p.hue, p.blurb, s.on_hand AS stock
FROM products p JOIN stock s ON s.product_id = p.id ORDER BY p.id
"""


class Catalogue:
    """Cached list of products."""

    def __init__(
        self,
        db: Database,
        cache: Redis,
        metrics: ApiMetrics,
        tracing: Tracing,
        log: logging.Logger,
        ttl_s: Callable[[], float],
    ) -> None:
        self._db = db
        self._cache = cache
        self._metrics = metrics
        self._tracing = tracing
        self._log = log
        self._ttl_s = ttl_s
        self._loading = asyncio.Lock()

    async def products(self) -> list[dict[str, Any]]:
        """All products. Raises ProblemError when neither cache nor database has them."""
        found = await self._cached()
        if found is not None:
            return found
        contended = self._loading.locked()
        async with self._loading:
            # Whoever waited here finds what the first one brought.
            found = await self._cached() if contended else None
            return found if found is not None else await self._load()

    async def _cached(self) -> list[dict[str, Any]] | None:
        try:
            with self._tracing.span("cache.get", {"db.system": "redis"}):
                raw = await self._cache.get(CACHE_KEY)
            found = json.loads(raw) if raw else None
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self._metrics.cache.labels("error").inc()
            self._log.warning("cache does not answer: %s: %s", type(error).__name__, error)
            return None
        self._metrics.cache.labels("miss" if found is None else "hit").inc()
        return found if isinstance(found, list) else None

    async def _load(self) -> list[dict[str, Any]]:
        async with self._db.connection("catalogue") as conn:
            rows = await (await conn.execute(PRODUCTS)).fetchall()
        try:
            await self._cache.set(CACHE_KEY, json.dumps(rows), px=int(self._ttl_s() * 1000))
        except (RedisError, OSError, TimeoutError):
            self._metrics.cache.labels("error").inc()
        return rows


def read_warm(directory: Path) -> list[dict[str, Any]]:
    """The snapshot of the last run; empty when there is none. Raises ValueError when it is torn."""
    path = directory / WARM_FILE
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    products = found["products"]
    if not isinstance(products, list) or not all("id" in row and "price_cents" in row for row in products):
        raise ValueError(f"{path} does not hold a catalogue")
    return products


def write_warm(directory: Path, products: list[dict[str, Any]]) -> None:
    """Leave a snapshot for the next start. Raises OSError."""
    write_atomic(directory / WARM_FILE, json.dumps({"version": 1, "products": products}, indent=1))
