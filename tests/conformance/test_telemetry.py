"""One suite for every source behind the Telemetry port: the embedded store, a real Prometheus, and its API in memory.

All of them watch the same endpoint for the same seconds and must tell the same story.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.bundle import Series, Window
from domain.errors import AuthError, EvidenceError
from domain.inventory import Connector, Inventory
from domain.telemetry import Telemetry
from tools.telemetry import combined
from tools.telemetry.combined import CombinedTelemetry
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.exposition import samples, series_key
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.meter import Meter
from tools.telemetry.prometheus import PrometheusTelemetry
from tools.telemetry.sqlite import TelemetryWriter

SECONDS = 14


def reading(
    access: Access, transport: httpx.MockTransport | None = None, timeout_s: float = 10.0
) -> PrometheusTelemetry:
    api = HttpApi("Prometheus", access, transport=transport, timeout_s=timeout_s)
    return PrometheusTelemetry(api, inventory())


Make = Callable[[Path], contextlib.AbstractAsyncContextManager["Source"]]


def inventory(url: str = "http://unused/metrics") -> Inventory:
    return Inventory.model_validate(
        {"services": [{"name": "api", "kind": "api", "telemetry": {"scrape": url}}, {"name": "other", "kind": "api"}]}
    )


def page(second: float) -> str:
    """Four requests a second of which one fails, each at 50–100 ms, a pool four fifths full; a reset after ten seconds."""
    count = int(second if second < 10 else second - 10) * 4
    return f"""# TYPE http_requests_total counter
http_requests_total{{route="/buy",status="200"}} {count * 3 // 4}
http_requests_total{{route="/buy",status="500"}} {count // 4}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{route="/buy",le="0.05"}} 0
http_request_duration_seconds_bucket{{route="/buy",le="0.1"}} {count}
http_request_duration_seconds_bucket{{route="/buy",le="+Inf"}} {count}
http_request_duration_seconds_sum{{route="/buy"}} {count * 0.07}
http_request_duration_seconds_count{{route="/buy"}} {count}
# TYPE db_pool_size gauge
db_pool_size 5
# TYPE db_pool_in_use gauge
db_pool_in_use 4
"""


class Source:
    """A telemetry source and the window in which it watched."""

    def __init__(self, telemetry: Telemetry, window: Window) -> None:
        self.telemetry = telemetry
        self.window = window

    async def values(self, metric: str) -> Series:
        """The one series of exactly that name; asking for a plain name gives the labelled ones too."""
        found = await self.telemetry.series(self.window, metrics=[metric], services=["api"])
        assert all(s.metric.partition("{")[0] == metric.partition("{")[0] for s in found)
        return next(s for s in found if s.metric == metric)


@contextlib.asynccontextmanager
async def embedded(tmp_path: Path) -> AsyncIterator[Source]:
    """The collector's store, written as the collector writes it."""
    start = 1_700_000_000.0
    writer = TelemetryWriter(tmp_path / "telemetry.db")
    meter = Meter()
    before: set[str] = set()
    for second in range(SECONDS):
        points = meter.read(start + second, page(second)) | {"scrape_up": 1.0}
        writer.points(start + second, "api", points, before - points.keys())
        writer.commit(start + second)
        before = set(points)
    writer.close()
    yield Source(SqliteTelemetry(tmp_path / "telemetry.db"), (start, start + SECONDS - 1))


@contextlib.asynccontextmanager
async def in_memory(tmp_path: Path) -> AsyncIterator[Source]:
    """Prometheus' range query over the same page, without a server."""
    start = 1_700_000_000.0

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        rows: dict[str, dict[str, Any]] = {}
        step = float(query.get("step", "1"))
        moment = max(start, float(query.get("start", start)))
        moment = start + -(-(moment - start) // step) * step
        while moment <= min(float(query.get("end", start)), start + SECONDS - 1) and 'job="api"' in (
            query.get("query") or query["match[]"]
        ):
            for text, value in [*samples(page(moment - start)), ("up", 1.0)]:
                key = series_key(text)
                assert key is not None
                labels = {"__name__": key.name, "job": "api", "instance": "h:1", **dict(key.labels)}
                rows.setdefault(text, {"metric": labels, "values": []})["values"].append([moment, repr(value)])
            moment += step
        if request.url.path.endswith("/series"):
            return httpx.Response(200, json={"status": "success", "data": [row["metric"] for row in rows.values()]})
        return httpx.Response(
            200, json={"status": "success", "data": {"resultType": "matrix", "result": list(rows.values())}}
        )

    transport = httpx.MockTransport(answer)
    yield Source(reading(Access(url="http://p"), transport), (start, start + SECONDS - 1))


@contextlib.asynccontextmanager
async def real(tmp_path: Path) -> AsyncIterator[Source]:
    """A Prometheus of this machine that scrapes the page each second."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus on the PATH")
    began = time.time()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = page(time.time() - began).encode()
            kind = "Content-Type: text/plain; version=0.0.4"
            head = f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    target = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]  # noqa: UP031
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]  # noqa: UP031
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "api", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "p.yml").write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        binary,
        *(
            f"--config.file={tmp_path / 'p.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        source = reading(Access(url=f"http://{address}"))
        await _until_seen(source)
        begin = time.time()
        began = begin
        await asyncio.sleep(SECONDS)
        yield Source(source, (begin + 1, begin + SECONDS - 1))
    finally:
        process.terminate()
        await process.wait()
        server.close()
        await server.wait_closed()


async def _until_seen(source: PrometheusTelemetry) -> None:
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(EvidenceError):
                if await source.series((time.time() - 3, time.time()), metrics=["db_pool_size"]):
                    return
            await asyncio.sleep(0.3)


SOURCES = [
    pytest.param(embedded, id="embedded"),
    pytest.param(in_memory, id="prometheus-api"),
    pytest.param(real, id="prometheus", marks=pytest.mark.integration),
]


@pytest.mark.parametrize("make", SOURCES)
async def test_a_source_tells_the_story_of_the_endpoint(make: Make, tmp_path: Path) -> None:
    """Rates, ratios, quantiles and saturation under the same names, within the window, ascending, resets survived."""
    async with make(tmp_path) as source:
        everything = await source.telemetry.series(source.window)
        assert {s.service for s in everything} == {"api"}
        for one in everything:
            assert len(one.times) == len(one.values) > 0
            assert list(one.times) == sorted(set(one.times))
            assert source.window[0] <= one.times[0] <= one.times[-1] <= source.window[1]
        rate = await source.values("request_rate")
        assert all(value >= 0 for value in rate.values)
        assert 2.0 <= sorted(rate.values)[len(rate.values) // 2] <= 6.5
        ratio = await source.values("error_ratio")
        assert 0.1 <= ratio.values[-1] <= 0.5
        assert 0.05 < (await source.values("latency_p95")).values[-1] <= 0.1
        assert (await source.values("saturation")).values[-1] == pytest.approx(0.8)
        assert (await source.values("scrape_up")).values[-1] == 1.0
        assert (await source.values('request_rate{route="/buy"}')).metric == 'request_rate{route="/buy"}'
        assert await source.telemetry.series(source.window, services=["other"]) == []
        assert await source.telemetry.series(source.window, metrics=["nothing"]) == []
        long_ago = (source.window[0] - 86_400, source.window[0] - 86_000)
        assert await source.telemetry.series(long_ago) == []
        for read in (source.telemetry.logs, source.telemetry.spans):
            assert await read(source.window, services=["api"], limit=5) == []
        assert await source.telemetry.changes(source.window) == []


def answering(status: int, body: object) -> PrometheusTelemetry:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content))
    return reading(Access(url="http://p", token="t"), transport)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {}, AuthError),
        (403, {}, AuthError),
        (200, b"<html>", EvidenceError),
        (200, [], EvidenceError),
        (422, {"status": "error", "data": None, "error": "bad query"}, EvidenceError),
    ],
)
async def test_a_prometheus_that_cannot_answer_is_an_error(status: int, body: object, error: type[Exception]) -> None:
    """Refusals and nonsense are told as what they are."""
    with pytest.raises(error):
        await answering(status, body).series((0, 60))


CONNECTOR = Connector(kind="prometheus", url="http://127.0.0.1:1")


async def test_a_prometheus_that_is_not_there_is_an_error() -> None:
    """Nobody listening is said with what to check."""
    with pytest.raises(EvidenceError) as error:
        await reading(Access.of(CONNECTOR, {})).series((0, 60))
    assert "PROMETHEUS_URL" in error.value.hint


async def test_a_silent_service_is_a_gap_and_keeps_nobody_waiting() -> None:
    """All are asked side by side within one time; what answered is there, what did not is told with its name."""
    everybody = asyncio.Barrier(2)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/series"):
            return httpx.Response(200, json={"status": "success", "data": []})
        await everybody.wait()
        if 'job="other"' in request.url.params["query"]:
            await asyncio.Event().wait()
        rows = [{"metric": {"__name__": "up", "job": "api"}, "values": [[30, "1"]]}]
        return httpx.Response(200, json={"status": "success", "data": {"result": rows}})

    source = reading(Access(url="http://p"), httpx.MockTransport(answer), timeout_s=0.5)
    both = CombinedTelemetry(source, combined.Source(name="prometheus", telemetry=source, tells=("metrics",)))
    assert {s.service for s in await both.series((0, 60), services=["api", "other"])} == {"api"}
    (gap,) = both.gaps
    assert gap.startswith("no series of other: Prometheus does not answer")
    assert "nothing within 0.5 s" in gap
    everybody = asyncio.Barrier(1)
    with pytest.raises(EvidenceError):
        await source.series((0, 60), services=["other"])


async def test_a_check_tells_version_roles_age_and_blind_spots() -> None:
    """A service without series is named; what its metrics mean is recognised; token and tenant are sent."""
    asked: list[httpx.Request] = []
    names = ("http_requests_total", "http_request_duration_seconds_bucket", "python_info")

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        data: object = {"version": "2.53.0"}
        if request.url.path.endswith("/query"):
            query = request.url.params["query"]
            rows: list[object] = [{"metric": {"__name__": n}, "value": [1, "3"]} for n in names]
            rows = [{"metric": {}, "value": [1, "4.5"]}] if "timestamp" in query else rows
            data = {"result": rows if 'job="api"' in query else []}
        return httpx.Response(200, json={"status": "success", "data": data})

    access = Access(url="http://p", token="t", headers={"X-Scope-OrgID": "x"})
    check = await reading(access, httpx.MockTransport(answer)).check(100.0)
    assert check.found == "Prometheus 2.53.0, series of 1 of 2 services"
    assert (check.newest_age_s, check.unseen) == (4.5, ("other",))
    assert check.roles == (("api", ("traffic", "latency")),)
    assert asked[0].headers["authorization"] == "Bearer t"
    assert asked[0].headers["x-scope-orgid"] == "x"
