"""Taking an order: into the database, paid, a receipt on disk, a job for the worker."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from stack.problem import ProblemError
from stack.shop.api.database import Connection, Database
from stack.shop.api.disk import DataDirectory
from stack.shop.api.metrics import ApiMetrics
from stack.shop.api.payments import Payments
from stack.shop.queue import QUEUE, Job

INSERT_ORDER = """
INSERT INTO orders (id, customer, total_cents, net_cents, tax_cents, status)
VALUES (%(id)s, %(customer)s, %(total)s, %(net)s, %(tax)s, 'pending')
"""
INSERT_ITEM = "INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES (%s, %s, %s, %s)"
SELECT_ORDER = """
SELECT o.id::text AS id, o.customer, o.total_cents, o.status, o.created_at::text AS created_at,
       coalesce(json_agg(json_build_object('product_id', i.product_id, 'quantity', i.quantity,
                                           'price_cents', i.price_cents)) FILTER (WHERE i.id IS NOT NULL), '[]') AS items
FROM orders o LEFT JOIN order_items i ON i.order_id = o.id WHERE o.id = %s GROUP BY o.id
"""
TAX = 0.19


class Item(BaseModel):
    """One line of a basket."""

    model_config = ConfigDict(extra="forbid")
    product_id: int = Field(ge=1)
    quantity: int = Field(default=1, ge=1, le=20)


class Basket(BaseModel):
    """What a customer orders."""

    model_config = ConfigDict(extra="forbid")
    items: list[Item] = Field(min_length=1, max_length=20)
    customer: str = Field(default="guest", min_length=1, max_length=80)


class Orders:
    """Accepts and reads orders."""

    def __init__(
        self,
        db: Database,
        cache: Redis,
        disk: DataDirectory,
        payments: Payments,
        metrics: ApiMetrics,
        log: logging.Logger,
    ) -> None:
        self._db = db
        self._cache = cache
        self._disk = disk
        self._payments = payments
        self._metrics = metrics
        self._log = log

    async def place(self, basket: Basket) -> dict[str, Any]:
        """The accepted order. Raises ProblemError; the row then says `failed`, so nothing is lost or half done."""
        order_id = str(uuid.uuid4())
        total = await self._insert(order_id, basket)
        try:
            charge = await self._payments.charge(order_id, total)
            self._write_receipt(order_id, basket, total, charge)
            await self._enqueue(Job(order_id=order_id, kind="fulfil" if charge else "charge", amount_cents=total))
        except ProblemError as error:
            self._metrics.orders.labels(error.code).inc()
            await self._fail(order_id, error)
            raise
        self._metrics.orders.labels("accepted" if charge else "deferred").inc()
        return {"id": order_id, "status": "paid" if charge else "payment_deferred", "total_cents": total}

    async def read(self, order_id: str) -> dict[str, Any]:
        """One order. Raises ProblemError 404."""
        try:
            uuid.UUID(order_id)
        except ValueError as error:
            raise ProblemError(404, "order.unknown", "no such order", expected="an order's UUID") from error
        async with self._db.connection("order_read") as conn:
            row = await (await conn.execute(SELECT_ORDER, (order_id,))).fetchone()
        if row is None:
            raise ProblemError(404, "order.unknown", "no such order")
        return row

    async def _insert(self, order_id: str, basket: Basket) -> int:
        async with self._db.connection("order_insert") as conn, conn.transaction():
            prices = await self._prices(conn, [item.product_id for item in basket.items])
            net = sum(prices[item.product_id] * item.quantity for item in basket.items)
            tax = round(net * TAX)
            row = {"id": order_id, "customer": basket.customer, "total": net + tax, "net": net, "tax": tax}
            await conn.execute(INSERT_ORDER, row)
            async with conn.cursor() as cursor:
                await cursor.executemany(
                    INSERT_ITEM, [(order_id, i.product_id, i.quantity, prices[i.product_id]) for i in basket.items]
                )
        return net + tax

    @staticmethod
    async def _prices(conn: Connection, wanted: list[int]) -> dict[int, int]:
        found = await conn.execute("SELECT id, price_cents FROM products WHERE id = ANY(%s)", (wanted,))
        prices = {row["id"]: row["price_cents"] for row in await found.fetchall()}
        unknown = sorted(set(wanted) - set(prices))
        if unknown:
            raise ProblemError(422, "order.unknown_product", "no such product", found=str(unknown))
        return prices

    def _write_receipt(self, order_id: str, basket: Basket, total: int, charge: str) -> None:
        receipt = {
            "order": order_id,
            "customer": basket.customer,
            "items": [item.model_dump() for item in basket.items],
            "total_cents": total,
            "charge": charge or "deferred",
            "written_at": time.time(),
        }
        try:
            self._disk.write_receipt(order_id, receipt)
        except OSError as error:
            raise ProblemError(500, "disk.write_failed", f"the receipt cannot be written: {error}") from error

    async def _enqueue(self, job: Job) -> None:
        try:
            depth = await self._cache.lpush(QUEUE, json.dumps(job.row()))
        except (RedisError, OSError, TimeoutError) as error:
            detail = f"the order cannot be queued: {type(error).__name__}: {error}"
            raise ProblemError(503, "queue.unavailable", detail) from error
        self._metrics.queue_depth.set(depth)

    async def _fail(self, order_id: str, cause: ProblemError) -> None:
        try:
            async with self._db.connection("order_fail") as conn:
                await conn.execute("UPDATE orders SET status = 'failed' WHERE id = %s", (order_id,))
        except ProblemError as error:
            # The worker finds orders that stayed pending; the customer needs to hear the first reason.
            self._log.warning("order %s stays pending after %s: %s", order_id, cause.code, error)
