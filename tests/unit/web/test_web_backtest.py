"""Past alerts on their page and over the API: empty, shown, labelled with one click."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from graph.backtest.kept import Backtest, FileBacktests
from web.ports import Ports

SHARES_ONE_APP = True

ID = "bt-0123456789ab"


def keep(ports: Ports) -> None:
    evidence = Evidence(id="E1", kind="log", source="logs:db", excerpt="<b>no space</b>", supports="disk")
    top = Hypothesis(
        rank=1, service="db", fault_class="disk_full", confidence=0.8, statement="its disk is full", evidence=["E1"]
    )
    said = Diagnosis(
        incident=ID,
        verdict=DiagnosisVerdict.FAULT,
        confidence=0.8,
        hypotheses=[top],
        evidence=[evidence],
        unseen=["no spans of db"],
    )
    now = ports.clock.now()
    row = Backtest(id=ID, alert="DiskFull", service="db", started_at=now, ended_at=now, diagnosis=said)
    FileBacktests(ports.home / "backtest").keep(Bundle(id=ID), row)


async def test_the_page_is_empty_until_something_was_replayed(browser: httpx.AsyncClient) -> None:
    """And says how to begin."""
    page = await browser.get("/backtest")
    assert (page.status_code, "firebreak backtest --from" in page.text) == (200, True)


async def test_one_click_says_what_was_true(browser: httpx.AsyncClient, ports: Ports, csrf: Callable[[], str]) -> None:
    """As said, and the accuracy counts it; untrusted text stays text."""
    keep(ports)
    page = await browser.get("/backtest")
    assert "its disk is full" in page.text
    assert "&lt;b&gt;no space" in page.text
    assert "no spans of db" in page.text
    clicked = await browser.post(f"/backtest/{ID}", data={"csrf_token": csrf(), "truth": "db/disk_full"})
    assert clicked.status_code == 303
    assert "right first 1 of 1" in (await browser.get("/backtest")).text
    assert (await browser.post(f"/backtest/{ID}", data={"truth": "healthy"})).status_code == 403


async def test_the_api_says_the_same(person: httpx.AsyncClient, stranger: httpx.AsyncClient, ports: Ports) -> None:
    """Labels are checked; unknown alerts are not found; strangers are sent away."""
    keep(ports)
    labelled = await person.post(f"/api/backtests/{ID}", json={"truth": "external"})
    assert labelled.json()["truth"]["external"] is True
    found = (await person.get("/api/backtests")).json()
    assert (found["accuracy"]["labelled"], found["marks"]) == (1, {ID: "wrong"})
    assert (await person.post(f"/api/backtests/{ID}", json={"truth": "a b c"})).status_code == 422
    assert (await person.post("/api/backtests/bt-000000000000", json={"truth": "db"})).status_code == 404
    assert (await stranger.get("/api/backtests")).status_code == 401
