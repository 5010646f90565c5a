"""Silences and maintenance windows: which alerts they cover, and that nothing unclear silences anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.alert import Alert
from domain.clock import ManualClock
from domain.errors import EvidenceError
from domain.inventory import Inventory
from graph.quiet import QuietTimes, in_maintenance, never_quiet
from tests.fakes.house import House
from tests.fakes.responder import responder
from tests.fakes.world import World, alert
from tools.intake import route
from tools.telemetry.alertmanager import AlertmanagerSilences
from tools.telemetry.http_api import Access, HttpApi

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = Inventory.model_validate({"services": [{"name": "api", "kind": "api"}, {"name": "db", "kind": "database"}]})


def silence(*matchers: dict[str, Any], state: str = "active") -> dict[str, Any]:
    return {
        "id": "s1",
        "status": {"state": state},
        "matchers": list(matchers),
        "createdBy": "ada",
        "comment": "storage moves, password=hunter2secret",
        "endsAt": "2026-03-01T14:00:00.000Z",
    }


def alertmanager(answer: Callable[[httpx.Request], httpx.Response]) -> AlertmanagerSilences:
    transport = httpx.MockTransport(answer)
    return AlertmanagerSilences(HttpApi("Alertmanager", Access(url="http://am"), transport=transport))


def of(*rows: Any) -> AlertmanagerSilences:
    return alertmanager(lambda request: httpx.Response(200, json=list(rows)))


def quiet(source: AlertmanagerSilences) -> QuietTimes:
    return QuietTimes(SHOP, [source], ManualClock())


@pytest.mark.parametrize(
    ("rows", "covered"),
    [
        ([silence({"name": "service", "value": "db"})], True),
        ([silence({"name": "service", "value": "d.|api", "isRegex": True})], True),
        ([silence({"name": "service", "value": "d", "isRegex": True})], False),
        ([silence({"name": "service", "value": "db"}, {"name": "team", "value": "x"})], False),
        ([silence({"name": "team", "value": "", "isEqual": True}, {"name": "service", "value": "db"})], True),
        ([silence({"name": "service", "value": "api", "isEqual": False})], True),
        ([silence({"name": "service", "value": "db"}, state="expired")], False),
        ([silence()], False),
        ([silence({"name": "service", "value": "(", "isRegex": True})], False),
        ([silence({"value": "db"}), "nonsense", {"status": 7}], False),
        ([], False),
    ],
)
async def test_a_silence_covers_what_all_its_matchers_say(rows: list[Any], covered: bool) -> None:
    """Anchored patterns, missing labels as empty ones, negation; what is over, empty or unreadable covers nothing."""
    assert bool(await quiet(of(*rows))(alert(service="db", labels={}))) is covered


async def test_the_reason_is_told_without_secrets() -> None:
    """Who, until when, why."""
    said = await quiet(of(silence({"name": "service", "value": "db"})))(alert(service="db", labels={}))
    assert said.startswith("silenced by ada until 2026-03-01T14:00:00.000Z: storage moves")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "answer", [httpx.Response(500, json={}), httpx.Response(200, json={"a": 1}), httpx.Response(404)]
)
async def test_an_alertmanager_that_cannot_answer_silences_nobody(answer: httpx.Response) -> None:
    """Better an incident too many; the doctor says what is wrong."""
    source = alertmanager(lambda request: answer)
    assert await quiet(source)(alert()) == ""
    with pytest.raises(EvidenceError):
        await source.check(0.0)


async def test_silences_are_asked_for_once_in_a_while() -> None:
    """A storm of alerts asks once; the doctor counts what is active."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=[silence({"name": "a", "value": "b"})])

    source = alertmanager(answer)
    times = quiet(source)
    assert [await times(alert()) for _ in range(5)] == [""] * 5
    assert asked == ["/api/v2/silences"]
    assert (await source.check(0.0)).found == "1 silences are active"


def maintained(**window: Any) -> Inventory:
    times = {"start": NOON, "end": NOON + timedelta(hours=1), **window}
    return Inventory.model_validate({**SHOP.model_dump(), "maintenance": [times]})


def test_a_maintenance_window_covers_its_services_and_time() -> None:
    """From its start until before its end; without services all of them; one that runs backwards is refused."""
    planned = maintained(services=["db"], reason="storage moves")
    about_db = alert(service="db")
    assert in_maintenance(about_db, planned, NOON) == "maintenance until 2026-03-01T13:00:00+00:00: storage moves"
    assert in_maintenance(alert(service="api"), planned, NOON) == ""
    assert in_maintenance(about_db, planned, NOON - timedelta(seconds=1)) == ""
    assert in_maintenance(about_db, planned, NOON + timedelta(hours=1)) == ""
    assert in_maintenance(alert(service="api"), maintained(), NOON) != ""
    with pytest.raises(ValueError, match="an end after its start"):
        maintained(end=NOON)


def test_a_quiet_alert_opens_nothing_and_says_why() -> None:
    """It is suppressed with the reason."""
    way = route(alert(), now=NOON, quiet="maintenance until noon")
    assert (way.rule, way.incident, way.text) == ("suppressed", None, "maintenance until noon")


async def test_deliveries_ask_before_they_open(tmp_path: Path) -> None:
    """The receipt has the reason, and there is no incident."""

    async def planned(found: Alert) -> str:
        return f"maintenance of {found.service}"

    assert await never_quiet(alert()) == ""
    async with responder(House(World()), tmp_path, quiet=planned) as runner:
        delivery = await runner.submit_delivery("generic", {}, b"[{}]")
        while not (receipts := await runner.delivery(delivery)):
            pass
        assert [(r.rule, r.incident) for r in receipts] == [("suppressed", None)]
        assert "maintenance of api" in receipts[0].text
        assert (await runner.incidents()).incidents == []
