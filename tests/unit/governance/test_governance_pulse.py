"""Heartbeats: whose silence it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.clock import ManualClock
from governance.attribution import Cause
from governance.charging import charges
from governance.pulse import LIFE_S, Pulse, silences
from governance.revocation import revocation
from governance.violations import Violation
from tests.fakes.guard import RESTART, Scene, actor, plan

NOW = ManualClock().now()
ONE = Pulse(agent="responder", change="inc-1", alive=False)


def causes(*pulses: Pulse, heard: dict[tuple[str, str], int] | None = None) -> list[Cause | None]:
    at = {key: NOW - timedelta(seconds=ago) for key, ago in (heard or {}).items()}
    return [s.excuse.cause if s.excuse else None for s in silences(pulses, at, NOW)]


def test_who_beats_is_not_suspected() -> None:
    """Alive, or nobody at work."""
    assert causes() == []
    assert causes(Pulse(agent="responder", change="inc-1", alive=True)) == []


def test_all_silent_together_is_the_infrastructure() -> None:
    """The store or the network, even though they go on asking."""
    two = Pulse(agent="other", change="inc-2", alive=False)
    heard = {("responder", "inc-1"): 1, ("other", "inc-2"): 1}
    assert causes(ONE, two, heard=heard) == [Cause.INFRASTRUCTURE, Cause.INFRASTRUCTURE]


def test_one_that_is_silent_beside_others_answers_for_it() -> None:
    """The way works: somebody else's heartbeat came through."""
    assert causes(ONE, Pulse(agent="other", change="inc-2", alive=True)) == [None]


def test_one_alone_answers_for_it_only_while_it_goes_on_asking() -> None:
    """A dead process is no violation; one that acts and does not beat is."""
    assert causes(ONE) == [Cause.INFRASTRUCTURE]
    assert causes(ONE, heard={("responder", "inc-1"): int(LIFE_S) + 1}) == [Cause.INFRASTRUCTURE]
    assert causes(ONE, heard={("responder", "inc-1"): 5}) == [None]


class Beats:
    """Heartbeats as a test sets them."""

    def __init__(self) -> None:
        self.alive = True
        self.asked: list[tuple[str, str]] = []

    async def read(self, working: Sequence[tuple[str, str]]) -> list[Pulse]:
        self.asked = list(working)
        return [Pulse(agent=agent, change=change, alive=self.alive) for agent, change in working]


async def test_a_silence_is_charged_once_and_again_when_it_comes_back() -> None:
    """Not with every look."""
    scene, beats = Scene(), Beats()
    await scene.agent.judge(plan(RESTART), actor())
    assert await scene.guard.trust.check_pulses(beats) == []
    assert beats.asked == [("responder", "inc-1")]
    beats.alive = False
    [charge] = await scene.guard.trust.check_pulses(beats)
    assert (charge.violation, charge.charged) == (Violation.HEARTBEAT_TIMEOUT, True)
    assert await scene.guard.trust.check_pulses(beats) == []
    beats.alive = True
    await scene.guard.trust.check_pulses(beats)
    beats.alive = False
    assert len(await scene.guard.trust.check_pulses(beats)) == 1
    assert revocation(scene.store, "responder") is not None
    assert len(charges(scene.store)) == 2
    await scene.guard.quiet()


async def test_who_closed_its_run_owes_nothing() -> None:
    """Nobody listens for it any more."""
    scene, beats = Scene(), Beats()
    await scene.agent.judge(plan(RESTART), actor())
    report = {"agent": "responder", "run": "r-1", "outcome": "healthy", "phases": [], "artifacts": ["brief"]}
    await scene.agent.record("closing", "inc-1", report)
    await scene.guard.trust.check_pulses(beats)
    assert beats.asked == []
