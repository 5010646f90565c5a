"""From the alert to the recovery in a real browser, over the whole product, judged by the production policy."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.installation import Installation, installed, until

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the PATH"),
]
PATIENCE_MS = 60_000
"""How long a page may take to change by itself on a busy machine."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation where every change asks a person."""
    with installed(tmp_path_factory.mktemp("browser"), FIREBREAK_POLICY="production") as it:
        yield it


@pytest.fixture
def page() -> Iterator[Any]:
    """A window of a browser of its own; what a script says against itself fails the test."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
        )
        window = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        window.set_default_timeout(PATIENCE_MS)
        sync_api.expect.set_options(timeout=PATIENCE_MS)
        errors: list[str] = []
        window.on("pageerror", lambda error: errors.append(str(error)))
        yield window
        browser.close()
    assert errors == []


def test_a_person_clicks_from_the_alert_over_the_approval_to_the_recovery(here: Installation, page: Any) -> None:
    """The api is paused by hand; the inbox shows it by itself, one click approves, the users are back, the brief proves it."""
    expect = sync_api.expect
    link = _printed_link(here)
    page.goto(link)
    expect(page.get_by_role("heading", name="Incidents", exact=True)).to_be_visible()
    here.calm()

    here.kill("api", signal.SIGSTOP)
    row = page.locator("#list tr", has=page.get_by_text("waiting", exact=True)).filter(has_text="api").first
    expect(row).to_be_visible()
    row.get_by_role("link").first.click()

    expect(page.locator("#cause-1")).to_contain_text("api is paused")
    expect(page.locator("#part-plan .step").first).to_contain_text("resume_process(api)")
    card = page.locator("article.approval")
    _the_card_says_all_it_must(card)
    assert not here.users_are_served()
    card.get_by_role("button", name="Approve", exact=True).click()

    expect(page.locator("#part-plan .step").first.locator(".step-head")).to_contain_text("succeeded")
    expect(page.locator("#part-verification")).to_contain_text("holds")
    expect(page.locator("#part-header .badge", has_text="resolved").first).to_be_visible()
    assert card.count() == 0
    _the_brief_names_its_evidence(page)
    until(here.users_are_served, 30, "users served, seen from outside")

    page.get_by_role("link", name="Ledger", exact=True).click()
    page.get_by_role("button", name="Verify the whole chain").click()
    expect(page.get_by_role("status", name="Result of the verification")).to_contain_text("verified")
    expect(page.locator("#list")).to_contain_text("resume_process(api)")


def test_a_printed_link_signs_in_once(here: Installation, page: Any) -> None:
    """The link is not the operator's token, and the second browser that opens it stays outside."""
    link = here.ask("login")["url"]
    assert (here.home / "secrets" / "operator.token").read_text().strip() not in link
    page.goto(link)
    sync_api.expect(page.get_by_role("heading", name="Incidents", exact=True)).to_be_visible()
    page.context.clear_cookies()
    page.goto(link)
    sync_api.expect(page.get_by_role("alert")).to_contain_text("already used")


def _printed_link(here: Installation) -> str:
    found = re.search(r"http://\S+/login\?token=\S+", here.greeting)
    assert found, here.greeting
    assert (here.home / "secrets" / "operator.token").read_text().strip() not in here.greeting
    return found.group(0)


def _the_card_says_all_it_must(card: Any) -> None:
    """What, where, undo, dry run, live level with its abort line, digest and expiry."""
    expect = sync_api.expect
    expect(card.get_by_role("heading")).to_have_text("Approve resume process on api?")
    for words in (
        "resume_process(api)",
        re.compile(r"Dry run says\s*api \(paused, pid \d+\) would be told to continue"),
        re.compile(r"Undo\s*\w+"),
        re.compile(r"Live service levels.*abort line at least", re.DOTALL),
        re.compile(r"Digest\s*[0-9a-f]{64}"),
        re.compile(r"expires\s+in \d+ min"),
    ):
        expect(card).to_contain_text(words)


def _the_brief_names_its_evidence(page: Any) -> None:
    """Every sentence has a link, and a click leads to the piece of evidence it names."""
    brief = page.locator("#part-brief")
    sync_api.expect(brief.get_by_role("heading", name="Brief")).to_be_visible()
    assert brief.locator(".unsupported").count() == 0
    cited = brief.locator("a.ref[href^='#E']").first
    name = cited.inner_text()
    cited.click()
    assert page.url.endswith(f"#{name}")
    sync_api.expect(page.locator(f"#{name}")).to_be_in_viewport()
