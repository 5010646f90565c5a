"""Watching users: how long they are served, and how the processes stood when that began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.bundle import Reading
from domain.clock import ManualClock
from graph.watch import watch_users


@dataclass
class Script:
    """Per look: are users served, does the process run, how often was it started again. The last row stays."""

    rows: list[tuple[bool, bool, int]]
    looks: int = 0
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def names(self) -> list[str]:
        return ["http_health", "tcp_health", "process_state"]

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        served, running, restarts = self.rows[min(self.looks, len(self.rows) - 1)]
        if names == ["process_state"]:
            self.asked.append(tuple(services or ()))
            values = {"restarts": restarts}
            return [Reading(probe="process_state", service="api", time=0.0, ok=running, values=values)]
        self.looks += 1
        return [Reading(probe="http_health", service="shop", time=0.0, ok=served, values={"user_facing": True})]


async def test_a_process_counts_from_when_it_runs() -> None:
    """A start that belongs to the cure is no relapse: the process is read once it runs, and then never again."""
    script = Script(rows=[(True, False, 3), (True, False, 3), (True, True, 4)])
    watch = await watch_users(script, ManualClock(), hold_s=6.0, patience_s=20.0, processes=["api"])
    assert watch.good
    assert watch.settled["api"].values["restarts"] == 4
    assert script.asked == [("api",)] * 2


async def test_a_break_of_service_starts_anew() -> None:
    """What was read before the break says nothing about the cure."""
    script = Script(rows=[(True, True, 1), (True, True, 1), (False, True, 2), (True, True, 2)])
    watch = await watch_users(script, ManualClock(), hold_s=6.0, patience_s=20.0, processes=["api"])
    assert watch.settled["api"].values["restarts"] == 2


async def test_nothing_to_watch_asks_nothing() -> None:
    """Without a process at fault only users are looked at, for as long as before."""
    script, clock = Script(rows=[(True, True, 1)]), ManualClock()
    watch = await watch_users(script, clock, hold_s=6.0, patience_s=20.0)
    assert (watch.good, watch.settled, script.asked, clock.monotonic()) == (True, {}, [], 6.0)
