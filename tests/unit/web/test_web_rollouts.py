"""Rollouts over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.opening import opened
from domain.contract import Canary
from graph.checkpoint.lease import ProcessLeases
from graph.contracts.rollouts import Rollouts
from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes.rollouts import Site
from web.build import build_app


async def taken_back(site: Site) -> str:
    """A rollout of a version that fails too often, carried out until it is back; its id."""
    site.failing = 0.08
    found = await opened(site.order(), site.yard(), "<b>maria</b>", "v1")
    site.files().keep(found.rollout.id, "before", found.before, [], 0.0)
    enforcer = Enforcer(found.rollout, site.yard(), site.files())
    while not (await enforcer.tick()).status.ended:
        site.clock.advance(5.0)
    return enforcer.rollout.id


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    site = Site(tmp_path / "rollouts")
    rollouts = Rollouts(site.yard(), site.folder, ProcessLeases(), "app", site.serving, site)
    app = build_app(replace(fakes.ports(tmp_path), rollouts=rollouts), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test", headers=headers) as found:
        found.site = site  # type: ignore[attr-defined]
        yield found
    await rollouts.close()


async def test_a_rollout_is_begun_followed_and_stopped(client: httpx.AsyncClient) -> None:
    """As the commands do it; a reason is asked for, an unknown one is 404, a malformed order is refused."""
    site: Site = client.site  # type: ignore[attr-defined]
    contract = site.order(canary=Canary(required=False)).contract
    body = {
        "contract": {
            **contract.model_dump(mode="json"),
            "risk": {"score": 55, "level": "high", "confidence": 0.8, "factors": []},
        }
    }
    answer = await client.post("/api/rollouts", json=body)
    assert answer.status_code == 202, answer.text
    begun = answer.json()["id"]
    assert (await client.post(f"/api/rollouts/{begun}/stop", json={"reason": ""})).status_code == 422
    assert (await client.post(f"/api/rollouts/{begun}/stop", json={"reason": "seen enough"})).json()["stopping"]
    async with asyncio.timeout(60):
        while (found := (await client.get(f"/api/rollouts/{begun}")).json())["status"] != "rolled_back":
            await asyncio.sleep(0.01)
    assert "seen enough" in found["explanation"][0]
    assert [row["id"] for row in (await client.get("/api/rollouts")).json()["rollouts"]] == [begun]
    assert (await client.get("/api/rollouts/dep-none")).status_code == 404
    assert (await client.post("/api/rollouts", json={"contract": {}})).status_code == 422


async def test_a_rollout_is_drawn_against_its_abort_line(client: httpx.AsyncClient) -> None:
    """List and page: stages with what they see, each look with its interval, why it ended; a form takes it back."""
    site: Site = client.site  # type: ignore[attr-defined]
    assert "No rollout yet" in (await client.get("/rollouts", headers={"Accept": "text/html"})).text
    rollout = await taken_back(site)
    page = (await client.get(f"/rollouts/{rollout}", headers={"Accept": "text/html"})).text
    assert "&lt;b&gt;maria" in page
    assert 'class="abort"' in page
    assert "look failed" in page
    assert "broke a term at 10 %" in page
    assert "Take it back now" not in page
    assert rollout in (await client.get("/rollouts", headers={"Accept": "text/html"})).text


async def test_an_app_without_rollouts_says_so(tmp_path: Path) -> None:
    """404 with what to do."""
    app = build_app(fakes.ports(tmp_path), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test", headers=headers) as found:
        answer = await found.get("/api/rollouts")
    assert answer.status_code == 404
    assert "firebreak up" in answer.json()["hint"]
