"""Heartbeats: whose silence it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from domain.clock import ManualClock
from domain.crew import AgentState
from domain.errors import StorageUnavailableError
from domain.lifecycle import Phase, RuntimeStatus
from governance.attribution import Cause
from governance.charging import charges
from governance.guard import heartbeats as heartbeats_module
from governance.guard.heartbeats import watch_forever
from governance.guard.server import build_action_server
from governance.pulse import LIFE_S, Pulse, Silence, Work, follow
from governance.revocation import revocation
from governance.state import keys
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from governance.state.pulses import CrewPulses
from governance.violations import Violation
from tests.fakes.guard import RESTART, Scene, actor, plan

NOW = ManualClock().now()
ME: Work = ("responder", "inc-1")
ONE = Pulse(agent="responder", change="inc-1", beat=None)
OTHER = Pulse(agent="other", change="inc-2", beat=None)
ALIVE = Pulse(agent="other", change="inc-2", beat=NOW)


def looks(*rounds: Sequence[Pulse], heard: dict[Work, int] | None = None, every_s: float = 10) -> list[Cause | None]:
    """Causes of all suspicions of looks in a row; `heard`: seconds after the first look at which somebody asked."""
    asked = {work: NOW + timedelta(seconds=after) for work, after in (heard or {}).items()}
    known: dict[Work, Silence] = {}
    causes: list[Cause | None] = []
    for number, pulses in enumerate(rounds):
        now = NOW + timedelta(seconds=number * every_s)
        until_now: dict[Work, datetime] = {work: at for work, at in asked.items() if at <= now}
        known, found = follow(pulses, known, until_now, now)
        causes += [s.excuse.cause if s.excuse else None for s in found]
    return causes


def test_who_beats_is_not_suspected() -> None:
    """Alive, or nobody at work."""
    assert looks([], []) == []
    assert looks([ALIVE], [ALIVE], [ALIVE]) == []


def test_all_silent_together_is_the_infrastructure() -> None:
    """The store or the network, even though they go on asking; said once."""
    both = [ONE, OTHER]
    assert looks(both) == []
    heard = {ME: 5, ("other", "inc-2"): 5}
    assert looks(both, both, both, heard=heard) == [Cause.INFRASTRUCTURE, Cause.INFRASTRUCTURE]


def test_one_that_goes_on_asking_answers_for_its_silence() -> None:
    """It is alive, and so is what it works with: alone or beside others, charged once."""
    for pulses in ([ONE], [ONE, ALIVE]):
        assert looks(pulses, pulses, pulses, pulses, heard={ME: 5}) == [None]


def test_one_that_stood_still_for_a_moment_is_not_suspected() -> None:
    """It asks again, and beats again before the next look."""
    assert looks([ONE], [ONE], [], [], heard={ME: 5}) == []


def test_a_dead_process_is_no_violation() -> None:
    """What it asked before it fell silent says nothing about it; it is recorded, and not charged."""
    rounds = [[ONE, ALIVE]] * (int(LIFE_S) // 10 + 1)
    assert looks(*rounds[:-1], heard={ME: 0}) == []
    assert looks(*rounds, heard={ME: 0}) == [Cause.INFRASTRUCTURE]


class Beats:
    """Heartbeats as a test sets them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.alive = True
        self.asked: list[Work] = []

    async def read(self, working: Sequence[Work]) -> list[Pulse]:
        self.asked = list(working)
        beat = self.scene.clock.now() if self.alive else None
        return [Pulse(agent=agent, change=change, beat=beat) for agent, change in working]

    async def silent_while_asking(self) -> int:
        """Three looks, and questions between them; how many charges they make."""
        made = 0
        for _ in range(3):
            made += len(await self.scene.guard.trust.check_pulses(self))
            self.scene.clock.advance(5)
            self.scene.guard.trust.heartbeats.heard(actor())
            self.scene.clock.advance(5)
        return made


async def test_a_silence_is_charged_once_and_again_when_it_comes_back() -> None:
    """Not with every look."""
    scene = Scene()
    beats = Beats(scene)
    await scene.agent.judge(plan(RESTART), actor())
    assert await scene.guard.trust.check_pulses(beats) == []
    assert beats.asked == [ME]
    beats.alive = False
    assert await beats.silent_while_asking() == 1
    [charge] = charges(scene.store)
    assert (charge.violation, charge.charged) == (Violation.HEARTBEAT_TIMEOUT, True)
    assert await beats.silent_while_asking() == 0
    beats.alive = True
    await scene.guard.trust.check_pulses(beats)
    beats.alive = False
    assert await beats.silent_while_asking() == 1
    assert revocation(scene.store, "responder") is not None
    assert len(charges(scene.store)) == 2
    await scene.guard.quiet()


async def test_who_closed_its_run_owes_nothing() -> None:
    """Nobody listens for it any more; what was heard of it last is still known."""
    scene = Scene()
    beats = Beats(scene)
    await scene.agent.judge(plan(RESTART), actor())
    await scene.guard.trust.check_pulses(beats)
    report = {"agent": "responder", "run": "r-1", "outcome": "healthy", "phases": [], "artifacts": ["brief"]}
    await scene.agent.record("closing", "inc-1", report)
    await scene.guard.trust.check_pulses(beats)
    assert beats.asked == []
    found = scene.guard.agents_for("operator-token-of-a-test-0001").detail("responder")
    assert (found.heartbeat, found.asked) == (scene.clock.now(), scene.clock.now())


class AtWork:
    """The crew's store with one agent that said where it stands."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.crew = Crew(MemoryState(self.clock), self.clock)
        self.pulses = CrewPulses(self.crew, self.clock)

    async def stand(self, status: RuntimeStatus) -> None:
        at = self.clock.now()
        await self.crew.report(AgentState(agent="responder@inc-1", phase=Phase.PLAN, status=status, at=at))


async def test_only_agents_at_work_owe_a_heartbeat() -> None:
    """Nobody of the crew, a name that cannot stand there, and a paused one owe none."""
    here = AtWork()
    await here.stand(RuntimeStatus.PAUSED)
    assert await here.pulses.read([ME, ("chaos", "chaos-1"), ("a name with spaces", "inc-1")]) == []


async def test_a_heartbeat_is_the_newest_sign_that_still_lives() -> None:
    """A word about where it stands counts as long as a heartbeat lives; then only a heartbeat does."""
    here = AtWork()
    await here.stand(RuntimeStatus.RUNNING)
    said = here.clock.now()
    assert [p.beat for p in await here.pulses.read([ME])] == [said]
    here.clock.advance(keys.HEARTBEAT_S)
    assert [p.beat for p in await here.pulses.read([ME])] == [None]
    await here.crew.beat("responder@inc-1")
    assert [p.beat for p in await here.pulses.read([ME])] == [here.clock.now()]


async def test_a_silent_store_blinds_the_watch_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is charged for it, and the watch goes on."""
    monkeypatch.setattr(heartbeats_module, "EVERY_S", 0.001)
    tries = 0

    async def away() -> None:
        nonlocal tries
        tries += 1
        raise StorageUnavailableError("nobody answers")

    task = asyncio.ensure_future(watch_forever(away))
    async with asyncio.timeout(5):
        while tries < 3:
            await asyncio.sleep(0)
    assert not task.done()
    task.cancel()


async def test_the_action_server_looks_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its start to its end; an agent that works without a heartbeat is charged with nobody asking for it."""
    monkeypatch.setattr(heartbeats_module, "EVERY_S", 0.001)
    scene, here = Scene(), AtWork()
    await here.stand(RuntimeStatus.RUNNING)
    here.clock.advance(LIFE_S)
    app = build_action_server(scene.guard, pulses=here.pulses)
    await scene.agent.judge(plan(RESTART), actor())
    async with asyncio.timeout(10), app.router.lifespan_context(app):
        while not charges(scene.store):
            scene.clock.advance(1)
            scene.guard.trust.heartbeats.heard(actor())
            await asyncio.sleep(0.002)
    assert [(c.violation, c.charged) for c in charges(scene.store)] == [(Violation.HEARTBEAT_TIMEOUT, True)]
