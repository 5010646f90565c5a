"""Who is silent, and whose fault that is: a missing heartbeat is charged only when the way it takes is known to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from governance.attribution import Cause, Excuse, Suspicion
from governance.violations import Violation

LIFE_S = 60.0
"""Seconds that a heartbeat lives; one is sent every thirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """An agent that owes a heartbeat for a change, and whether it has one."""

    agent: str
    change: str
    alive: bool


class Pulses(Protocol):
    """Where heartbeats are read."""

    async def read(self, working: Sequence[tuple[str, str]]) -> list[Pulse]:
        """One per (agent, change) that owes one now. Raises StorageError when the store cannot be read."""
        ...


def silences(pulses: Sequence[Pulse], heard: Mapping[tuple[str, str], datetime], now: datetime) -> list[Suspicion]:
    """A suspicion for every silent agent. `heard`: when (agent, change) last asked the guard for something."""
    silent = [pulse for pulse in pulses if not pulse.alive]
    together = len(silent) == len(pulses)
    return [_suspicion(pulse, len(silent), together, heard.get((pulse.agent, pulse.change)), now) for pulse in silent]


def _suspicion(pulse: Pulse, count: int, together: bool, heard: datetime | None, now: datetime) -> Suspicion:
    return Suspicion(
        violation=Violation.HEARTBEAT_TIMEOUT,
        agent=pulse.agent,
        change=pulse.change,
        what=f"no heartbeat for {pulse.change} within {LIFE_S:.0f} s",
        excuse=_excuse(count, together, heard, now),
    )


def _excuse(count: int, together: bool, heard: datetime | None, now: datetime) -> Excuse | None:
    """All silent at once is the store or the network; one alone, when nothing else was heard of it, may be dead."""
    if together and count > 1:
        text = f"the heartbeats of all {count} agents at work were lost together"
        return Excuse(cause=Cause.INFRASTRUCTURE, evidence=text)
    asking = heard is not None and now - heard <= timedelta(seconds=LIFE_S)
    if together and not asking:
        return Excuse(cause=Cause.INFRASTRUCTURE, evidence="nothing at all was heard of it: its process may be gone")
    return None
