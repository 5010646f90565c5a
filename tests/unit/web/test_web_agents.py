"""The agents page and the operations page: what they show, and that a person's deed goes with the person's own token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes.guard import Scene
from tests.fakes.web_agents import SceneAgents
from tests.unit.web.conftest import SITE
from web.build import build_app
from web.ports import Ports

SHARES_ONE_APP = True


def _scene(ports: Ports) -> Scene:
    assert isinstance(ports.agents, SceneAgents)
    return ports.agents.scene


async def test_the_list_and_one_agent(browser: httpx.AsyncClient) -> None:
    """Tier, status, criteria, violations with their cause, history with ledger links."""
    listed = (await browser.get("/agents")).text
    assert "responder" in listed
    assert "T1 Operator" in listed
    one = (await browser.get("/agents/responder")).text
    for words in (
        "What T2 asks for",
        "SCOPE VIOLATION",
        "lock_lost was injected",
        "warned",
        "recovering",
        "Revoke now",
    ):
        assert words in one, words
    assert 'href="/ledger?seq=' in one
    missing = await browser.get("/agents/nobody")
    assert missing.status_code == 404


async def test_a_revocation_needs_a_confirmation_and_the_sessions_token(
    browser: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports
) -> None:
    """Without either nothing happens; with both the agent is revoked, and an admin gives it back."""
    form = {"reason": "looks odd", "confirmed": "responder"}
    assert (await browser.post("/agents/responder/revoke", data=form)).status_code == 403
    bare = {"csrf_token": csrf(), "reason": "looks odd"}
    assert (await browser.post("/agents/responder/revoke", data=bare)).status_code == 422
    assert (await browser.get("/agents/responder")).text.count("was revoked by") == 0
    done = await browser.post("/agents/responder/revoke", data={**form, "csrf_token": csrf()})
    assert done.status_code == 303
    shown = (await browser.get("/agents/responder")).text
    assert "was revoked by operator" in shown
    assert "Handoff" in shown
    back = {"csrf_token": csrf(), "reason": "it was fine"}
    assert (await browser.post("/agents/responder/reinstate", data=back)).status_code == 303
    assert "was revoked by operator" not in (await browser.get("/agents/responder")).text
    await _scene(ports).guard.quiet()


async def test_demotion_promotion_and_overturning_by_form(
    browser: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports
) -> None:
    """What the record does not carry is refused with what is missing."""
    token = {"csrf_token": csrf()}
    assert (await browser.post("/agents/responder/demote", data={**token, "reason": "quiet"})).status_code == 303
    refused = await browser.post("/agents/responder/promote", data=token)
    assert refused.status_code == 409
    assert "plans judged right: 1 of 5" in refused.text
    charge = next(v for v in (await ports.agents.detail("responder")).violations if v.charged) if ports.agents else None
    assert charge is not None
    answer = await browser.post(
        f"/violations/{charge.id}/overturn", data={**token, "reason": "the network", "back": "/agents/responder"}
    )
    assert answer.headers["location"] == "/agents/responder"
    assert "overturned" in (await browser.get("/agents/responder")).text


async def test_the_api_for_machines(person: httpx.AsyncClient, ports: Ports) -> None:
    """The same as JSON, with a person's token."""
    assert [a["agent"] for a in (await person.get("/api/agents")).json()["agents"]] == ["chaos", "responder"]
    assert (await person.get("/api/agents/responder")).json()["next_tier"] == "T2"
    moved = await person.post(
        "/api/agents/responder/promote", json={"to": "T2", "waive": True, "reason": "first week on staging"}
    )
    assert (moved.json()["tier"], moved.json()["moved"]) == ("T2", True)
    down = await person.post("/api/agents/responder/demote", json={"to": "T0", "reason": "quiet"})
    assert down.json()["tier"] == "T0"
    assert (await person.post("/api/agents/responder/revoke")).json()["agent"] == "responder"
    assert (await person.post("/api/agents/responder/revoke")).status_code == 409
    assert (await person.post("/api/agents/responder/reinstate")).json()["moved"]
    turns = (await person.get("/api/agents/responder/history")).json()["turns"]
    assert [t["kind"] for t in turns][:4] == ["reinstatement", "handoff", "revocation", "demotion"]
    reviewed = await person.post("/api/agents/watcher/reviews", json={"plan": "plan-2", "right": False})
    assert reviewed.json()["text"] == "plan plan-2 was wrong"
    charge = next(v for v in (await person.get("/api/agents/responder")).json()["violations"] if v["charged"])
    overturned = await person.post(f"/api/violations/{charge['id']}/overturn", json={"reason": "not its doing"})
    assert overturned.json()["consequence"] == "overturned"
    await _scene(ports).guard.quiet()


async def test_findings_are_accepted_and_closed(
    browser: httpx.AsyncClient, person: httpx.AsyncClient, csrf: Callable[[], str]
) -> None:
    """On the page and over the API; the page is not on the menu."""
    page = (await browser.get("/operations")).text
    assert "agent disturbed" in page
    assert "compliance" in page
    assert '<a href="/operations"' not in page.split("</nav>")[0]
    first, second = [f["id"] for f in (await person.get("/api/findings")).json()["findings"]]
    token = {"csrf_token": csrf()}
    assert (await browser.post(f"/findings/{first}/accept", data=token)).status_code == 303
    assert (await browser.post(f"/findings/{first}/close", data={**token, "evidence": "a week"})).status_code == 303
    assert (await person.post(f"/api/findings/{second}/accept")).json()["state"] == "accepted"
    closed = await person.post(f"/api/findings/{second}/close", json={"evidence": "a month without it"})
    assert closed.json()["state"] == "fixed"
    assert "Closed by operator" in (await browser.get("/operations")).text


async def test_empty_pages_say_what_to_do(tmp_path: Path) -> None:
    """Nobody seated, nothing odd."""
    from tests.fakes.executor import mixed_inventory

    empty = fakes.ports(tmp_path, agents=SceneAgents(fakes.OPERATOR, Scene(inventory=mixed_inventory())))
    app = build_app(empty, Settings(home=empty.home))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE, headers=headers) as client:
        assert "No agent has a seat yet" in (await client.get("/agents")).text
        assert "Nothing odd" in (await client.get("/operations")).text


@pytest.mark.parametrize("path", ["/api/agents", "/agents", "/operations", "/api/findings"])
async def test_an_app_without_an_action_server_has_no_agents(tmp_path: Path, path: str) -> None:
    """The pages are not there."""
    app = build_app(fakes.ports(tmp_path, agents=None), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE, headers=headers) as client:
        assert (await client.get(path)).status_code == 404
