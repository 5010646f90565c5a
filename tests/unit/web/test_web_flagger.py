"""Flagger's webhooks over HTTP: proven, answered from the contract, on record."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.contract import ContractStatus
from graph.contracts.bargains import Bargains
from tests.fakes import web_services as fakes
from tests.unit.web.test_web_contracts import Book, bargains, book, client, drafting, signed

__all__ = ["bargains", "book", "client"]
BASIC = base64.b64encode(f"flagger:{fakes.INTAKE}".encode()).decode()


async def ask(client: httpx.AsyncClient, hook: str, *, phase: str = "Progressing", **more: Any) -> httpx.Response:
    body = {"name": "pay", "namespace": "prod", "phase": phase, "checksum": "1", **more}
    headers = {"Authorization": f"Basic {BASIC}"}
    return await client.post(f"/intake/flagger/{hook}", json=body, headers=headers)


async def test_a_release_under_flagger(client: httpx.AsyncClient, bargains: Bargains, book: Book) -> None:
    """Held until people have signed, on its way then, and its end is the contract's end."""
    assert (await ask(client, "confirm-rollout")).status_code == 404
    made = await bargains.draft(drafting(), "dev")
    held = await ask(client, "confirm-rollout")
    assert (held.status_code, held.json()["found"]) == (409, "draft")
    assert (await ask(client, "rollback")).status_code == 409
    await signed(bargains, made.contract.id)
    assert (await ask(client, "confirm-rollout")).json()["status"] == "approved"
    assert (await ask(client, "pre-rollout")).json()["status"] == "deployed"
    for hook in ("rollout", "confirm-traffic-increase", "confirm-promotion"):
        assert (await ask(client, hook)).status_code == 200
    assert (await ask(client, "post-rollout", phase="Succeeded")).json()["status"] == "fulfilled"
    assert bargains.get(made.contract.id).contract.status is ContractStatus.FULFILLED
    assert [(r["event"], r["by"]) for r in book.rows if "by" in r] == [
        ("deployed", "flagger prod/pay"),
        ("fulfilled", "flagger prod/pay"),
    ]


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Basic !", "Bearer wrong", f"Bearer {fakes.OPERATOR}"])
async def test_nobody_else_asks(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.post("/intake/flagger/rollback", json={"name": "pay"}, headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'{"metadata": []}', b'{"metadata": {"token": 1}}', b"[" * 9000]
)
@pytest.mark.parametrize("hook", ["rollback", "no-such-hook"])
async def test_who_asks_comes_before_what_is_asked(client: httpx.AsyncClient, body: bytes, hook: str) -> None:
    """Whatever the body and the address are: without a proof it is 401, with one it is said what is wrong."""
    path = f"/intake/flagger/{hook}"
    assert (await client.post(path, content=body, headers={"Authorization": "Bearer x"})).status_code == 401
    proven = await client.post(path, content=body, headers={"Authorization": f"Basic {BASIC}"})
    assert (proven.status_code, proven.json()["code"]) == (422, "request.invalid")


async def test_a_token_in_the_metadata(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """For those whose addresses are logged; an unknown hook and a strange body are named."""
    facts = {"name": "pay", "metadata": {"token": fakes.INTAKE, "service": "shop"}}
    answer = await client.post("/intake/flagger/rollout", json=facts, headers={"Authorization": ""})
    assert (answer.status_code, "shop" in answer.json()["detail"] + answer.text) == (404, True)
    assert (await ask(client, "promote")).status_code == 422
    assert (await ask(client, "rollout", metadata={"cmd": ["x"]})).status_code == 422
