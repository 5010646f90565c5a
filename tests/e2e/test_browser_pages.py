"""Every page in a real browser: complete, accessible in both themes and widths, and usable by keyboard."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.checkpoint.lease import ProcessLeases
from graph.contracts.rollouts import Rollouts
from graph.skills.runner import SkillRunner
from skills.edit import propose
from skills.report import Failure, Order, Report, RunStatus
from tests.fakes import web_services as fakes
from tests.fakes import web_story as story
from tests.fakes.rollouts import Site
from tests.fakes.web_server import serving
from tests.fakes.web_services import FakeResponder
from tests.fakes.world import World
from tests.unit.skills.trial import RESUME, Trial
from tests.unit.web.test_web_backtest import keep
from tests.unit.web.test_web_contracts import Book, drafting, opened
from tests.unit.web.test_web_rollouts import taken_back
from web.ports import Ports

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the PATH"),
]
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
PAGES = {
    "inbox": "/",
    "waiting": f"/incidents/{story.ID}",
    "resolved": "/incidents/inc-done",
    "fresh": "/incidents/inc-00c1d2e3f4a5",
    "approvals": "/approvals",
    "drills": "/drills",
    "drill": "/drills/drl-89",
    "ledger": "/ledger?seq=41&actor=responder",
    "agents": "/agents",
    "agent": "/agents/responder",
    "shadow": "/shadow",
    "slis": "/slis",
    "runbooks": "/runbooks",
    "skills": "/skills",
    "skill": "/skills/paused-process",
    "backtest": "/backtest",
    "contracts": "/contracts",
    "contract": "/contracts/{contract}",
    "rollouts": "/rollouts",
    "rollout": "/rollouts/{rollout}",
    "settings": "/settings",
    "problem": "/incidents/unknown",
}
WIDTHS = [1440, 390]
ALL_RULES = "{resultTypes: ['violations']}"
COLOURS = "{resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']}"
"""The rules that read colours. A theme is nothing but colours: what another rule says is the same in both."""
THEMES = [("dark", COLOURS), ("light", ALL_RULES)]
"""In this order what a page draws after loading is there when all rules and the width are looked at."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
        )
        yield browser
        browser.close()


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    found = fakes.ports(tmp_path)
    assert isinstance(found.responder, FakeResponder)
    found.responder.records["inc-done"] = story.resolved().model_copy(update={"id": "inc-done"})
    keep(found)
    bargains = opened(tmp_path, Book())
    yard = Site(tmp_path / "rollouts")
    rollouts = Rollouts(yard.yard(), yard.folder, ProcessLeases(), "app", yard.serving, yard)
    return replace(with_skills(found, tmp_path), bargains=bargains, rollouts=rollouts)


@pytest.fixture
def shown(site: str, tmp_path: Path) -> dict[str, str]:
    """A contract on the table and a rollout that was taken back: what the paths of their pages name."""
    signed_in = {"Authorization": f"Bearer {fakes.OPERATOR}", "Content-Type": "application/json"}
    made = httpx.post(f"{site}/api/contracts", content=drafting().model_dump_json(), headers=signed_in)
    with ThreadPoolExecutor(1) as elsewhere:  # the browser's own loop runs in this thread
        rollout = elsewhere.submit(asyncio.run, taken_back(Site(tmp_path / "rollouts"))).result()
    return {"contract": made.json()["id"], "rollout": rollout}


@pytest.fixture
def site(ports: Ports) -> Iterator[str]:
    with serving(ports) as url:
        yield url


def with_skills(found: Ports, root: Path) -> Ports:
    """With one skill, a run of it that broke its promise, and the edit that this proposes."""
    trial = Trial(root, World(), skill={**RESUME, "preconditions": []})
    package, skill = trial.bench.shelf.procedure("paused-process")
    failure = Failure(signature="VERIFICATION_FAILED", text="it is still broken", step="fine")
    order = Order(skill="paused-process", execute=True)
    told = {"version": skill.version, "digest": package.digest, "trust": "draft", "started_at": trial.clock.now()}
    report = Report(id="skr-1", order=order, status=RunStatus.FAILED, failure=failure, **told)
    edit = propose(package, skill, [report], trial.bench.words)
    trial.bench.store.save(report.model_copy(update={"edit": edit}))
    return replace(found, skills=SkillRunner(trial.bench, ProcessLeases(), "app"))


def _open(chromium: Any, site: str, theme: str = "light", width: int = 1440, **more: Any) -> Any:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
    page = context.new_page()
    page.clock.install(time=story.at(20))
    page.goto(f"{site}/login?token={fakes.OPERATOR}")
    return page


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_passes_the_accessibility_check(chromium: Any, site: str, shown: dict[str, str], width: int) -> None:
    """axe-core finds nothing on any page in either theme, nothing overflows, no script or style is refused or fails."""
    page = _open(chromium, site, "light", width, reduced_motion="reduce")
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "console", lambda message: trouble.append(message.text) if "Content Security Policy" in message.text else None
    )
    for name, path in PAGES.items():
        page.goto(site + path.format(**shown))
        page.evaluate(AXE)
        for theme, rules in THEMES:
            page.emulate_media(color_scheme=theme)
            trouble += [f"{name}, {theme}: {found}" for found in _violations(page, rules)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            trouble.append(f"{name}: wider than the window")
    page.context.close()
    assert trouble == []


def _violations(page: Any, rules: str = ALL_RULES) -> list[str]:
    found = page.evaluate(f"axe.run(document, {rules})")["violations"]
    return [f"{v['id']} {v['help']}: {v['nodes'][0]['html'][:160]}" for v in found]


def test_the_sign_in_page_passes_too(chromium: Any, site: str) -> None:
    """A person without a session gets an accessible page."""
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(site)
    page.evaluate(AXE)
    found = _violations(page)
    context.close()
    assert found == []


def test_from_the_inbox_over_the_approval_to_the_brief(chromium: Any, site: str) -> None:
    """Clicking Approve leads back to the incident's content, which shows the outcome and the brief with its evidence."""
    page = _open(chromium, site)
    page.get_by_role("link", name="Checkout availability burns its budget").last.click()
    page.goto(f"{site}/incidents/{story.ID}")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("heading", name="Brief").wait_for()
    assert page.url == f"{site}/incidents/{story.ID}#main"
    page.locator("#part-brief").get_by_role("link", name="E10").click()
    assert page.url.endswith("#E10")
    page.context.close()


def test_an_open_page_changes_by_itself(chromium: Any, site: str, ports: Ports) -> None:
    """When a step is applied elsewhere, the page shows it without being reloaded, and keeps what was typed."""
    page = _open(chromium, site)
    page.goto(f"{site}/incidents/{story.ID}")
    page.get_by_label("Your question").fill("half a question")
    other = page.context.request.post(
        f"{site}/api/approvals/{story.APPROVAL.id}",
        data={"decision": "approve"},
        headers={"Authorization": f"Bearer {fakes.OPERATOR}"},
    )
    assert other.ok
    page.clock.run_for(2000)
    page.get_by_role("heading", name="Verification").wait_for(timeout=10_000)
    assert page.get_by_role("button", name="Approve", exact=True).count() == 0
    assert page.get_by_label("Your question").input_value() == "half a question"
    assert "scale_pool on api: succeeded" in page.locator("#announce").inner_text()
    page.context.close()


def test_the_chat_streams_its_answer(chromium: Any, site: str) -> None:
    """A suggested question is answered with evidence links; what nothing carries is marked."""
    page = _open(chromium, site)
    page.goto(f"{site}/incidents/{story.ID}")
    page.get_by_role("button", name="What changed before it started?").click()
    answer = page.locator("#chat .answer")
    answer.get_by_text("a deploy of frontend").wait_for()
    assert answer.get_by_role("link", name="E7").get_attribute("href") == "#E7"
    answer.get_by_text("no evidence").wait_for()
    answer.get_by_role("button", name="What speaks against api as the cause?").wait_for()
    page.context.close()


def test_everything_can_be_stopped_by_keyboard(chromium: Any, site: str) -> None:
    """Skip link first, then the stop button opens a confirmation that Enter carries out."""
    page = _open(chromium, site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_role("button", name="Stop everything").first.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason, for the ledger").fill("rehearsal")
    page.keyboard.press("Enter")
    page.get_by_text("Frozen by operator").wait_for()
    page.get_by_role("button", name="Resume…").click()
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_role("button", name="Stop everything").first.wait_for()
    page.context.close()


def test_the_theme_is_remembered(chromium: Any, site: str) -> None:
    """The toggle overrides the system and survives the next page."""
    page = _open(chromium, site, "light")
    dark = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(dark)
    toggle = page.get_by_role("button", name="Theme:")
    toggle.click()
    toggle.click()
    assert page.evaluate(dark) != before
    page.goto(f"{site}/ledger")
    assert page.get_by_role("button", name="Theme: dark").count() == 1
    page.context.close()


def test_pages_work_without_scripts(chromium: Any, site: str) -> None:
    """Reading, approving and asking need no JavaScript."""
    page = _open(chromium, site, java_script_enabled=False)
    page.goto(f"{site}/incidents/{story.ID}")
    page.get_by_role("button", name="What changed before it started?").click()
    page.get_by_text("a deploy of frontend").wait_for()
    page.goto(f"{site}/incidents/{story.ID}")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("heading", name="Brief").wait_for()
    page.context.close()
