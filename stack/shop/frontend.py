"""`python -m stack.shop.frontend`: the shop's page, and the door through which browsers reach the api."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from stack.problem import ProblemError
from stack.shop.lines import set_up
from stack.shop.serving import run
from stack.shop.settings import Setting, load_or_exit, number, url
from stack.shop.spans import Tracing, current_ids, outgoing
from stack.shop.traffic import GROUP_HEADER, Measured, TrafficMetrics, group_of

SERVICE = "frontend"
KEYS: tuple[Setting, ...] = (url("API_URL", "http", "https"), number("API_TIMEOUT_S", 0.1, 60))
PASSED = ("content-type", "x-release")
MAX_BODY = 64 * 1024


class Door:
    """Passes requests on to the api."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._base = values["API_URL"].rstrip("/")
        # A connection per request, so that traffic weights behind the proxy hold per request.
        self._http = httpx.AsyncClient(
            timeout=float(values["API_TIMEOUT_S"]), limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def pass_on(self, request: Request) -> Response:
        """The api's answer, or a problem document that says why there is none."""
        body = await request.body()
        if len(body) > MAX_BODY:
            raise ProblemError(413, "http.too_large", "the body is too large", expected=f"at most {MAX_BODY} bytes")
        headers = {"content-type": request.headers.get("content-type", "application/json"), **outgoing()}
        headers[GROUP_HEADER] = group_of(request.headers)
        try:
            found = await self._http.request(
                request.method,
                self._base + request.url.path,
                params=dict(request.query_params),
                content=body,
                headers=headers,
            )
        except httpx.TimeoutException as error:
            raise ProblemError(504, "api.timeout", "the api did not answer in time") from error
        except httpx.TransportError as error:
            raise ProblemError(502, "api.unreachable", f"the api cannot be reached: {type(error).__name__}") from error
        kept = {key: value for key, value in found.headers.items() if key in PASSED}
        return Response(found.content, found.status_code, kept)


def build(door: Door, traffic: TrafficMetrics) -> Starlette:
    """Routes."""
    page = files("stack.shop").joinpath("page.html").read_text()

    async def shop(_: Request) -> Response:
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        body, content_type = traffic.exposition()
        return Response(body, media_type=content_type)

    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return JSONResponse(error.document(), error.status, media_type="application/problem+json")

    def passed(path: str, *methods: str) -> Route:
        async def handle(request: Request) -> Response:
            request.scope["measured_route"] = path
            return await door.pass_on(request)

        return Route(path, handle, methods=list(methods))

    routes = [
        Route("/", shop),
        passed("/api/catalogue", "GET"),
        passed("/api/orders", "POST"),
        passed("/api/orders/{order_id}", "GET"),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await door.close()

    return Starlette(routes=routes, exception_handlers={ProblemError: problem}, lifespan=lifespan)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="stack.shop.frontend")
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
    app = build(Door(values), traffic)
    run(Measured(app, traffic, Tracing(SERVICE, found.spans), log), found.port)


if __name__ == "__main__":
    main()
