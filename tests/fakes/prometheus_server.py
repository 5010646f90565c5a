"""A Prometheus that watches a little service each second: the real binary where there is one, else a double of its HTTP API."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tools.telemetry.exposition import samples, series_key


class Shop:
    """A service with a health page and an exposition page; `broken` makes both tell of errors."""

    def __init__(self) -> None:
        self.broken = False
        self.began = time.time()

    @property
    def page(self) -> str:
        """Four requests a second; three of four fail while it is broken."""
        count = int((time.time() - self.began) * 4)
        bad = count * 3 // 4 if self.broken else 0
        return (
            "# TYPE http_requests_total counter\n"
            f'http_requests_total{{route="/buy",status="200"}} {count - bad}\n'
            f'http_requests_total{{route="/buy",status="500"}} {bad}\n'
        )


class Quiet(BaseHTTPRequestHandler):
    """Answers without a line on stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def reply(self, status: int, body: bytes, kind: str = "text/plain; version=0.0.4") -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)


@contextmanager
def served(handler: type[Quiet]) -> Iterator[str]:
    """An HTTP server in a thread; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def shop_server(shop: Shop) -> Iterator[str]:
    """The service over HTTP."""

    class Pages(Quiet):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.reply(200, shop.page.encode())
            else:
                self.reply(503 if shop.broken else 200, b"sorry" if shop.broken else b"welcome")

    with served(Pages) as url:
        yield url


@contextmanager
def prometheus(shop: Shop, target: str, folder: Path) -> Iterator[str]:
    """Yields the URL of a Prometheus that has already seen the service under the job `api`."""
    binary = shutil.which("prometheus")
    with _real(binary, target, folder) if binary else _double(shop) as url:
        _until_seen(url)
        yield url


@contextmanager
def _real(binary: str, target: str, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    job = {"job_name": "api", "static_configs": [{"targets": [urlsplit(target).netloc]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    words = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    process = subprocess.Popen(
        [binary, *words, f"--web.listen-address={address}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _double(shop: Shop) -> Iterator[str]:
    kept: list[tuple[float, str]] = []
    over = threading.Event()

    class Api(Quiet):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            found = _ranges(kept, float(asked["start"][0]), float(asked["end"][0]))
            names = "match[]" in asked
            rows = found if 'job="api"' in asked["match[]" if names else "query"][0] else []
            matrix = {"resultType": "matrix", "result": rows}
            answer = {"status": "success", "data": [row["metric"] for row in rows] if names else matrix}
            self.reply(200, json.dumps(answer).encode(), "application/json")

    def scrape() -> None:
        while not over.wait(1.0):
            kept.append((float(int(time.time())), shop.page))

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        with served(Api) as url:
            yield url
    finally:
        over.set()
        thread.join()


def _ranges(kept: list[tuple[float, str]], start: float, end: float) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for moment, page in kept:
        if not start <= moment <= end:
            continue
        for text, value in [*samples(page), ("up", 1.0)]:
            key = series_key(text)
            assert key is not None
            labels = {"__name__": key.name, "job": "api", "instance": "h:1", **dict(key.labels)}
            rows.setdefault(text, {"metric": labels, "values": []})["values"].append([moment, repr(value)])
    return list(rows.values())


def _until_seen(url: str) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        now = time.time()
        query = {"query": '{job="api"}', "start": str(now - 60), "end": str(now), "step": "1"}
        with suppress(httpx.HTTPError, ValueError, KeyError):
            rows = httpx.get(f"{url}/api/v1/query_range", params=query, timeout=2, trust_env=False).json()["data"][
                "result"
            ]
            if any(len(r["values"]) >= 4 for r in rows):
                return
        time.sleep(0.3)
    raise AssertionError("Prometheus never saw the service")
