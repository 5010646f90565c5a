"""The collector over real sockets, files and processes: what breaks is told, and being killed loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.inventory import HttpProbe, Inventory, TcpProbe
from tools.intake import normalise
from tools.telemetry.board import sli_snapshot
from tools.telemetry.collector import run_collector
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.http_poll import HttpPoller, check_tcp

pytestmark = pytest.mark.integration


class Patient:
    """A little service with a control endpoint and, on the same port, the alert intake of somebody."""

    def __init__(self) -> None:
        self.healthy = True
        self.requests = 0
        self.busy_intake = 0
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.process: dict[str, Any] = {
            "name": "api",
            "pid": 11,
            "state": "running",
            "restarts": 0,
            "started_at": time.time() - 5,
        }
        self.url = ""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, str]:
        if path == "/metrics":
            self.requests += 4
            return (
                200,
                f'http_requests_total{{route="/",status="{200 if self.healthy else 500}"}} {self.requests}\n',
                "",
            )
        if path == "/status":
            assert headers.get("authorization") == "Bearer read"
            return 200, json.dumps({"processes": [self.process]}), ""
        if path == "/intake/alertmanager":
            if self.busy_intake > 0:
                self.busy_intake -= 1
                return 503, "{}", "Retry-After: 1\r\n"
            self.posted.append((headers, body))
            return 202, "{}", ""
        return (200 if self.healthy else 500), "hello", ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = head[0].split(" ")
                status, text, more = self.answer(method, path, headers, body)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n{more}\r\n{text}".encode())
                await writer.drain()
        writer.close()

    def alerts(self) -> list[Any]:
        """Everything delivered, normalised as the intake would."""
        from datetime import UTC, datetime

        found = [normalise("alertmanager", h, b, datetime.now(UTC), "d").alerts for h, b in self.posted]
        return [alert for alerts in found for alert in alerts]


@pytest.fixture
async def patient() -> AsyncIterator[Patient]:
    one = Patient()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()


def inventory(patient: Patient, root: Path) -> dict[str, Any]:
    return {
        "system": "little",
        "services": [
            {
                "name": "api",
                "kind": "api",
                "criticality": "high",
                "probes": [
                    {
                        "kind": "http",
                        "name": "home",
                        "url": f"{patient.url}/",
                        "expect_text": "hello",
                        "user_facing": True,
                    },
                    {"kind": "tcp", "name": "port", "port": int(patient.url.rpartition(":")[2])},
                ],
                "slos": [{"name": "errors", "sli": "error_ratio", "target": 0.99}],
                "telemetry": {
                    "scrape": f"{patient.url}/metrics",
                    "logs": ["api.log"],
                    "spans": ["spans.jsonl"],
                    "changes": ["changes.jsonl"],
                },
                "bindings": {
                    "process": {
                        "via": "control",
                        "url": f"{patient.url}/processes/api",
                        "options": {"read_token_env": "READ", "status_url": f"{patient.url}/status"},
                    },
                    "config": {"via": "file", "path": "api.env"},
                },
            }
        ],
    }


async def eventually(check: Any, seconds: float = 30) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := check()):
            await asyncio.sleep(0.1)
        return found


def write(root: Path, name: str, *rows: object) -> None:
    with (root / name).open("a") as stream:
        stream.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


async def test_an_outage_is_told_and_everything_seen_is_kept(patient: Patient, tmp_path: Path) -> None:
    """Metrics, checks, logs, spans, changes, states and edits arrive; an outage makes one alert group, which resolves."""
    (tmp_path / "api.env").write_text("A=1\n")
    write(tmp_path, "api.log", {"level": "info", "message": "first"})
    patient.busy_intake = 1
    stop = asyncio.Event()
    home = tmp_path / "home"
    known = Inventory.model_validate(inventory(patient, tmp_path))
    collector = asyncio.create_task(
        run_collector(
            known, home, app_url=patient.url, intake_token="secret", env={"READ": "read"}, root=tmp_path, stop=stop
        )
    )
    store = SqliteTelemetry(home / "telemetry.db")
    try:
        await eventually((home / "run" / "collector.json").exists)
        assert json.loads((home / "run" / "collector.json").read_text())["pid"] == os.getpid()
        await asyncio.sleep(3)
        write(tmp_path, "api.log", {"level": "error", "message": "it broke", "token": "abcdef12"}, "plain line")
        write(
            tmp_path,
            "spans.jsonl",
            {"trace_id": "t", "span_id": "s", "operation": "o", "start": time.time(), "duration_ms": 2},
        )
        write(tmp_path, "changes.jsonl", {"id": "c1", "kind": "deploy", "time": time.time(), "service": "api"})
        (tmp_path / "api.env").write_text("A=2\nDB_PASSWORD=hunter22\n")
        broke = time.time()
        patient.healthy = False
        patient.process |= {"state": "crashed", "pid": None, "last_exit": 1}
        await eventually(lambda: patient.posted)
        assert time.time() - broke < 12
        first = patient.alerts()[0]
        assert first.status.value == "firing"
        assert first.service == "api"
        assert patient.posted[0][0]["authorization"] == "Bearer secret"
        patient.healthy = True
        patient.process |= {"state": "running", "pid": 12, "restarts": 1, "started_at": time.time()}
        await eventually(lambda: json.loads(patient.posted[-1][1])["status"] == "resolved", 45)
        assert len({a.group_key for a in patient.alerts()}) == 1
        rows = await sli_snapshot(store, known, time.time())
        assert {row["sli"] for row in rows} == {"error_ratio", "process", "availability"}
        assert all(row["value"] is not None for row in rows)
    finally:
        stop.set()
        await collector
    window = (broke - 60, time.time())
    names = {s.metric for s in await store.series(window)}
    assert {
        'probe_up{probe="home"}',
        'probe_up{probe="port"}',
        "request_rate",
        "error_ratio",
        "process_up",
        "scrape_up",
    } <= names
    messages = [r.message for r in await store.logs(window)]
    assert {"first", "it broke", "plain line"} <= set(messages)
    assert any("running → crashed" in message for message in messages)
    assert "abcdef12" not in repr(await store.logs(window))
    assert (await store.spans(window))[0].service == "api"
    changes = {c.kind: c for c in await store.changes(window)}
    assert changes["deploy"].id == "c1"
    assert "hunter22" not in changes["config"].diff
    assert [body["state"] for _, _, body in await store.states(window)] == ["running", "crashed", "running"]


SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from domain.inventory import Inventory
from tools.telemetry.collector import run_collector
root = Path(sys.argv[1])
inventory = Inventory.model_validate(json.loads((root / "inventory.json").read_text()))
asyncio.run(run_collector(inventory, root / "home", app_url=sys.argv[2], intake_token="t", env={"READ": "read"}, root=root))
"""


async def start(root: Path, url: str) -> asyncio.subprocess.Process:
    facts = root / "home" / "run" / "collector.json"
    facts.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(SCRIPT), str(root), url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    await eventually(facts.exists)
    return process


async def test_killed_in_the_middle_it_goes_on_where_it_was(patient: Patient, tmp_path: Path) -> None:
    """kill -9 while an alert waits for a busy intake: no line twice, no line lost, the alert arrives after the restart."""
    (tmp_path / "inventory.json").write_text(json.dumps(inventory(patient, tmp_path)))
    (tmp_path / "api.env").write_text("A=1\n")
    patient.busy_intake = 10_000
    process = await start(tmp_path, patient.url)
    again = None
    try:
        await asyncio.sleep(2)
        write(tmp_path, "api.log", *(f"line {n}" for n in range(20)))
        patient.healthy = False
        await eventually(lambda: patient.busy_intake < 10_000)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        write(tmp_path, "api.log", *(f"line {n}" for n in range(20, 40)))
        (tmp_path / "api.env").write_text("A=2\n")
        patient.busy_intake = 0
        again = await start(tmp_path, patient.url)
        await eventually(lambda: patient.posted)
        assert {a.status.value for a in patient.alerts()} == {"firing"}
        await asyncio.sleep(2)
        store = SqliteTelemetry(tmp_path / "home" / "telemetry.db")
        window = (time.time() - 120, time.time() + 5)
        read = [r.message for r in await store.logs(window) if r.message.startswith("line ")]
        assert sorted(read) == sorted(f"line {n}" for n in range(40))
        assert [c.kind for c in await store.changes(window)] == ["config"]
    finally:
        for one in (process, again):
            if one is not None and one.returncode is None:
                one.kill()
                await one.wait()


async def test_the_lean_client_survives_every_server(tmp_path: Path) -> None:
    """Chunks, closed connections, garbage, silence, nobody: each is an answer or an error in words."""
    replies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(replies.pop(0))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/x?y=1"
    cases = [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
            200,
            b"abcde",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, b""),
        (b"SSH-2.0-x\r\n\r\n", 0, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 0, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", 0, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", 0, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, b""),
        (b"", 0, b""),
    ]
    async with HttpPoller() as poller:
        for reply, status, body in cases:
            replies[:] = [reply, reply]
            found = await poller.get(url, timeout_s=2)
            assert (found.status, found.body) == (status, body), reply
            assert bool(found.error) == (status == 0)
        replies[:] = [b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"]
        assert (await poller.post(url, b"{}", timeout_s=2, token="t", delivery="d")).retry_after == 7
        replies[:] = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"]
        assert not (await poller.check(HttpProbe(name="p", url=url, expect_text="yes"))).ok
        assert (await poller.get("ftp://x", timeout_s=1)).error
        assert (await poller.get("http://x/\r\nEvil: 1", timeout_s=1)).status == 0
        assert (await check_tcp(TcpProbe(name="p", port=port))).ok
        server.close()
        await server.wait_closed()
        assert not (await poller.check(HttpProbe(name="p", url=url))).ok
        assert not (await check_tcp(TcpProbe(name="p", port=port))).ok
