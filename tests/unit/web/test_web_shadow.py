"""The shadow report on its page, over the API and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from typer.testing import CliRunner

from cli.main import app as command
from domain.action import ActionCall, Verdict
from governance.shadow import Agreement, Shadowed
from tests.fakes import web_services, web_story
from tests.fakes.web_server import serving
from web.ports import Ports

SHARES_ONE_APP = True


def propose(ports: Ports) -> None:
    assert isinstance(ports.door, web_services.FakeDoor)
    call = ActionCall(action="scale_pool", target="api", args={"size": 10})
    ports.door.proposals = {
        f"plan-1:{step}": Shadowed(
            id=f"plan-1:{step}",
            change=change,
            agent="responder",
            call=call,
            would=Verdict.ALLOW,
            summary="the pool would have ten connections",
            at=ports.clock.now(),
        )
        for step, change in (("s1", web_story.ID), ("s2", "inc-unheard-of"))
    }


async def test_the_page_is_empty_until_something_was_proposed(browser: httpx.AsyncClient) -> None:
    """And says how to begin."""
    page = await browser.get("/shadow")
    assert (page.status_code, "mode: shadow" in page.text) == (200, True)


async def test_one_click_says_how_it_compares(
    browser: httpx.AsyncClient, person: httpx.AsyncClient, ports: Ports, csrf: Callable[[], str]
) -> None:
    """The label goes to the action server with the person's own token and wins."""
    propose(ports)
    assert "scale_pool" in (await browser.get("/shadow")).text
    clicked = await browser.post("/shadow/plan-1:s1", data={"csrf_token": csrf(), "label": "same"})
    assert clicked.status_code == 303
    assert isinstance(ports.door, web_services.FakeDoor)
    assert ports.door.tokens[-1] == web_services.OPERATOR
    found = (await person.get("/api/shadow")).json()
    assert found["counts"] == {"same": 1, "different": 0, "unnecessary": 0, "unknown": 1}
    labelled = await person.post("/api/shadow/plan-1:s2", json={"label": "unnecessary"})
    assert labelled.json()["labelled_by"] == "operator"
    assert (await person.post("/api/shadow/plan-9:s1", json={"label": "same"})).status_code == 404
    assert (await person.get("/api/shadow", params={"since": "for ever"})).status_code == 422


def test_the_report_in_the_terminal(ports: Ports) -> None:
    """Empty, with proposals, as JSON, and labelled."""
    with serving(ports) as url:
        (ports.home / "run").mkdir(exist_ok=True)
        (ports.home / "run" / "ports.json").write_text(json.dumps({"app": urlsplit(url).port}))

        def run(*words: str) -> str:
            done = CliRunner().invoke(command, ["--home", str(ports.home), "shadow", *words])
            assert done.exit_code == 0, done.output
            return done.output

        assert "Nothing was proposed" in run("report")
        propose(ports)
        assert "plan-1:s1: same" in run("label", "plan-1:s1", "same")
        assert json.loads(run("label", "plan-1:s2", "same", "--json"))["label"] == Agreement.SAME
        shown = run("report", "--since", "2h")
        assert ("same 2" in shown, "operator says so" in shown) == (True, True)
        assert json.loads(run("report", "--json"))["schema_version"] == "1"
