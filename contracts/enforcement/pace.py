"""The rollout's own clock: seconds since its start by the machine's monotonic clock, also across a restart of the process.

A wall clock that is set forward, back, or corrected for a leap cannot end a stage early or hold it up; that it happened is noted.
Linux's monotonic clock counts from the start of the machine, so a process that takes over goes on where the other one was killed.
Only when the machine itself was restarted the wall clock is believed, and that is noted too.
"""

from __future__ import annotations

from pathlib import Path

from contracts.enforcement.rollout import Rollout

JUMP_S = 2.0
"""Differences between both clocks below this are drift and correction."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Which start of the machine this is; empty where nothing says so."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def advanced(rollout: Rollout, monotonic: float, wall: float, boot: str) -> Rollout:
    """The rollout at this moment."""
    by_wall, by_monotonic = wall - rollout.wall, monotonic - rollout.monotonic
    same = boot == rollout.boot and by_monotonic >= 0.0
    passed = by_monotonic if same else max(0.0, by_wall)
    update = {"clock": rollout.clock + passed, "monotonic": monotonic, "wall": wall, "boot": boot}
    moved = rollout.model_copy(update=update)
    if not same:
        return moved.noted(f"the machine was restarted; {passed:.0f} s are counted by the wall clock")
    if abs(by_wall - by_monotonic) > JUMP_S:
        jump = by_wall - by_monotonic
        return moved.noted(f"the wall clock was set by {jump:+.0f} s; the stages run by the monotonic clock")
    return moved
