"""The api as a FastAPI application."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from redis.asyncio import Redis

from stack.problem import ProblemError
from stack.shop.api.catalogue import Catalogue, read_warm, write_warm
from stack.shop.api.database import Database
from stack.shop.api.disk import DataDirectory
from stack.shop.api.export import history, started, whole_or_broken
from stack.shop.api.metrics import ApiMetrics
from stack.shop.api.orders import Basket, Orders
from stack.shop.api.payments import Payments
from stack.shop.api.settings import KEYS, Place
from stack.shop.serving import Doors
from stack.shop.settings import SettingsError, load
from stack.shop.spans import Tracing, current_ids
from stack.shop.traffic import TrafficMetrics

SERVICE = "api"
RELOADED_S = 0.5
"""How often the fill of pool and disk is brought up to date for the gauges."""


@dataclass
class Shop:
    """The parts of one running api."""

    place: Place
    values: dict[str, str]
    log: logging.Logger
    warm: list[dict[str, Any]] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    doors: Doors = field(default_factory=Doors)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.traffic = TrafficMetrics(self.registry)
        self.metrics = ApiMetrics(self.traffic)
        self.metrics.release.labels(self.place.version).set(1)
        self.tracing = Tracing(SERVICE, self.place.spans)
        self.http = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
        self.cache = Redis.from_url(
            self.values["CACHE_URL"], socket_timeout=0.6, socket_connect_timeout=0.6, protocol=2, max_connections=64
        )
        self.db = Database(lambda: self.values, self.place.secret_file, self.metrics, self.tracing)
        self.disk = DataDirectory(self.place.data, self.metrics, self.place.quota_bytes)
        self.payments = Payments(lambda: self.values, self.http, self.metrics, self.tracing)
        self.catalogue = Catalogue(
            self.db, self.cache, self.metrics, self.tracing, self.log, lambda: float(self.values["CATALOGUE_TTL_S"])
        )
        self.orders = Orders(self.db, self.cache, self.disk, self.payments, self.metrics, self.log)

    async def open(self) -> None:
        """Connect to what can be connected; prepare the data directory."""
        try:
            self.disk.prepare()
        except OSError as error:
            self.log.error("data directory: %s", error)
        await self.db.open()

    async def close(self) -> None:
        """Let go of everything."""
        await self.db.close()
        await self.http.aclose()
        await self.cache.aclose()

    async def reload(self) -> None:
        """SIGHUP: read the configuration again; a broken one is refused and the old one stays."""
        try:
            values = load(self.place.env_file, KEYS)
        except SettingsError as error:
            for complaint in error.complaints:
                self.log.error("reload refused: %s", complaint)
            return
        changed = sorted(key for key in values if values[key] != self.values.get(key))
        self.values = values
        if any(key.startswith("DB_") for key in changed):
            await self.db.reload()
        logging.getLogger().setLevel(values["LOG_LEVEL"].upper())
        self.metrics.reloaded.set_to_current_time()
        self.log.info("configuration reloaded", extra={"changed": changed})

    async def keep_measured(self) -> None:
        """Gauges of pool and disk, for ever."""
        while True:
            self.db.measure()
            try:
                self.disk.measure()
            except OSError as error:
                self.log.warning("data directory cannot be measured: %s", error)
            await asyncio.sleep(RELOADED_S)

    async def leave_warm_file(self) -> None:
        """Write the warm-start snapshot once, when there is none yet."""
        while not self.warm:
            try:
                self.warm = await self.catalogue.products()
                write_warm(self.place.data, self.warm)
            except (ProblemError, OSError) as error:
                self.log.warning("no warm-start snapshot yet: %s", error)
                self.warm = []
                await asyncio.sleep(5)


def load_shop(place: Place, values: dict[str, str], log: logging.Logger) -> Shop:
    """Raises ValueError when the warm-start snapshot is torn."""
    warm = read_warm(place.data)
    if warm:
        log.info("warm start", extra={"products": len(warm)})
    return Shop(place=place, values=values, log=log, warm=warm)


def build(shop: Shop) -> FastAPI:
    """Routes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await shop.open()
        tasks = [asyncio.create_task(shop.keep_measured()), asyncio.create_task(shop.leave_warm_file())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await shop.close()

    app = FastAPI(title="Shop API", version=shop.place.version, lifespan=lifespan, docs_url=None, redoc_url=None)
    _errors(app, shop.log)
    _shopping(app, shop)
    _operations(app, shop)
    return app


def _errors(app: FastAPI, log: logging.Logger) -> None:
    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> JSONResponse:
        if error.status >= 500:
            facts = {"path": request.url.path, "status": error.status, "code": error.code}
            cause = error.__cause__ or error
            log.error("%s %s failed: %s", request.method, request.url.path, error, extra=facts, exc_info=cause)
        return _problem(error)

    @app.exception_handler(RequestValidationError)
    async def wrong_input(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(ProblemError(422, "input.invalid", f"{where}: {first['msg']}", expected="see /openapi.json"))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
        return _problem(ProblemError(500, "internal", f"{type(error).__name__}: {error}"))


def _problem(error: ProblemError) -> JSONResponse:
    body = error.document()
    if trace_id := current_ids()[0]:
        body["trace_id"] = trace_id
    return JSONResponse(body, status_code=error.status, media_type="application/problem+json")


def _shopping(app: FastAPI, shop: Shop) -> None:
    release = shop.place.version

    @app.get("/api/catalogue")
    async def catalogue() -> dict[str, Any]:
        products = await shop.catalogue.products()
        body: dict[str, Any] = {"release": release, "products": products}
        # The visible difference of the second release.
        return body | {"badge": "Freshly roasted this week"} if release == "v2" else body

    @app.post("/api/orders", status_code=201)
    async def place_order(basket: Basket) -> dict[str, Any]:
        placed = await shop.orders.place(basket)
        shop.log.info("order accepted", extra={"order": placed["id"], "total_cents": placed["total_cents"]})
        return placed

    @app.get("/api/orders/{order_id}")
    async def read_order(order_id: str) -> dict[str, Any]:
        return await shop.orders.read(order_id)

    @app.get("/api/export")
    async def export(request: Request) -> StreamingResponse:
        chunks = whole_or_broken(await started(history(shop.db)), shop.doors, request.scope.get("client"))
        return StreamingResponse(chunks, media_type="application/x-ndjson")


def _operations(app: FastAPI, shop: Shop) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "release": shop.place.version}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        checks = await _checks(shop)
        failing = [name for name, check in checks.items() if not check["ok"]]
        body = {"status": "unready" if failing else "ready", "failing": failing, "checks": checks}
        return JSONResponse(body, status_code=503 if failing else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        shop.db.measure()
        body, content_type = shop.traffic.exposition()
        return Response(body, media_type=content_type)


async def _checks(shop: Shop) -> dict[str, dict[str, Any]]:
    async def database() -> None:
        async with shop.db.connection("ready", timeout_s=1.0) as conn:
            await conn.execute("SELECT count(total_cents) FROM (SELECT total_cents FROM orders LIMIT 1) AS newest")

    async def cache() -> None:
        await shop.cache.exists("shop:catalogue")

    async def disk() -> None:
        shop.disk.probe()

    named = {"db": database, "cache": cache, "disk": disk}
    results = await asyncio.gather(*(_check(probe) for probe in named.values()))
    return dict(zip(named, results, strict=True))


async def _check(probe: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        await probe()
    except Exception as error:
        # Whatever fails here is the answer: a readiness report names it and never raises.
        return {"ok": False, "ms": _ms(begun), "error": f"{type(error).__name__}: {error}"[:300]}
    return {"ok": True, "ms": _ms(begun)}


def _ms(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 2)


def data_path(raw: str) -> Path:
    """The data directory as given on the command line. Raises ValueError when it is not there."""
    path = Path(raw)
    if not path.is_dir():
        raise ValueError(f"no data directory at {raw}")
    return path
