"""Parts of the stack with their neighbours close by: links, the small HTTP, warm start, data directory, inventory."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stack.home import claim_block, free, listen
from stack.problem import ProblemError
from stack.proxy.link import Link
from stack.proxy.toxics import Backend, Toxics
from stack.shop.api.catalogue import WARM_FILE, read_warm, write_warm
from stack.shop.api.disk import KEPT_RECEIPTS, DataDirectory
from stack.shop.api.metrics import ApiMetrics
from stack.shop.traffic import TrafficMetrics
from stack.wire import Request, Response, answer, fetch, require, serve


async def echo(request: Request) -> Response:
    if request.path == "/secret":
        require(request, "right")
    if request.path == "/bug":
        raise KeyError("oops")
    return answer({"method": request.method, "body": request.json()})


async def test_wire_round_trip() -> None:
    """A JSON body arrives, refusals are problem documents, a bug is a 500 that says so."""
    server = await serve(echo)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    found = await fetch("POST", f"{base}/x", body={"a": 1})
    assert json.loads(found.body) == {"method": "POST", "body": {"a": 1}}
    refused = await fetch("GET", f"{base}/secret", headers={"Authorization": "Bearer wrong"})
    assert (refused.status, refused.content_type) == (401, "application/problem+json")
    assert (await fetch("GET", f"{base}/secret", headers={"Authorization": "Bearer right"})).status == 200
    assert (await fetch("GET", f"{base}/bug")).status == 500
    assert (await fetch("POST", f"{base}/x", body=[1])).status == 422
    server.close()
    await server.wait_closed()


async def linked(toxics: Toxics) -> tuple[Link, asyncio.Server]:
    server = await serve(echo)
    ports, held = claim_block(("link",))
    held.close()
    link = Link(port=ports["link"], backends=(Backend(host="127.0.0.1", port=server.sockets[0].getsockname()[1]),))
    link.toxics = toxics
    await link.open()
    return link, server


@pytest.mark.parametrize(
    ("toxics", "served"),
    [
        (Toxics(), True),
        (Toxics(latency_ms=20, jitter_ms=5), True),
        (Toxics(bandwidth_kbps=64), True),
        (Toxics(blackhole=True), False),
        (Toxics(refuse=True), False),
        (Toxics(reset=1.0), False),
        (Toxics(drop=1.0), False),
        (Toxics(cut_after_bytes=10), False),
    ],
)
async def test_link(toxics: Toxics, served: bool) -> None:
    """Each toxic does what its name says, and calm again the link serves."""
    link, server = await linked(toxics)
    url = f"http://127.0.0.1:{link.port}/x"
    if served:
        assert (await fetch("GET", url)).status == 200
    else:
        with pytest.raises((OSError, TimeoutError)):
            await fetch("GET", url, timeout_s=0.3)
    await link.set_toxics(Toxics())
    assert (await fetch("GET", url)).status == 200
    await link.close()
    server.close()
    await server.wait_closed()


def test_block_is_claimed() -> None:
    """Whoever holds the first port of a block holds it alone."""
    ports, held = claim_block(("a", "b"))
    assert ports["b"] == ports["a"] + 1
    assert not free(ports["a"])
    assert listen(ports["a"]) is None
    held.close()


def test_warm_start(tmp_path: Path) -> None:
    """A snapshot is read as it was written, none is no error, a torn one is."""
    assert read_warm(tmp_path) == []
    write_warm(tmp_path, [{"id": 1, "price_cents": 2}])
    assert read_warm(tmp_path) == [{"id": 1, "price_cents": 2}]
    path = tmp_path / WARM_FILE
    path.write_text(path.read_text()[:20])
    with pytest.raises(ValueError):
        read_warm(tmp_path)


def data_directory(path: Path, quota: int = 0) -> DataDirectory:
    found = DataDirectory(path, ApiMetrics(TrafficMetrics(CollectorRegistry())), quota)
    found.prepare()
    return found


def test_receipts_are_limited(tmp_path: Path) -> None:
    """Only the newest receipts are kept, also over a restart."""
    disk = data_directory(tmp_path)
    for number in range(KEPT_RECEIPTS + 5):
        disk.write_receipt(f"{number:06}", {"order": number})
    assert len(list((tmp_path / "receipts").iterdir())) == KEPT_RECEIPTS
    data_directory(tmp_path).write_receipt("new", {})
    assert len(list((tmp_path / "receipts").iterdir())) == KEPT_RECEIPTS


def test_quota_refuses(tmp_path: Path) -> None:
    """Where there is no small file system, the quota gives the same answer."""
    disk = data_directory(tmp_path, quota=64 * 1024)
    disk.probe()
    (tmp_path / "tmp" / "junk").write_bytes(b"x" * 70_000)
    with pytest.raises(OSError, match="No space left"):
        disk.write_receipt("full", {"order": 1})
    assert not (tmp_path / "receipts" / "full.json").exists()


def test_problem_document_leaves_out_what_is_empty() -> None:
    """A problem document has the agreed fields and no empty ones."""
    found: dict[str, Any] = ProblemError(409, "x.y", "no", expected="yes").document()
    assert found == {
        "type": "urn:stack:problem:x.y",
        "title": "Conflict",
        "status": 409,
        "code": "x.y",
        "detail": "no",
        "expected": "yes",
    }
