"""Who is silent, and whose fault that is: charged only when the agent goes on asking the guard while it does not beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from governance.attribution import Cause, Excuse, Suspicion
from governance.violations import Violation

LIFE_S = 60.0
"""Seconds that a heartbeat lives; one is sent every thirty."""
Work = tuple[str, str]
"""(agent, change): an agent at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """An agent that owes a heartbeat for a change, and the last one that still lives."""

    agent: str
    change: str
    beat: datetime | None
    """None: none came within its life."""

    @property
    def work(self) -> Work:
        """Whose it is."""
        return self.agent, self.change


class Pulses(Protocol):
    """Where heartbeats are read."""

    async def read(self, working: Sequence[Work]) -> list[Pulse]:
        """One per (agent, change) that owes one now. Raises StorageError when the store cannot be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """An agent at work without a heartbeat, from look to look."""

    since: datetime
    """The first look that found it silent."""
    asking: bool = False
    """It has asked the guard for something since: it is alive, and the store that it works with is too."""
    told: bool = False
    """It was looked at already."""


def follow(
    pulses: Sequence[Pulse], known: Mapping[Work, Silence], heard: Mapping[Work, datetime], now: datetime
) -> tuple[dict[Work, Silence], list[Suspicion]]:
    """The silences after this look, and a suspicion for each whose cause has become clear.

    A silence is followed over at least two looks: what stood still for a moment beats again before it is suspected.
    `heard`: when (agent, change) last asked the guard for something.
    """
    silent = [pulse for pulse in pulses if pulse.beat is None]
    together = len(silent) if len(silent) == len(pulses) else 0
    after: dict[Work, Silence] = {}
    found: list[Suspicion] = []
    for pulse in silent:
        before = known.get(pulse.work)
        silence = after[pulse.work] = _followed(before, heard.get(pulse.work), now)
        if before is not None and not before.told and _clear(before, silence, together, now):
            after[pulse.work] = replace(silence, told=True)
            found.append(_suspicion(pulse, _excuse(before, together)))
    return after, found


def _followed(before: Silence | None, heard: datetime | None, now: datetime) -> Silence:
    if before is None:
        return Silence(since=now)
    return replace(before, asking=before.asking or (heard is not None and heard > before.since))


def _clear(before: Silence, silence: Silence, together: int, now: datetime) -> bool:
    """All at once; still silent at the look after the one that saw it ask; or silent in every way for long."""
    gone = not silence.asking and now - before.since >= timedelta(seconds=LIFE_S)
    return together > 1 or before.asking or gone


def _suspicion(pulse: Pulse, excuse: Excuse | None) -> Suspicion:
    return Suspicion(
        violation=Violation.HEARTBEAT_TIMEOUT,
        agent=pulse.agent,
        change=pulse.change,
        what=f"no heartbeat for {pulse.change} within {LIFE_S:.0f} s",
        excuse=excuse,
    )


def _excuse(before: Silence, together: int) -> Excuse | None:
    """All silent at once is the store or the network; one of which nothing else was heard may be dead."""
    if together > 1:
        text = f"the heartbeats of all {together} agents at work were lost together"
        return Excuse(cause=Cause.INFRASTRUCTURE, evidence=text)
    if not before.asking:
        return Excuse(cause=Cause.INFRASTRUCTURE, evidence="nothing at all was heard of it: its process may be gone")
    return None
