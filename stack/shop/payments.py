"""`python -m stack.shop.payments`: the payment service, with a quota per key."""

from __future__ import annotations

import argparse
import math
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stack.problem import ProblemError
from stack.shop.lines import set_up
from stack.shop.quota import TokenBucket
from stack.shop.serving import run
from stack.shop.settings import Setting, load_or_exit, number, text
from stack.shop.spans import Tracing, current_ids
from stack.shop.traffic import Measured, TrafficMetrics

SERVICE = "payments"
KEYS: tuple[Setting, ...] = (text("API_KEYS"), number("QUOTA_PER_S", 0.1, 10_000), number("QUOTA_BURST", 1, 100_000))
REMEMBERED = 5_000
"""Charges remembered, so that a repeated request is not charged twice."""


class Till:
    """Charges, once per order, within the key's quota."""

    def __init__(self, values: Mapping[str, str], registry: CollectorRegistry) -> None:
        rate, burst, now = float(values["QUOTA_PER_S"]), float(values["QUOTA_BURST"]), time.monotonic()
        keys = [key.strip() for key in values["API_KEYS"].split(",") if key.strip()]
        self._buckets = {key: TokenBucket.full(rate, burst, now) for key in keys}
        self._charges: OrderedDict[str, str] = OrderedDict()
        self._count = Counter("charges", "Charges by outcome.", ["outcome"], registry=registry)
        self._left = Gauge("quota_tokens", "Requests the fullest-used key may still make.", registry=registry)
        self._left.set_function(lambda: min(bucket.tokens for bucket in self._buckets.values()))

    def charge(self, key: str, body: object) -> dict[str, object]:
        """The charge. Raises ProblemError 401, 422, 429."""
        bucket = self._buckets.get(key)
        if bucket is None:
            raise ProblemError(401, "payments.unknown_key", "unknown API key", expected="X-Api-Key of a customer")
        order_id, cents = _checked(body)
        wait = bucket.take(time.monotonic())
        if wait:
            self._count.labels("limited").inc()
            raise ProblemError(
                429,
                "payments.rate_limited",
                f"rate limit of this key exceeded: {bucket.rate:g} requests per second",
                hint=str(math.ceil(wait)),
            )
        charge_id = self._charges.setdefault(order_id, f"ch_{uuid.uuid4().hex[:16]}")
        self._charges.move_to_end(order_id)
        while len(self._charges) > REMEMBERED:
            self._charges.popitem(last=False)
        self._count.labels("charged").inc()
        return {"charge_id": charge_id, "order_id": order_id, "amount_cents": cents}


def _checked(body: object) -> tuple[str, int]:
    if isinstance(body, dict):
        order_id, cents = body.get("order_id"), body.get("amount_cents")
        if isinstance(order_id, str) and order_id and isinstance(cents, int) and cents >= 0:
            return order_id, cents
    raise ProblemError(
        422, "input.invalid", "not a charge", expected='{"order_id": text, "amount_cents": whole number}'
    )


def build(till: Till, traffic: TrafficMetrics) -> Starlette:
    """Routes."""

    async def charge(request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        return JSONResponse(till.charge(request.headers.get("x-api-key", ""), body))

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        body, content_type = traffic.exposition()
        return Response(body, media_type=content_type)

    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        headers = {"Retry-After": error.hint} if error.status == 429 else {}
        return JSONResponse(error.document(), error.status, headers, media_type="application/problem+json")

    routes = [Route("/charge", charge, methods=["POST"]), Route("/healthz", healthz), Route("/metrics", metrics)]
    return Starlette(routes=routes, exception_handlers={ProblemError: problem})


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="stack.shop.payments")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--env-file", type=Path, required=True)
    parser.add_argument("--spans", type=Path, required=True)
    found = parser.parse_args()
    log = set_up(SERVICE, current_ids)
    values = load_or_exit(found.env_file, KEYS, log)
    log.info("starting", extra={"port": found.port})
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    traffic = TrafficMetrics(registry)
    app = build(Till(values, registry), traffic)
    run(Measured(app, traffic, Tracing(SERVICE, found.spans), log), found.port)


if __name__ == "__main__":
    main()
