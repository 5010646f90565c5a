"""The skill pages: catalogue, one skill with its record and proposed edits, and a person's word on its trust."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.clock import ManualClock
from domain.errors import AuthError
from domain.guard import LedgerEntry
from graph.checkpoint.lease import ProcessLeases
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings
from skills.rehearsal import Rehearsal, UnderFault
from skills.report import Failure, Order, Report, RunStatus
from tests.fakes import web_services as fakes
from tests.fakes.world import World
from tests.unit.skills.shelf import shelve
from tests.unit.skills.trial import RESUME, Trial
from web.ports import Ports


async def say(token: str, change: str, content: dict[str, Any]) -> LedgerEntry:
    if token != fakes.OPERATOR:
        raise AuthError("no valid credential")
    fields = {"seq": 41, "kind": "gate", "actor": "operator", "prev": "", "hash": ""}
    return LedgerEntry(at=ManualClock().now(), change=change, content=content, **fields)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path, World(), skill={**RESUME, "preconditions": []})


@pytest.fixture
def ports(tmp_path: Path, trial: Trial) -> Ports:
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    return replace(fakes.ports(tmp_path), skills=runner, standings=Standings(trial.bench, say))


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    from graph.settings import Settings
    from web.build import build_app

    app = build_app(fakes.ports(tmp_path), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://firebreak.test", headers=headers
    ) as client:
        yield client


async def failed(trial: Trial, run: str) -> Report:
    """A run whose promise did not hold, with the edit that it asks for."""
    from skills.executor import suggest

    package, _ = trial.bench.shelf.procedure("paused-process")
    report = Report(
        id=run,
        order=Order(skill="paused-process", execute=True),
        version="1.0.0",
        digest=package.digest,
        trust="draft",
        status=RunStatus.FAILED,
        failure=Failure(signature="VERIFICATION_FAILED", text="<b>still</b> broken", step="fine"),
        incident="inc-7",
        started_at=trial.clock.now(),
    )
    return await suggest(report, trial.bench)


async def test_the_catalogue_and_one_skill(browser: httpx.AsyncClient, trial: Trial) -> None:
    """Trust, record, prose, procedure, runs; hidden checks are counted, never shown."""
    package, _ = trial.bench.shelf.procedure("paused-process")
    trial.bench.store.save(await failed(trial, "skr-1"))
    under = UnderFault(fault="hang", discriminates={"fine": True}, taken_back=["widen"], back_as_before=True)
    fields = {"id": "reh-1", "skill": "paused-process", "version": "1.0.0", "digest": package.digest, "faults": [under]}
    trial.bench.store.save_rehearsal(Rehearsal(**fields, started_at=trial.clock.now()))
    listed = (await browser.get("/skills")).text
    assert "paused-process" in listed
    assert "0 of 1 runs kept the promise" in listed
    one = (await browser.get("/skills/paused-process")).text
    for words in (
        "A draft",
        "1 hidden checks",
        "Proposed edit",
        "broken-fine",
        "VERIFICATION_FAILED",
        "&lt;b&gt;still",
        "1 of 1 criteria",
        "widen, as before",
        'href="/incidents/inc-7"',
    ):
        assert words in one, words
    assert "served" not in one
    assert (await browser.get("/skills/nothing")).status_code == 404


async def test_a_persons_word_goes_with_the_persons_token(
    browser: httpx.AsyncClient, csrf: Callable[[], str], person: httpx.AsyncClient
) -> None:
    """Without the session's token nothing happens; promoted one step, quarantined, each with its ledger entry."""
    form = {"reason": "looks right"}
    assert (await browser.post("/skills/paused-process/promote", data=form)).status_code == 403
    done = await browser.post("/skills/paused-process/promote", data={**form, "csrf_token": csrf()})
    assert done.status_code == 303
    one = (await browser.get("/skills/paused-process")).text
    assert "validated" in one
    assert 'href="/ledger?seq=41#L41"' in one
    again = await person.post("/api/skills/paused-process/promote", json={})
    assert (again.status_code, again.json()["hint"]) == (409, "firebreak skill rehearse paused-process")
    out = await browser.post("/skills/paused-process/quarantine", data={"reason": "hurts", "csrf_token": csrf()})
    assert out.status_code == 303
    assert (await person.get("/api/skills/paused-process")).json()["row"]["trust"] == "quarantined"
    twice = await person.post("/api/skills/paused-process/quarantine", json={"reason": "hurts"})
    assert twice.status_code == 409


async def test_where_there_are_none(empty: httpx.AsyncClient) -> None:
    """An empty page says how to get one; the API says that none can be run here."""
    assert "No skill here" in (await empty.get("/skills")).text
    assert (await empty.get("/skills/x")).status_code == 404
    for path in ("/api/skills", "/api/skill-rehearsals/reh-1"):
        assert (await empty.get(path)).status_code == 404
    assert (await empty.post("/api/skills/x/promote", json={})).status_code == 404


async def test_the_catalogue_is_filtered_and_paged(browser: httpx.AsyncClient, trial: Trial) -> None:
    """By stage, trust and words; a page holds 25 and leads to the next; a filter that finds nothing leads back."""
    for number in range(30):
        shelve(trial.root / "shelf", {**RESUME, "name": f"copy-{number:02}"}, name=f"copy-{number:02}")
    first = (await browser.get("/skills")).text
    assert first.count('class="row-link"') == 25
    assert 'href="/skills?page=2"' in first
    second = (await browser.get("/skills", params={"page": 2})).text
    assert second.count('class="row-link"') == 6
    assert "More skills" not in second
    found = (await browser.get("/skills", params={"stage": "recovery", "trust": "draft", "q": "COPY-07"})).text
    assert found.count('class="row-link"') == 1
    none = (await browser.get("/skills", params={"trust": "trusted"})).text
    assert "No skill matches" in none
    assert 'href="/skills">Show all' in none
    assert (await browser.get("/skills", params={"page": 0})).status_code == 422


async def test_a_skill_that_cannot_be_read_is_named(browser: httpx.AsyncClient, trial: Trial) -> None:
    """The others are listed all the same, and its own page says what is wrong with it."""
    folder = shelve(trial.root / "shelf", {**RESUME, "name": "sloppy"}, name="sloppy")
    (folder / "assets" / "skill.yaml").write_text("name: [\n")
    listed = (await browser.get("/skills")).text
    assert "cannot be read: sloppy" in listed
    assert "paused-process" in listed
    own = await browser.get("/skills/sloppy")
    assert own.status_code == 422
    assert "assets/skill.yaml" in own.text


async def test_an_edit_is_proposed_once_for_all_runs_that_ask_for_it(browser: httpx.AsyncClient, trial: Trial) -> None:
    """With their ids and how to take it; runs are paged."""
    for number in range(14):
        trial.bench.store.save(await failed(trial, f"skr-{number:02}"))
    one = (await browser.get("/skills/paused-process")).text
    assert one.count("Proposed edit") == 1
    assert "skr-13" in one
    assert "skr-00" in one
    assert "patch -p1" in one
    assert "?page=2#r-t" in one
    older = (await browser.get("/skills/paused-process", params={"page": 2})).text
    assert "Older runs" not in older
    assert "No older runs" in (await browser.get("/skills/paused-process", params={"page": 3})).text
