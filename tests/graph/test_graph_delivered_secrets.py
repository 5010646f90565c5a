"""Secrets that a sender writes into a delivery: they reach no store, and no alert passes for another because of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.conditions import Condition
from domain.redaction import redact, redact_body
from graph.deliveries import as_told_apart, told_apart
from tests.fakes.house import House
from tests.fakes.responder import all_closed, responder, until
from tests.fakes.world import World, alert
from tools.intake import normalise

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
SOURCES = {"alertmanager": "alertmanager", "prometheus": "alertmanager", "github": "change", "cdevents": "change"}
SAMPLES = [p for p in sorted(PAYLOADS.glob("*.json")) if p.name.partition("_")[0] in SOURCES and "pull" not in p.name]
CANARY = "canary-5f0c1de2a9b8"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def house() -> House:
    return House(World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"}))


def kept(home: Path) -> bytes:
    """All files of the records, whatever SQLite left in them."""
    return b"".join(f.read_bytes() for f in home.iterdir())


async def test_a_delivered_secret_reaches_no_store(tmp_path: Path) -> None:
    """In words, in a label with a telling name, in a link and in a header: the run goes its way without them."""
    row = {
        "title": f"login failed with password={CANARY}",
        "summary": f"see https://ada:{CANARY}@wiki.example/shop",
        "labels": {"db_password": CANARY, "service": "api"},
    }
    headers, one = {"X-Sender-Token": CANARY}, house()
    async with responder(one, tmp_path) as runner:
        await runner.submit_delivery("generic", headers, json.dumps([row]).encode())
        (incident,) = await until(runner, all_closed)
        assert CANARY.encode() not in kept(tmp_path)
    assert CANARY.encode() not in kept(tmp_path)
    assert incident.outcome == "mitigated"
    assert incident.title == "login failed with password=[redacted:value]"
    assert incident.alerts[0].labels == {"db_password": "[redacted:value]", "service": "api"}
    assert CANARY not in repr(list(one.saver.list(None)))


async def test_alerts_that_differ_in_a_secret_only_stay_two(tmp_path: Path) -> None:
    """Identities that read like secrets become digests; labels that were taken out still tell alerts apart."""
    rows = [{"identity": f"token=cert-{n}", "episode_id": f"e{n}", "group_key": "certs"} for n in (1, 2)]
    async with responder(house(), tmp_path) as runner:
        delivery = await runner.submit_delivery("generic", {}, json.dumps(rows).encode())
        await until(runner, all_closed)
        one, two = [r.identity for r in await runner.delivery(delivery)]
    assert one != two
    assert one.startswith("sha256:")
    raw = json.dumps({"title": "t", "labels": {"db_password": CANARY}}).encode()
    (raw_one,) = normalise("generic", {}, raw, NOW, "d1").alerts
    (clean,) = normalise("generic", {}, redact_body(raw), NOW, "d1").alerts
    assert clean.identity != raw_one.identity
    assert as_told_apart([clean], json.dumps([told_apart(raw_one)]))[0].identity == raw_one.identity


def test_a_delivery_from_before_is_told_apart_by_itself() -> None:
    """What was stored without that word, or does not fit it, is taken as it is."""
    assert as_told_apart([alert()], "") == [alert()]
    assert as_told_apart([alert()], "[]") == [alert()]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_samples_say_the_same_without_secrets(path: Path) -> None:
    """As many alerts and changes, with the same titles; taking secrets out twice changes nothing."""
    raw, source = path.read_bytes(), SOURCES[path.name.partition("_")[0]]
    headers = {"x-github-event": "deployment", "x-github-delivery": "d-1"} if "github" in path.name else {}
    clean = redact_body(raw)
    assert redact_body(clean) == clean
    before, after = (normalise(source, headers, body, NOW, "d1") for body in (raw, clean))
    assert [redact(a.title) for a in before.alerts] == [a.title for a in after.alerts]
    assert [(c.service, c.kind) for c in before.changes] == [(c.service, c.kind) for c in after.changes]
    assert before.alerts or before.changes


def test_a_body_that_is_no_json_is_taken_as_text() -> None:
    """Bytes that are no text survive as they are."""
    assert redact_body(b"payload: \xff password=hunter2 end") == b"payload: \xff password=[redacted:value] end"
