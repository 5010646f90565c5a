"""A real Prometheus that remembers a bad hour: back-dated samples through `promtool tsdb create-blocks-from openmetrics`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

START = 1_772_359_200  # 2026-03-01T10:00:00Z
FAULT = START + 2400
FIRED = FAULT + 120
END = START + 3600
_STEP = 15


@contextmanager
def past_prometheus(folder: Path) -> Iterator[str]:
    """`web` calls `db`; at FAULT db answers slowly and with errors, web fails with it, and at FIRED an alert says so."""
    promtool, binary = shutil.which("promtool"), shutil.which("prometheus")
    if promtool is None or binary is None:
        pytest.skip("no prometheus and promtool on the PATH")
    samples, data = folder / "past.om", folder / "tsdb"
    samples.write_text(_openmetrics())
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}"]
    words += [f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"]
    process = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_ready(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def _until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("Prometheus did not get ready")


def _openmetrics() -> str:
    """Families one after the other, each sample with its time, as the format asks."""
    times = range(START, END + 1, _STEP)
    rows = ["# TYPE up gauge"]
    rows += [f'up{{job="{job}"}} 1 {t}' for job in ("db", "web") for t in times]
    rows += ["# TYPE http_requests counter"]
    for job, share in (("db", 0.5), ("web", 0.4)):
        for status in ("200", "500"):
            rows += [
                f'http_requests_total{{job="{job}",status="{status}"}} {_count(t, status, share)} {t}' for t in times
            ]
    rows += ["# TYPE db_pool_size gauge", *(f'db_pool_size{{job="db"}} 10 {t}' for t in times)]
    rows += [
        "# TYPE db_pool_in_use gauge",
        *(f'db_pool_in_use{{job="db"}} {10 if t >= FAULT else 3} {t}' for t in times),
    ]
    rows += ["# TYPE ALERTS gauge"]
    labels = 'alertname="WebErrors",alertstate="firing",job="web",severity="critical"'
    rows += [f"ALERTS{{{labels}}} 1 {t}" for t in range(FIRED, FIRED + 600, _STEP)]
    return "\n".join([*rows, "# EOF", ""])


def _count(t: int, status: str, share: float) -> int:
    """Requests so far at eight a second; from FAULT on a share of them fails."""
    whole, bad = 8 * (t - START), int(8 * share * max(0, t - FAULT))
    return bad if status == "500" else whole - bad
