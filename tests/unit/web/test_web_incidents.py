from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from domain.bundle import Series
from domain.diagnosis import DiagnosisVerdict, Evidence, SecondOpinion
from domain.errors import UpstreamError
from domain.incident import Incident, IncidentStatus
from domain.report import Sentence
from domain.usage import Usage
from tests.fakes import web_story as story
from tests.fakes.web_services import FakeDoor, FakeResponder
from web import series
from web.incident_view import brief_sections, carried, confidence_history, stages, view
from web.incidents import matches
from web.ports import Ports

SHARES_ONE_APP = True

PAGE = f"/incidents/{story.ID}"


def _responder(ports: Ports) -> FakeResponder:
    assert isinstance(ports.responder, FakeResponder)
    return ports.responder


def _keep(ports: Ports, incident: Incident) -> None:
    _responder(ports).records[incident.id] = incident


async def test_the_list_has_the_published_shape(person: httpx.AsyncClient) -> None:
    """Rows newest first with a schema version and a cursor."""
    body = (await person.get("/api/incidents", params={"limit": 2})).json()
    assert body["schema_version"] == "1"
    assert [r["id"] for r in body["incidents"]] == ["inc-00c1d2e3f4a5", story.ID]
    following = (await person.get("/api/incidents", params={"limit": 2, "cursor": body["next"]})).json()
    assert following["incidents"][0]["id"] == "inc-a1"


async def test_the_record_is_the_incident(person: httpx.AsyncClient) -> None:
    """The API gives the whole record, so that another process can rebuild it."""
    body = (await person.get(f"/api/incidents/{story.ID}")).json()
    assert Incident.model_validate(body) == story.waiting()


@pytest.mark.parametrize(("deed", "status"), [("stop", "escalated"), ("take", "taken")])
async def test_a_person_may_stop_or_take_a_run(person: httpx.AsyncClient, ports: Ports, deed: str, status: str) -> None:
    """The deed carries the person's name and reason."""
    answer = await person.post(f"/api/incidents/{story.ID}/{deed}", json={"reason": "on it"})
    assert answer.json()["status"] == status
    assert _responder(ports).deeds == [(deed, story.ID, "operator", "on it")]
    again = await person.post(f"/api/incidents/{story.ID}/{deed}")
    assert again.status_code == 409


async def test_reopening_starts_another_incident(browser: httpx.AsyncClient, csrf: Callable[[], str]) -> None:
    """The form leads to the new incident, which refers to the old one."""
    answer = await browser.post("/incidents/inc-a1/reopen", data={"csrf_token": csrf()})
    assert answer.headers["location"] == "/incidents/inc-a1-2"
    assert "re-opens" in (await browser.get("/incidents/inc-a1-2")).text


async def test_there_are_no_other_deeds(browser: httpx.AsyncClient, csrf: Callable[[], str]) -> None:
    """An unknown deed is refused with what is possible."""
    answer = await browser.post(f"{PAGE}/delete", data={"csrf_token": csrf()})
    assert answer.status_code == 422
    assert "stop, take, give-back or reopen" in answer.text


async def test_the_inbox_filters(browser: httpx.AsyncClient) -> None:
    """Status, severity and words narrow the list; an empty result says so."""
    everything = (await browser.get("/")).text
    assert "Payments answer 429" in everything
    assert "Checkout availability" in everything
    assert "Payments answer 429" not in (await browser.get("/", params={"status": "open"})).text
    assert "Login role refused" in (await browser.get("/", params={"severity": "critical", "q": "role api"})).text
    assert "No incident matches" in (await browser.get("/", params={"q": "nothing like it"})).text


async def test_the_inbox_pages(browser: httpx.AsyncClient, ports: Ports) -> None:
    """A long past is shown in pages that keep the filters."""
    for i in range(30):
        _keep(ports, story.older()[0].model_copy(update={"id": f"inc-x{i}"}))
    text = (await browser.get("/", params={"status": "resolved"})).text
    assert "/?status=resolved&amp;cursor=25" in text


async def test_an_empty_inbox_says_what_to_do(browser: httpx.AsyncClient, ports: Ports) -> None:
    """A new user is told how to see an incident and how to connect alerts."""
    _responder(ports).records.clear()
    text = (await browser.get("/")).text
    assert "Run a drill" in text
    assert "/intake/alertmanager" in text


async def test_untrusted_text_stays_text(browser: httpx.AsyncClient) -> None:
    """A script in a log line is shown, never run."""
    text = (await browser.get(PAGE)).text
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text
    assert not re.search(r"\son\w+=|javascript:|<style|style=", text)


async def test_evidence_links_both_ways(browser: httpx.AsyncClient) -> None:
    """A cause links to its evidence and the evidence back to the cause."""
    text = (await browser.get(PAGE)).text
    assert '<li id="E2">' in text
    assert 'href="#E2"' in text
    assert 'href="#cause-1"' in text
    assert "against cause 2" in text


async def test_the_approval_card_is_a_contract(browser: httpx.AsyncClient) -> None:
    """What, where, blast radius, dry run, undo, pre-authorised compensation, expiry and digest are on it."""
    text = (await browser.get(PAGE)).text
    for word in (
        "scale_pool(api, size=12)",
        "would grow from 5 to 12",
        "users notice nothing",
        "rehearsed in a drill",
        "scale_pool(api, size=5)",
        "data-expires",
        story.APPROVAL.digest,
        'value="terminate"',
    ):
        assert word in text


async def test_the_brief_shows_what_is_unsupported(browser: httpx.AsyncClient, ports: Ports) -> None:
    """Dropped sentences and sentences that cite nothing real are marked."""
    brief = story.BRIEF.model_copy(update={"why": [Sentence(text="It was the moon.", evidence=["E77"])]})
    _keep(ports, story.resolved().model_copy(update={"brief": brief}))
    text = (await browser.get(PAGE)).text
    assert "The exports were probably started" in text
    assert text.count("no evidence") >= 2
    assert 'href="/ledger?seq=41#L41"' in text


async def test_a_fresh_incident_has_a_page(browser: httpx.AsyncClient) -> None:
    """Before there is any evidence the page says what is happening."""
    text = (await browser.get("/incidents/inc-00c1d2e3f4a5")).text
    assert "Evidence is being gathered" in text


async def test_only_changed_parts_are_sent_again(browser: httpx.AsyncClient, ports: Ports) -> None:
    """A browser that has everything gets nothing; after a step it gets the parts that changed."""
    page = (await browser.get(PAGE)).text
    have = re.findall(r'name="have" value="([^"]+)"', page)
    assert len(have) == 9
    assert (await browser.get(f"{PAGE}/parts", params={"have": have})).text == ""
    _keep(ports, story.resolved())
    parts = (await browser.get(f"{PAGE}/parts", params={"have": have})).text
    sent = set(re.findall(r'id="part-(\w+)" hx-swap-oob="true"', parts))
    assert {"header", "brief", "plan", "verification", "evidence", "timeline"} <= sent
    assert "hypotheses" in sent or "causes" not in sent


async def test_the_page_stands_without_the_action_server(browser: httpx.AsyncClient, ports: Ports) -> None:
    """When the door does not answer, the incident is shown and the banner says why nothing can be done."""
    assert isinstance(ports.door, FakeDoor)
    ports.door.failure = UpstreamError("nobody answers")
    text = (await browser.get(PAGE)).text
    assert "The action server does not answer" in text
    assert "Causes" in text


async def test_a_frozen_house_says_so_everywhere(browser: httpx.AsyncClient, ports: Ports) -> None:
    """The banner stands on every page while everything is stopped."""
    await ports.door.freeze("t", "")
    for path in (
        "/",
        PAGE,
        "/approvals",
        "/drills",
        "/agents",
        "/agents/responder",
        "/operations",
        "/ledger",
        "/slis",
        "/runbooks",
        "/settings",
    ):
        text = (await browser.get(path)).text
        assert "Frozen by operator" in text
        assert 'action="/resume"' in text


async def test_the_series_tell_before_worst_and_after(person: httpx.AsyncClient, ports: Ports) -> None:
    """Those that moved are there with their three figures, the constant one is not."""
    _keep(ports, story.resolved())
    body = (await person.get(f"/api/incidents/{story.ID}/series")).json()
    by_name = {p["metric"]: p for p in body["series"]}
    assert "constant" not in by_name
    assert by_name["latency p95"]["unit"] == "s"
    assert by_name["latency p95"]["before"] < 0.03 < 2 < by_name["latency p95"]["worst"]
    assert body["onset"] == story.at(-6).timestamp()
    assert body["fixed"] == story.at(36.2).timestamp()


async def test_without_telemetry_there_are_no_plots(tmp_path: object, person: httpx.AsyncClient, ports: Ports) -> None:
    """An unknown incident has no series, and a known one without data an empty list."""
    assert (await person.get("/api/incidents/inc-unknown/series")).status_code == 404


def test_plain_roles_are_drawn_first() -> None:
    """A service level that everyone can read comes before a louder private metric."""
    when = series.Span(start=0, onset=50, fixed=80, end=100)
    times = tuple(float(t) for t in range(100))
    private = Series(service="a", metric="my_counter", times=times, values=tuple(0.0 if t < 50 else 1e6 for t in times))
    plain = Series(service="a", metric="latency_p95", times=times, values=tuple(0.1 if t < 50 else 2.0 for t in times))
    assert [p.metric for p in series.tell([private, plain], when)] == ["latency p95", "my counter"]
    assert series.tell([Series(service="a", metric="x", times=(), values=())], when) == []


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("latency_p95", "s"),
        ("error_ratio", "ratio"),
        ('probe_ms{probe="x"}', "ms"),
        ("requests", ""),
        ("freshness_s", "s"),
    ],
)
def test_units_follow_the_name(metric: str, unit: str) -> None:
    """What a metric's name promises is how its figures are shown."""
    assert series.unit(metric) == unit


def test_the_stations_of_the_walk() -> None:
    """One station is current while it runs, none afterwards; what never happened is marked."""
    assert [s.state for s in stages(story.waiting())] == ["done"] * 3 + ["current"] + ["todo"] * 3
    assert {s.state for s in stages(story.resolved())} == {"done"}
    fresh = stages(story.fresh())
    assert [s.name for s in fresh if s.state == "current"] == ["Diagnosed"]
    assert "Approved" not in [s.name for s in fresh]
    opened = story.fresh().model_copy(update={"status": IncidentStatus.OPEN})
    assert [s.state for s in stages(opened)][:2] == ["done", "current"]
    dismissed = story.fresh().model_copy(update={"status": IncidentStatus.DISMISSED})
    assert [s.state for s in stages(dismissed)][2:] == ["skipped"] * 4


def test_confidence_over_time_ends_with_the_present() -> None:
    """The history of a hypothesis is its own, and the newest belief is last."""
    assert confidence_history(story.HISTORY, story.HYPOTHESES[0]) == [0.42, 0.71, 0.93]
    assert confidence_history(story.HISTORY, story.HYPOTHESES[2]) == [0.04]


def test_expired_approvals_are_not_open() -> None:
    """After its expiry an approval is listed as past, not as a question."""
    seen = view(story.waiting(), [story.APPROVAL], story.at(1000))
    assert seen.open_approvals == []
    assert seen.answered_approvals == [story.APPROVAL]


def test_a_sentence_needs_something_real() -> None:
    """Evidence that exists or a ledger entry carries a sentence, an invented id does not."""
    known = frozenset({"E1"})
    assert carried(Sentence(text="a", evidence=["E1"]), known)
    assert not carried(Sentence(text="a", evidence=["E9"]), known)
    assert brief_sections(story.fresh()) == []


def test_inbox_words_must_all_match() -> None:
    """Words are looked for in id, title, service and cause."""
    row = story.waiting().row()
    assert matches(row, "", "CHECKOUT pool_exhaustion")
    assert not matches(row, "", "checkout disk")
    assert not matches(row, "info", "")


async def test_causes_and_brief_say_what_was_not_seen(browser: httpx.AsyncClient, ports: Ports) -> None:
    """Silent sources, and services that show no signal of a kind, stand beside what was concluded; as text."""
    incident = story.resolved()
    assert incident.diagnosis is not None
    spots = {"blind_spots": ["loki of shop: Loki does not answer <now>"], "unseen": ["no spans of cache"]}
    _keep(ports, incident.model_copy(update={"diagnosis": incident.diagnosis.model_copy(update=spots)}))
    page = (await browser.get(PAGE)).text
    assert "2 blind spots" in page
    assert page.count("Loki does not answer &lt;now&gt;") == 2
    assert page.count("no spans of cache") == 2


def _with_a_model() -> Incident:
    """The resolved incident after a model was asked, whose words are hostile."""
    done, evil = story.resolved(), "<script>alert(1)</script>"
    assert done.diagnosis is not None
    assert done.brief is not None
    told = Evidence(
        id="E90", kind="runbook", source="runbooks/pool-exhaustion", excerpt=f"unlike a lock {evil}", tainted=True
    )
    idea = done.diagnosis.hypotheses[-1].model_copy(update={"rank": 9, "statement": "an idea", "by": "openai:m1"})
    first = done.diagnosis.hypotheses[0].model_copy(update={"apart": ["E90"]})
    usage = Usage(calls=4, input_tokens=9000, output_tokens=500, seconds=6.5, cost=0.012, currency="EUR")
    second = SecondOpinion(
        by="openai:m1",
        fell_back="openai:m1: too slow",
        engine_verdict=DiagnosisVerdict.FAULT,
        engine_confidence=0.97,
        speaks_for=[Sentence(text="the pool was full first", evidence=["E1"])],
        speaks_against=[Sentence(text="a lock was held as well", evidence=["E3"])],
        dropped=[f"names moon {evil}"],
        usage=usage,
    )
    diagnosis = done.diagnosis.model_copy(
        update={
            "hypotheses": [first, *done.diagnosis.hypotheses[1:], idea],
            "evidence": [*done.diagnosis.evidence, told],
            "second_opinion": second,
        }
    )
    brief = done.brief.model_copy(update={"model_use": usage.words()})
    return done.model_copy(update={"diagnosis": diagnosis, "brief": brief, "usage": usage, "model": "openai:m1"})


async def test_second_opinions_and_their_price_are_on_the_page(browser: httpx.AsyncClient, ports: Ports) -> None:
    """Both sides, what was dropped, who stood in, what it cost, what tells the cause apart; all of it escaped."""
    _keep(ports, _with_a_model())
    page = (await browser.get(PAGE)).text
    for words in (
        "Second opinion",
        "the pool was full first",
        "a lock was held as well",
        "1 claim dropped",
        "too slow",
    ):
        assert words in page
    for words in ("only openai:m1 holds it", "Told apart by", "unlike a lock", "6.5 s, 0.0120 EUR"):
        assert words in page
    assert "<script>alert" not in page
    assert page.count("4 calls, 9,500 tokens") == 3
