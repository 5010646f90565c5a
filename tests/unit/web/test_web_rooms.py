from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from domain.clock import ManualClock
from domain.drills import DrillState
from domain.errors import ModelUnavailableError, UpstreamError
from domain.guard import ApprovalStatus
from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes import web_story as story
from tests.fakes.web_services import FakeDoor, FakeDrills, FakeResponder, FakeRetriever, FakeSlis
from web import series, slis
from web.build import build_app
from web.doctor import process_rows, setting_rows
from web.drills import score
from web.health import judge
from web.ports import Ports, SliRow
from web.runbooks import read, rendered, search_plain, shelf
from web.slis import row_of

SHARES_ONE_APP = True

APPROVAL = f"/approvals/{story.APPROVAL.id}"


def _responder(ports: Ports) -> FakeResponder:
    assert isinstance(ports.responder, FakeResponder)
    return ports.responder


def _frames(text: str) -> list[tuple[str, dict[str, object]]]:
    out = []
    for frame in text.replace("\r\n", "\n").strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in lines:
            out.append((lines["event"], json.loads(lines["data"])))
    return out


# approvals


async def test_the_answer_goes_with_the_persons_own_token(person: httpx.AsyncClient, ports: Ports) -> None:
    """The app forwards the caller's credential and has none of its own to approve with."""
    answer = await person.post(f"/api{APPROVAL}", json={"decision": "approve"})
    assert answer.json()["status"] == "approved"
    assert _responder(ports).tokens == [fakes.OPERATOR]


async def test_the_first_answer_wins(person: httpx.AsyncClient) -> None:
    """The second one is told what was decided."""
    await person.post(f"/api{APPROVAL}", json={"decision": "reject", "reason": "not now"})
    late = await person.post(f"/api{APPROVAL}", json={"decision": "approve"})
    assert late.status_code == 409
    assert "rejected by operator" in late.json()["found"]


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "reject"},
        {"decision": "escalate", "reason": "  "},
        {"decision": "terminate"},
        {"decision": "modify"},
        {"decision": "approve", "args": {"size": 3}},
    ],
)
async def test_incomplete_answers_are_refused(
    person: httpx.AsyncClient, ports: Ports, answer: dict[str, object]
) -> None:
    """Saying no needs a reason; arguments go with modify and only with it."""
    assert (await person.post(f"/api{APPROVAL}", json=answer)).status_code == 422
    assert _responder(ports).tokens == []


async def test_the_form_approves_and_leads_back(
    browser: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports
) -> None:
    """A click on Approve answers and returns to the page it came from."""
    form = {"csrf_token": csrf(), "decision": "approve", "back": f"/incidents/{story.ID}", "args": "{}"}
    answer = await browser.post(APPROVAL, data=form)
    assert answer.headers["location"] == f"/incidents/{story.ID}#main"
    assert _responder(ports).asked[story.APPROVAL.id].status is ApprovalStatus.APPROVED


@pytest.mark.parametrize(("args", "code"), [('{"size": 8}', 303), ("not json", 422), ("[1]", 422)])
async def test_the_form_modifies_with_json(
    browser: httpx.AsyncClient, csrf: Callable[[], str], args: str, code: int
) -> None:
    """Changed arguments must be a JSON object."""
    answer = await browser.post(APPROVAL, data={"csrf_token": csrf(), "decision": "modify", "args": args})
    assert answer.status_code == code


async def test_a_late_click_says_why(browser: httpx.AsyncClient, csrf: Callable[[], str]) -> None:
    """The loser of two clicks reads what happened instead of an error code."""
    form = {"csrf_token": csrf(), "decision": "approve"}
    await browser.post(APPROVAL, data=form)
    late = await browser.post(APPROVAL, data=form)
    assert late.status_code == 409
    assert "answered already" in late.text


async def test_open_and_answered_approvals_are_apart(browser: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    """The page asks what is open and lists what is past; the API filters."""
    assert "Approve scale pool on api?" in (await browser.get("/approvals")).text
    await person.post(f"/api{APPROVAL}", json={"decision": "reject", "reason": "too big"})
    page = (await browser.get("/approvals")).text
    assert "Nobody is waiting for you" in page
    assert "too big" in page
    assert (await person.get("/api/approvals", params={"open": True})).json()["approvals"] == []


async def test_a_withdrawn_question_says_that_the_symptoms_ended(browser: httpx.AsyncClient, ports: Ports) -> None:
    """Nobody is asked any more; the approvals page and the incident's plan say why."""
    asked, why = _responder(ports).asked, "symptoms ended by 14:02:07 UTC; approving would change a healthy system"
    moot = {"status": ApprovalStatus.EXPIRED, "reason": why, "moot_since": story.at(30)}
    asked[story.APPROVAL.id] = story.APPROVAL.model_copy(update=moot)
    page = (await browser.get("/approvals")).text
    assert "Nobody is waiting for you" in page
    assert why in page
    assert why in (await browser.get(f"/incidents/{story.ID}")).text


# chat


async def test_the_answer_streams_in_pieces(person: httpx.AsyncClient) -> None:
    """Frames are named by kind; a sentence that nothing carries is turned into an unsupported one."""
    answer = await person.post("/api/chat", json={"text": "What changed?", "incident": story.ID})
    assert answer.headers["content-type"].startswith("text/event-stream")
    kinds = [name for name, _ in _frames(answer.text)]
    assert kinds == ["source", "sentence", "sentence", "unsupported", "suggestion", "done"]


async def test_a_broken_answer_ends_with_a_reason(person: httpx.AsyncClient, ports: Ports) -> None:
    """When the mind fails in the middle, the stream says so and ends."""
    _responder(ports).failure = ModelUnavailableError("the endpoint is silent")
    frames = _frames((await person.post("/api/chat", json={"text": "Why?"})).text)
    assert [name for name, _ in frames] == ["problem", "done"]
    assert "the endpoint is silent" in str(frames[0][1]["text"])


async def test_questions_about_unknown_incidents_are_refused(person: httpx.AsyncClient) -> None:
    """Before the stream starts, an unknown incident is a 404 and an empty question a 422."""
    assert (await person.post("/api/chat", json={"text": "x", "incident": "inc-no"})).status_code == 404
    assert (await person.post("/api/chat", json={"text": ""})).status_code == 422


async def test_the_chat_works_without_scripts(browser: httpx.AsyncClient, csrf: Callable[[], str]) -> None:
    """A plain form shows the page with question and answer in it."""
    form = {"csrf_token": csrf(), "text": "What <b>changed</b>?"}
    text = (await browser.post(f"/incidents/{story.ID}/chat", data=form)).text
    assert "What &lt;b&gt;changed&lt;/b&gt;?" in text
    assert "a deploy of frontend" in text
    assert "Somebody probably ran a report" in text


# drills


async def test_drills_are_forwarded(person: httpx.AsyncClient, ports: Ports) -> None:
    """Listing, starting and looking go to the chaos server; a second start is a conflict."""
    body = (await person.get("/api/drills")).json()
    assert body["drills"][0]["id"] == "drl-90"
    assert body["faults"][0]["name"] == "pool_exhaustion"
    assert (await person.post("/api/drills", json={})).status_code == 409
    assert isinstance(ports.drills, FakeDrills)
    ports.drills.known = ports.drills.known[1:]
    assert (await person.post("/api/drills", json={"fault": "hang"})).json()["id"] == "drl-new"
    assert (await person.get("/api/drills/drl-89")).json()["result"]["mitigated"]
    assert (await person.get("/api/drills/none")).status_code == 404
    assert ports.drills.started == ["hang"]


async def test_a_sealed_drill_names_no_fault(browser: httpx.AsyncClient) -> None:
    """The page of a running blind drill does not say what was broken."""
    text = (await browser.get("/drills/drl-90")).text
    assert "still sealed" in text
    assert "pool" not in text


async def test_the_scoreboard_counts_what_the_oracle_said(browser: httpx.AsyncClient) -> None:
    """Mended means mitigated and durable; abstaining is counted apart."""
    results = [d.result for d in story.drill_runs() if d.result]
    counted = score(results)
    assert (counted.runs, counted.broken, counted.mended, counted.abstain, counted.abstained) == (4, 3, 2, 1, 1)
    assert counted.median_s == 21.4
    assert score([]).median_s is None
    text = (await browser.get("/drills")).text
    assert "2 of 3" in text
    assert "What the oracle says" in (await browser.get("/drills/drl-89")).text


async def test_the_drill_form_starts_one(browser: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports) -> None:
    """Leaving the fault open means a random one."""
    assert isinstance(ports.drills, FakeDrills)
    ports.drills.known = [d for d in ports.drills.known if d.state is not DrillState.RUNNING]
    answer = await browser.post("/drills", data={"csrf_token": csrf(), "fault": ""})
    assert answer.status_code == 303
    assert ports.drills.started == [None]


async def test_a_silent_chaos_server_is_said(browser: httpx.AsyncClient, ports: Ports) -> None:
    """The page stands and tells what does not answer."""
    assert isinstance(ports.drills, FakeDrills)
    ports.drills.failure = UpstreamError("GET /drills was not answered")
    assert "The chaos server does not answer" in (await browser.get("/drills")).text


async def test_where_nothing_may_be_broken_there_are_no_drills(tmp_path: Path) -> None:
    """On someone's own systems the page, the menu and the API have none."""
    app = build_app(fakes.ports(tmp_path, drills=None, slis=None), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://x", headers=headers
    ) as client:
        assert (await client.get("/api/drills")).status_code == 404
        assert (await client.get("/drills")).status_code == 404
        assert 'href="/drills"' not in (await client.get("/")).text
        assert "No objective yet" in (await client.get("/slis")).text


# ledger


def shown(text: str) -> list[int]:
    """Numbers of the entries on a page, from the top."""
    return [int(seq) for seq in re.findall(r'<tr id="L(\d+)"', text)]


def hrefs(text: str, label: str) -> list[str]:
    """Where the buttons with this label lead."""
    return [html.unescape(href) for href in re.findall(rf'<a class="button" href="([^"]+)">{label}</a>', text)]


async def pages_of(browser: httpx.AsyncClient, address: str) -> list[list[int]]:
    """Entries page by page, following Older to the end."""
    found = []
    while address:
        text = (await browser.get(address)).text
        found.append(shown(text))
        [address] = hrefs(text, "Older") or [""]
    return found


async def test_the_newest_entries_come_first(browser: httpx.AsyncClient) -> None:
    """The page starts at the head and leads to older ones; every page but the last is complete."""
    assert await pages_of(browser, "/ledger") == [list(range(63, 23, -1)), list(range(23, -1, -1))]
    assert "Newer" not in (await browser.get("/ledger")).text
    older = (await browser.get("/ledger", params={"before": "20"})).text
    assert [hrefs(older, "Newer"), hrefs(older, "Newest")] == [["/ledger?before=60"], ["/ledger"]]


async def test_an_entry_can_be_looked_up(browser: httpx.AsyncClient) -> None:
    """A reference leads to the page that holds the entry, amid its neighbours."""
    assert 5 in shown((await browser.get("/ledger", params={"seq": "5"})).text)
    assert shown((await browser.get("/ledger", params={"seq": "30"})).text) == list(range(49, 9, -1))


async def test_the_ledger_is_searched(browser: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    """Words, kind, actor and change narrow it; what does not exist is said in words."""
    asked = {"q": "scale_pool", "kind": "approval", "actor": "operator", "change": story.ID}
    text = (await browser.get("/ledger", params=asked)).text
    assert shown(text) == [60, 53, 46, 39, 32, 25]
    assert f'href="/incidents/{story.ID}"' in text
    assert "No entry matches" in (await browser.get("/ledger", params={"q": "unheard"})).text
    assert "The ledger begins with L0" in (await browser.get("/ledger", params={"before": "0"})).text
    body = (await person.get("/api/ledger/search", params={"kind": "refusal", "limit": 2})).json()
    assert ([e["seq"] for e in body["entries"]], body["older"]) == ([61, 54], 54)
    assert (await person.get("/api/ledger/search", params={"colour": "red"})).status_code == 422


async def test_all_results_of_a_search_can_be_reached(
    browser: httpx.AsyncClient, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many and however far apart: following Older shows each of them once, and the words stay."""
    monkeypatch.setattr("governance.ledger.search.WINDOW", 30)
    assert isinstance(ports.door, FakeDoor)
    ports.door.entries = story.entries(700)
    found = await pages_of(browser, "/ledger?kind=approval")
    assert [seq for page in found for seq in page] == [seq for seq in range(699, -1, -1) if seq % 7 == 4]
    assert len(found[0]) == 40
    assert "Looked back to L" in (await browser.get("/ledger", params={"q": "unheard"})).text


@pytest.mark.parametrize(("asked", "lines"), [({}, 64), ({"format": "cloudevents"}, 64), ({"change": "drl-77"}, 21)])
async def test_the_ledger_is_exported_with_one_click(
    browser: httpx.AsyncClient, asked: dict[str, str], lines: int
) -> None:
    """A file with one entry per line; the page links to it."""
    answer = await browser.get("/api/ledger/export", params=asked)
    assert answer.headers["content-disposition"].startswith('attachment; filename="ledger')
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert len(rows) == lines
    assert [row.get("data", row)["seq"] for row in rows] == list(range(lines))
    page = (await browser.get("/ledger", params={"change": asked.get("change", "")})).text
    assert f'href="/api/ledger/export{"?" + urlencode(asked) if asked else ""}"' in page


async def test_verification_shows_its_result(
    browser: httpx.AsyncClient, person: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports
) -> None:
    """Holding and broken chains look different, and the first broken entry is a link."""
    assert "All 64 entries hold" in (await browser.post("/ledger/verify", data={"csrf_token": csrf()})).text
    assert "All 64 entries held and matched the anchors at" in (await browser.get("/ledger")).text
    assert isinstance(ports.door, FakeDoor)
    ports.door.broken_at = 17
    text = (await browser.post("/ledger/verify", data={"csrf_token": csrf()})).text
    assert 'href="/ledger?seq=17#L17"' in text
    assert (await person.get("/api/ledger/verify")).json()["broken_at"] == 17


async def test_the_ledger_pages_for_machines(person: httpx.AsyncClient) -> None:
    """Ascending, with the cursor of the next page."""
    body = (await person.get("/api/ledger", params={"limit": 3})).json()
    assert [e["seq"] for e in body["entries"]] == [0, 1, 2]
    assert body["next"] == 2
    assert (await person.get("/api/ledger", params={"limit": 9999})).status_code == 422


# service levels


async def test_service_levels_are_shown_and_served(browser: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    """Burn rates and sparklines on the page, the same rows for machines."""
    text = (await browser.get("/slis")).text
    assert "38.9" in text
    assert "<polyline" in text
    assert "no data" in text
    assert len((await person.get("/api/slis")).json()["slis"]) == 5


@pytest.mark.parametrize(
    ("sli", "value", "target", "ok", "unit"),
    [
        ("availability", 0.995, 0.99, True, "ratio"),
        ("availability", 0.9, 0.99, False, "ratio"),
        ("latency_p95", 0.3, 0.25, False, "s"),
        ("saturation", 0.5, 0.8, True, "ratio"),
        ("freshness", None, 30, None, "s"),
    ],
)
def test_rows_of_the_collector(sli: str, value: float | None, target: float, ok: bool | None, unit: str) -> None:
    """Bounds are kept from above, shares from below, and no data is not health."""
    row = row_of({"service": "api", "slo": "x", "sli": sli, "target": target, "value": value, "series": [], "at": 1.0})
    assert (row.ok, row.unit) == (ok, unit)


async def test_no_objective_says_how_to_get_one(browser: httpx.AsyncClient, ports: Ports) -> None:
    """An empty board explains itself."""
    assert isinstance(ports.slis, FakeSlis)
    ports.slis.rows = []
    assert "No objective yet" in (await browser.get("/slis")).text


# runbooks

BOOK = """---
name: disk-full
description: The data directory is full.
---
# Disk full

Look at [the graph](https://example.org/x), not at [this](javascript:alert(1)) or <img src=x onerror=alert(1)>.

| a | b |
|---|---|
| 1 | 2 |
"""


def _shelf(root: Path) -> Path:
    (root / "disk-full").mkdir(parents=True)
    (root / "disk-full" / "SKILL.md").write_text(BOOK)
    (root / "not-a-book").mkdir()
    return root


def test_runbooks_are_read_from_their_folders(tmp_path: Path) -> None:
    """Title, description and text come from the file; a folder without one is no runbook."""
    (book,) = shelf(_shelf(tmp_path / "runbooks"))
    assert (book.slug, book.title, book.description) == ("disk-full", "Disk full", "The data directory is full.")
    assert shelf(tmp_path / "nowhere") == []
    assert [h.slug for h in search_plain([book], "graph FULL")] == ["disk-full"]
    assert search_plain([book], "unheard") == []


def test_markdown_is_harmless(tmp_path: Path) -> None:
    """Raw HTML is text, dangerous links are no links, tables are tables."""
    book = read(_shelf(tmp_path / "runbooks") / "disk-full")
    assert book is not None
    text = rendered(book.text)
    assert "<img" not in text
    assert 'href="javascript' not in text
    assert 'href="https://example.org/x"' in text
    assert "<table>" in text


def test_broken_front_matter_is_only_missing(tmp_path: Path) -> None:
    """A runbook with unreadable front matter is still a runbook."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "SKILL.md").write_text("---\n: [\n---\nText only")
    book = read(folder)
    assert book is not None
    assert (book.title, book.description) == ("Odd", "")
    (folder / "SKILL.md").write_bytes(b"\xff\xfe\x00")
    assert read(folder) is None


@pytest.mark.parametrize("retriever", [None, FakeRetriever()])
async def test_runbooks_are_listed_searched_and_read(tmp_path: Path, retriever: FakeRetriever | None) -> None:
    """With a retriever its passages are found, without one the words."""
    root = _shelf(tmp_path / "runbooks")
    app = build_app(fakes.ports(tmp_path, runbooks=root, retriever=retriever), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://x", headers=headers
    ) as client:
        assert "Disk full" in (await client.get("/runbooks")).text
        assert "<h1>Disk full</h1>" in (await client.get("/runbooks/disk-full")).text
        assert ("How to tell it apart" in (await client.get("/runbooks?q=full")).text) == (retriever is not None)
        for slug in ("%2e%2e%2fsecrets", "nothing", "-x"):
            assert (await client.get(f"/runbooks/{slug}")).status_code == 404


# settings, health, metrics, kill


def test_settings_hide_every_secret() -> None:
    """Secrets say only whether they are set; connection strings lose their passwords."""
    settings = Settings.model_validate(
        {
            "REDIS_URL": "redis://:hunter2@h/0",
            "OPENAI_API_KEY": "sk-hunter2",
            "intake_secrets": "whsec_hunter2",
            "model_base_url": "http://user:hunter2@host/v1",
        }
    )
    rows = {r.name: r for r in setting_rows(settings)}
    assert "hunter2" not in str(rows)
    assert rows["OPENAI_API_KEY"].value == "set, not shown"
    assert rows["FIREBREAK_INTAKE_TOKEN"].value == "not set"
    assert all(r.description for r in rows.values())


def test_the_process_table_is_read_in_either_form(tmp_path: Path) -> None:
    """A list or a mapping of processes is shown; garbage is none."""
    path = tmp_path / "run" / "processes.json"
    assert process_rows(tmp_path) == []
    path.parent.mkdir()
    path.write_text(
        json.dumps({"processes": [{"name": "app", "state": "running", "pid": 7, "url": "http://127.0.0.1:1"}]})
    )
    assert process_rows(tmp_path)[0].pid == 7
    path.write_text(json.dumps({"app": {"state": "running"}, "odd": 3}))
    assert [r.name for r in process_rows(tmp_path)] == ["app"]
    path.write_text("{")
    assert process_rows(tmp_path) == []


async def test_the_settings_page_names_what_it_stands_on(browser: httpx.AsyncClient) -> None:
    """Dependencies, inventory, intake addresses and settings are there, tokens are not."""
    text = (await browser.get("/settings")).text
    for word in ("checkpoints", "/intake/alertmanager", "FIREBREAK_APPROVAL_TTL_S", "payments"):
        assert word in text
    assert fakes.OPERATOR not in text
    assert fakes.INTAKE not in text


def test_health_names_the_worst_first() -> None:
    """A vital dependency makes it down, another one degraded, an unused one nothing."""
    assert judge({"store": {"ok": True}, "model": {"ok": None}}).status == "ok"
    assert judge({"store": {"ok": True}, "model": {"ok": False}}).status == "degraded"
    down = judge({"model": {"ok": False}, "store": {"ok": False}})
    assert (down.status, down.failing) == ("down", ["store", "model"])


async def test_health_answers_503_when_it_is_down(stranger: httpx.AsyncClient, ports: Ports) -> None:
    """A load balancer understands it, and nothing but names is given away."""
    _responder(ports).dependencies["action_server"] = {"ok": False, "detail": "http://127.0.0.1:18701 secret"}
    answer = await stranger.get("/healthz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["action_server"])
    assert "secret" not in answer.text


async def test_metrics_have_bounded_labels(person: httpx.AsyncClient) -> None:
    """Routes are counted by template and unknown paths share one label."""
    for path in (f"/api/incidents/{story.ID}", "/api/incidents/inc-a1", "/no/such/1", "/no/such/2"):
        await person.get(path)
    text = (await person.get("/metrics")).text
    assert 'firebreak_http_requests_total{method="GET",route="/api/incidents/{incident_id}",status="200"} 2.0' in text
    assert 'route="unmatched"' in text
    assert "/no/such" not in text
    assert 'firebreak_incidents{status="waiting"} 1.0' in text
    assert 'firebreak_dependency_up{dependency="store"} 1.0' in text
    assert "firebreak_open_approvals 1.0" in text


async def test_metrics_survive_a_silent_door(person: httpx.AsyncClient, ports: Ports) -> None:
    """A scrape never fails because something else does."""
    assert isinstance(ports.door, FakeDoor)
    ports.door.failure = UpstreamError("no")
    assert (await person.get("/metrics")).status_code == 200


async def test_kill_and_resume_for_machines(person: httpx.AsyncClient, ports: Ports) -> None:
    """Both go through with the caller's own token and answer with the state of the door."""
    assert (await person.post("/api/kill", json={"reason": "x"})).json()["frozen"] is True
    assert (await person.get("/api/status")).json()["frozen"] is True
    assert (await person.get("/api/unwind")).json()["items"] == []
    assert (await person.post("/api/resume")).json()["frozen"] is False
    assert isinstance(ports.door, FakeDoor)
    assert ports.door.tokens == [fakes.OPERATOR] * 2


async def test_the_api_describes_itself(person: httpx.AsyncClient) -> None:
    """Every operation has a summary, and errors are described as problem documents."""
    document = (await person.get("/openapi.json")).json()
    assert {"/intake/{source}", "/api/chat", "/api/kill", "/healthz", "/metrics"} <= set(document["paths"])
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], f"{method} {path}"
            assert "Problem" in json.dumps(operation["responses"]["default"])


async def test_an_expired_approval_is_past(tmp_path: Path) -> None:
    """The page compares with its own clock, so that nobody approves what is void."""
    ports = fakes.ports(tmp_path, clock=ManualClock(story.at(2000)))
    app = build_app(ports, Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://x", headers=headers
    ) as client:
        assert "Nobody is waiting for you" in (await client.get("/approvals")).text


def test_levels_beside_a_change_and_their_order() -> None:
    """What the changed service's users see comes first, unknown levels are left out, what fires is listed first."""

    def row(service: str, sli: str, current: float | None, *, ok: bool | None = None, firing: bool = False) -> SliRow:
        return SliRow(service=service, name=sli, sli=sli, target=0.99, current=current, ok=ok, firing=firing)

    rows = [
        row("web", "availability", 1.0, ok=True),
        row("api", "process", 1.0, ok=True),
        row("api", "error_ratio", None),
        row("api", "availability", 0.2, ok=False, firing=True),
        row("shop", "availability", 0.3, ok=False, firing=True),
    ]
    assert [(r.service, r.sli) for r in slis.beside(rows, "api")] == [
        ("api", "availability"),
        ("shop", "availability"),
        ("api", "process"),
    ]
    assert slis.beside(rows, "nobody") == [rows[3], rows[4]]
    assert [r.ok for r in slis.worst_first(rows)] == [False, False, None, True, True]


def test_levels_that_nobody_wrote_stay_folded_while_kept() -> None:
    """A process that should run is told once it does not; on its own it is all there is to tell."""

    def row(name: str, *, ok: bool | None = True, firing: bool = False, implicit: bool = True) -> SliRow:
        return SliRow(service="api", name=name, sli="process", target=1, ok=ok, firing=firing, implicit=implicit)

    written, runs = row("written", implicit=False), row("runs")
    for loud in (row("down", ok=False), row("silent", ok=None), row("burns", firing=True)):
        assert slis.apart([written, runs, loud]) == ([written, loud], [runs])
    assert slis.apart([runs]) == ([runs], [])


async def test_the_page_keeps_the_kept_levels_behind_a_summary(browser: httpx.AsyncClient, ports: Ports) -> None:
    """They are on the page, folded."""
    assert "Levels that nobody wrote" not in (await browser.get("/slis")).text
    assert isinstance(ports.slis, FakeSlis)
    ports.slis.rows.append(SliRow(service="cache", name="answers", sli="process", target=1, ok=True, implicit=True))
    folded = (await browser.get("/slis")).text.partition("<details")[2]
    assert ("Levels that nobody wrote" in folded, "answers" in folded, "availability" in folded) == (True, True, False)


async def test_the_card_reads_its_levels_or_says_that_there_are_none(browser: httpx.AsyncClient, ports: Ports) -> None:
    """The fragment names the abort line; without data it says that nothing would show that things get worse."""
    assert "abort line at" in (await browser.get("/slis/api/beside")).text
    assert isinstance(ports.slis, FakeSlis)
    ports.slis.rows = []
    assert "No service level of api has data" in (await browser.get("/slis/api/beside")).text


def test_nothing_is_drawn_across_a_hole() -> None:
    """A long silence becomes a gap; a steady series stays as it is."""
    assert series.with_gaps([0, 1, 2], [1.0, 2.0, 3.0]) == ([0, 1, 2], [1.0, 2.0, 3.0])
    assert series.with_gaps([0, 1, 2, 60, 61], [1.0] * 5)[1] == [1.0, 1.0, 1.0, None, 1.0, 1.0]
    assert series.with_gaps([], []) == ([], [])
