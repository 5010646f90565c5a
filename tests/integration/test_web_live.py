"""The face on a real socket: sign-in, forms, intake and live streams as strangers and browsers see them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from domain.clock import SystemClock
from tests.fakes import web_services as fakes
from tests.fakes import web_story as story
from tests.fakes.web_server import serving
from tests.fakes.web_services import FakeResponder
from web.ports import Ports

pytestmark = pytest.mark.integration


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return fakes.ports(tmp_path, clock=SystemClock())


@pytest.fixture
def site(ports: Ports) -> Iterator[str]:
    with serving(ports) as url:
        yield url


@pytest.fixture
async def person(site: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    async with httpx.AsyncClient(base_url=site, headers=headers, timeout=10) as client:
        yield client


async def _next_event(lines: AsyncIterator[str]) -> dict[str, str]:
    frame: dict[str, str] = {}
    async for line in lines:
        if not line and "data" in frame:
            return frame
        name, _, value = line.partition(": ")
        if name:
            frame[name] = value
    raise AssertionError("the stream ended")


async def test_a_browser_signs_in_and_its_form_works(site: str, ports: Ports) -> None:
    """From the printed link over the cookie to a form of the page, and nothing without its token."""
    async with httpx.AsyncClient(base_url=site, timeout=10) as browser:
        entered = await browser.get("/login", params={"token": fakes.OPERATOR})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        page = (await browser.get("/", headers={"Accept": "text/html"})).text
        (token,) = set(re.findall(r'name="csrf_token" value="(\w+)"', page))
        bare = await browser.post("/kill", data={"csrf_token": token}, headers={"Origin": "http://evil.example"})
        assert bare.status_code == 403
        done = await browser.post("/kill", data={"csrf_token": token}, headers={"Origin": site})
        assert done.status_code == 303
        assert "Frozen by operator" in (await browser.get("/", headers={"Accept": "text/html"})).text


async def test_intake_answers_at_once(site: str, ports: Ports) -> None:
    """A delivery is accepted within a second and kept byte for byte."""
    body = json.dumps({"version": "4", "alerts": [{"status": "firing"}], "big": 2**70}).encode()
    async with httpx.AsyncClient(base_url=site) as sender:
        started = time.monotonic()
        answer = await sender.post(
            "/intake/alertmanager", content=body, headers={"Authorization": f"Bearer {fakes.INTAKE}"}
        )
    assert answer.status_code == 202
    assert time.monotonic() - started < 1
    assert isinstance(ports.responder, FakeResponder)
    assert ports.responder.deliveries[0][2] == body


async def test_events_arrive_as_they_happen(person: httpx.AsyncClient, ports: Ports) -> None:
    """A reader of one incident hears its events and no others; the page's stream gets a hint in words."""
    async with (
        person.stream("GET", f"/api/incidents/{story.ID}/events") as api,
        person.stream("GET", f"/incidents/{story.ID}/stream") as page,
    ):
        assert api.headers["content-type"].startswith("text/event-stream")
        api_lines, page_lines = api.aiter_lines(), page.aiter_lines()
        await anext(api_lines)
        await anext(page_lines)
        await person.post("/api/incidents/inc-00c1d2e3f4a5/take")
        await person.post(f"/api/incidents/{story.ID}/take")
        heard = await asyncio.wait_for(_next_event(api_lines), 5)
        hint = await asyncio.wait_for(_next_event(page_lines), 5)
    assert heard["event"] == "dev.firebreak.incident.take"
    assert json.loads(heard["data"])["subject"] == story.ID
    assert (hint["event"], hint["data"]) == ("refresh", "take by operator")


async def test_readers_that_leave_are_forgotten(person: httpx.AsyncClient, ports: Ports) -> None:
    """A closed stream gives its subscription back."""
    assert isinstance(ports.responder, FakeResponder)
    async with person.stream("GET", "/api/events") as stream:
        await anext(stream.aiter_lines())
        assert len(ports.responder.readers) == 1
    for _ in range(50):
        if not ports.responder.readers:
            break
        await asyncio.sleep(0.05)
    assert ports.responder.readers == []


async def test_open_streams_do_not_hold_the_server_back(ports: Ports) -> None:
    """The server stops while somebody is still listening."""
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    started = 0.0
    with serving(ports) as url:
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=10)
        stream = client.stream("GET", "/api/events")
        answer = await stream.__aenter__()
        await anext(answer.aiter_lines())
        started = time.monotonic()
    assert time.monotonic() - started < 5
    await stream.__aexit__(None, None, None)
    await client.aclose()


async def test_two_people_answer_and_one_wins(person: httpx.AsyncClient) -> None:
    """Of answers that arrive together exactly one is taken; the others are told."""
    answers = await asyncio.gather(
        *(person.post(f"/api/approvals/{story.APPROVAL.id}", json={"decision": "approve"}) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
