"""Alert rules over made-up seconds: when they fire, when they stay quiet, when they let go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.inventory import Inventory
from tools.telemetry import roles
from tools.telemetry.book import AlertBook, fingerprint
from tools.telemetry.rules import LEAST_TICKS, tiers
from tools.telemetry.sli import Objective, Recent, objectives

START = 1_700_000_000.0
PROBE = roles.named(roles.PROBE_UP, probe="shop")
AVAILABLE = Objective(service="web", name="up", sli="availability", target=0.99, probes=("shop",))


class World:
    """Ticks an alert book through seconds."""

    def __init__(self, *watched: Objective) -> None:
        self.book = AlertBook("shop", watched or (AVAILABLE,))
        self.recent = Recent()
        self.now = START
        self.sent: list[tuple[float, dict[str, Any]]] = []

    def run(self, seconds: int, values: Callable[[int], dict[str, float]] | dict[str, float]) -> World:
        for second in range(seconds):
            self.now += 1
            self.recent.add(self.now, "web", values(second) if callable(values) else values)
            sent = self.book.tick(self.recent, self.now)
            if sent:
                self.sent.append((self.now - START, sent))
        return self

    def statuses(self) -> list[str]:
        return [s["status"] for _, s in self.sent]


GOOD, BAD = {PROBE: 1.0}, {PROBE: 0.0}


def test_an_outage_fires_within_ten_seconds_and_resolves_after() -> None:
    """Four to ten seconds after users suffer somebody is told; once they are well again, that is told too."""
    world = World().run(30, GOOD).run(20, BAD).run(30, GOOD)
    (fired, first), (resolved, last) = world.sent
    assert 34 <= fired <= 40
    assert 58 <= resolved <= 70
    assert (first["status"], last["status"]) == ("firing", "resolved")
    alert = first["alerts"][0]
    assert alert["labels"]["alertname"] == "AvailabilityBurn"
    assert alert["startsAt"].startswith("2023-11-14T22:13:51")
    assert alert["endsAt"].startswith("0001-01-01")
    assert last["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert last["alerts"][0]["startsAt"] == alert["startsAt"]


@pytest.mark.parametrize("blip", range(1, LEAST_TICKS))
def test_blips_raise_no_alarm(blip: int) -> None:
    """One, two or three bad seconds now and then are nobody's business."""
    assert World().run(40, GOOD).run(blip, BAD).run(60, GOOD).run(blip, BAD).run(30, GOOD).sent == []


def test_booting_raises_no_alarm() -> None:
    """What was never healthy is not broken yet."""
    assert World().run(45, BAD).run(60, GOOD).sent == []


def test_what_never_becomes_healthy_is_reported_in_the_end() -> None:
    """A system that does not come up at all is an incident, after a patient wait."""
    world = World().run(130, BAD)
    assert world.statuses()[0] == "firing"
    assert 90 <= world.sent[0][0] <= 120


def test_a_new_blip_after_an_incident_is_still_a_blip() -> None:
    """The long windows forget what was before the last resolution."""
    world = World().run(30, GOOD).run(20, BAD).run(40, GOOD)
    assert world.statuses() == ["firing", "resolved"]
    world.run(2, BAD).run(60, GOOD)
    assert world.statuses() == ["firing", "resolved"]
    world.run(20, BAD)
    assert world.statuses() == ["firing", "resolved", "firing"]
    assert world.sent[-1][1]["alerts"][0]["startsAt"] > world.sent[0][1]["alerts"][0]["startsAt"]


def test_what_breaks_again_before_its_alert_resolved_is_told_as_a_new_episode() -> None:
    """Mended for a few seconds and broken anew: said at once, with a start of its own, not at the next repeat."""
    world = World().run(30, GOOD).run(12, BAD).run(6, GOOD).run(12, BAD)
    (_, first), (told, again) = world.sent
    assert (first["status"], again["status"]) == ("firing", "firing")
    assert 30 + 12 + 6 + LEAST_TICKS <= told <= 30 + 12 + 6 + 8
    assert again["notification_reason"] == "changed"
    assert again["alerts"][0]["startsAt"] > first["alerts"][0]["startsAt"]
    assert again["alerts"][0]["fingerprint"] == first["alerts"][0]["fingerprint"]
    over = again["alerts"][1]
    assert (over["status"], over["startsAt"]) == ("resolved", first["alerts"][0]["startsAt"])
    assert over["endsAt"] == again["alerts"][0]["startsAt"]


@pytest.mark.parametrize(("good", "bad"), [(2, 12), (6, LEAST_TICKS - 1)])
def test_an_outage_that_flickers_is_one_episode(good: int, bad: int) -> None:
    """A second of service in between, or a blip while the alert cools, is the same trouble."""
    world = World().run(30, GOOD).run(12, BAD).run(good, GOOD).run(bad, BAD)
    assert [s["notification_reason"] for _, s in world.sent] == ["first"]


def test_silence_is_not_health() -> None:
    """A check that stops reporting keeps its alert firing."""
    world = World().run(30, GOOD).run(20, BAD).run(90, {})
    assert "resolved" not in world.statuses()


def test_an_error_ratio_without_traffic_has_nothing_left_to_say() -> None:
    """Requests stopped altogether: the ratio's alert goes, others carry on."""
    ratio = Objective(service="web", name="errors", sli="error_ratio", target=0.99)
    fine, failing = {"request_rate": 8.0, "error_rate": 0.0}, {"request_rate": 8.0, "error_rate": 4.0}
    world = World(ratio).run(30, fine).run(15, failing).run(60, {})
    assert world.statuses() == ["firing", "resolved"]


def test_few_requests_are_no_ratio() -> None:
    """One failed request at night does not wake anybody."""
    ratio = Objective(service="web", name="errors", sli="error_ratio", target=0.99)

    def rare(second: int) -> dict[str, float]:
        return {"request_rate": 1.0, "error_rate": 1.0} if second == 0 else {"request_rate": 0.0}

    assert World(ratio).run(60, rare).sent == []


@pytest.mark.parametrize(
    ("sli", "metric", "target", "good", "bad"),
    [
        ("latency_p95", "latency_p95", 0.5, 0.1, 2.0),
        ("saturation", "saturation", 0.9, 0.2, 1.0),
        ("saturation", "disk_used_ratio", 0.9, 0.2, 1.0),
        ("freshness", "freshness_s", 10.0, 1.0, 60.0),
        ("process", "process_up", 0.99, 1.0, 0.0),
    ],
)
def test_every_indicator_fires_and_resolves(sli: str, metric: str, target: float, good: float, bad: float) -> None:
    """Thresholds and the running process behave like the rest, with words of their own."""
    watched = Objective(service="web", name="x", sli=sli, target=target)  # type: ignore[arg-type]
    world = World(watched).run(30, {metric: good}).run(25, {metric: bad}).run(40, {metric: good})
    assert world.statuses() == ["firing", "resolved"]
    assert 34 <= world.sent[0][0] <= 42
    assert "web" in world.sent[0][1]["alerts"][0]["annotations"]["summary"]
    row = world.book.readings(world.recent, world.now, {})[0]
    assert row.value == pytest.approx(good)
    assert not row.firing


def test_a_slow_burn_is_seen_too_and_called_less_severe() -> None:
    """Two bad seconds in every twenty burn six times the budget: told, one step milder."""
    world = World(AVAILABLE).run(30, GOOD).run(240, lambda s: BAD if s % 20 in (0, 1) else GOOD)
    assert world.statuses()[0] == "firing"
    assert world.sent[0][1]["alerts"][0]["labels"]["severity"] == "warning"


def test_one_outage_is_one_group_and_a_repeat_says_so() -> None:
    """All alerts of a system share a group; a long outage is told again with its reason."""
    process = Objective(service="web", name="runs", sli="process", target=0.99)
    world = World(AVAILABLE, process)
    world.run(30, GOOD | {"process_up": 1.0}).run(200, BAD | {"process_up": 0.0})
    assert {s["groupKey"] for _, s in world.sent} == {'{}:{system="shop"}'}
    assert len(world.sent[-1][1]["alerts"]) == 2
    assert world.sent[-1][1]["notification_reason"] == "repeat"
    assert len({s["alerts"][0]["startsAt"] for _, s in world.sent}) == 1


def test_states_survive_the_collector() -> None:
    """A new book that loads the old one's data goes on: no second first notification, and the resolution comes."""
    world = World().run(30, GOOD).run(15, BAD)
    data = world.book.dump()
    world.book = AlertBook("shop", (AVAILABLE,))
    world.book.load(data, gap_s=3.0)
    world.run(5, BAD).run(30, GOOD)
    assert world.statuses() == ["firing", "resolved"]


def test_after_a_long_gap_the_system_boots_again() -> None:
    """A restart of everything does not judge the boot."""
    world = World().run(30, GOOD)
    data = world.book.dump()
    world.book = AlertBook("shop", (AVAILABLE,))
    world.book.load(data, gap_s=300.0)
    world.recent = Recent()
    assert world.run(20, BAD).run(30, GOOD).sent == []


def test_budget_seconds_and_sparkline() -> None:
    """Each tick's share is counted once warm, and the last values are drawn."""
    world = World()
    world.run(1, BAD)
    assert world.book.spent_now(world.recent, world.now) == {}
    world.run(1, GOOD)
    assert world.book.spent_now(world.recent, world.now) == {AVAILABLE.key: (0.0, 1.0)}
    row = world.book.readings(world.recent, world.now, {AVAILABLE.key: 0.5})[0]
    assert row.series[-2:] == [0.0, 1.0]
    assert row.budget_left == 0.5
    assert row.burn_short is not None


def test_objectives_follow_from_the_inventory() -> None:
    """Written objectives, then what goes without saying; users' checks are what availability means."""
    inventory = Inventory.model_validate(
        {
            "system": "s",
            "services": [
                {
                    "name": "web",
                    "kind": "frontend",
                    "criticality": "high",
                    "probes": [
                        {"kind": "http", "name": "home", "url": "http://x/", "user_facing": True},
                        {"kind": "http", "name": "health", "url": "http://x/h"},
                    ],
                    "slos": [{"name": "fast", "sli": "latency_p95", "target": 0.5}],
                    "bindings": {"process": {"via": "control"}},
                },
                {"name": "db", "kind": "database"},
            ],
        }
    )
    found = {o.sli: o for o in objectives(inventory)}
    assert set(found) == {"latency_p95", "process", "availability"}
    assert found["availability"].probes == ("home",)
    assert found["availability"].implicit
    assert len({fingerprint("s", o) for o in found.values()}) == 3


def test_classic_windows_scale() -> None:
    """At scale one the windows are those of the workbook."""
    fast, slow = tiers(1.0)
    assert (fast.long_s, fast.short_s, slow.long_s, slow.short_s) == (3600, 300, 21600, 1800)


@given(st.lists(st.booleans(), min_size=1, max_size=120))
@settings(max_examples=60, deadline=None)
def test_notifications_always_make_sense(seconds: Iterable[bool]) -> None:
    """Whatever happens: first firing, then changes, and never a resolution of what did not fire."""
    world = World().run(10, GOOD)
    for good in seconds:
        world.run(1, GOOD if good else BAD)
    firing, began = False, ""
    for _, sent in world.sent:
        starts = sent["alerts"][0]["startsAt"]
        repeated, anew = sent["notification_reason"] == "repeat", firing and starts > began
        assert sent["status"] == ("resolved" if firing else "firing") or repeated or anew
        firing, began = sent["status"] == "firing", starts
