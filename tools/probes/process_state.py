"""process_state: does it run, since when, how often was it started again, and its last words when it does not."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from domain.bundle import Reading
from tools.file import tail
from tools.lifecycle import lifecycle, process_facts
from tools.probes.probe import Probe, Shared, bound, reading
from tools.probes.words import spoken
from tools.target import Target

TAIL_LINES = 12
YOUNG_S = 60.0
LINE_CHARS = 500


async def _read(target: Target, shared: Shared) -> list[Reading]:
    binding = target.binding("process")
    if binding.via == "control":
        facts = process_facts(await shared.process(target))
    else:
        facts = await lifecycle(target).state()
    uptime = _uptime(facts.get("started_at"), target.clock.now().timestamp()) if facts.get("pid") else None
    ok = facts["state"] == "running" and facts["os_state"] not in ("T", "Z")
    restarted = bool(facts.get("restarts")) and (uptime is None or uptime < YOUNG_S)
    lines = await asyncio.to_thread(_last_words, target) if restarted or not ok else []
    more: dict[str, Any] = {"log_tail": lines} if lines else {}
    return [
        reading(
            "process_state", target, ok=ok, text=_says(target, facts, uptime, lines), **facts, uptime_s=uptime, **more
        )
    ]


def _uptime(started: Any, now: float) -> float | None:
    """Seconds since a start given as epoch seconds or ISO text."""
    if isinstance(started, str):
        try:
            started = datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return None
    return round(max(0.0, now - started), 1) if isinstance(started, int | float) and started else None


def _last_words(target: Target) -> list[str]:
    for name in target.service.telemetry.logs:
        lines = tail(target.root / name, lines=TAIL_LINES)
        if lines:
            return [line[:LINE_CHARS] for line in lines]
    return []


def _says(target: Target, facts: dict[str, Any], uptime: float | None, lines: list[str]) -> str:
    parts = [f"{target.name} is {facts['state']}"]
    parts += [f"pid {facts['pid']}"] if facts.get("pid") else []
    parts += ["stopped by a signal (T)"] if facts["os_state"] == "T" else []
    parts += [f"started {uptime:.0f} s ago"] if uptime is not None else []
    parts += [f"{facts['restarts']} restarts"] if facts.get("restarts") else []
    parts += [f"last exit {facts['last_exit']}"] if facts.get("last_exit") is not None else []
    return ", ".join(parts) + (f"; last line: {spoken(lines[-1])}" if lines else "")


PROCESS_STATE = Probe(name="process_state", applies=bound("process"), read=_read)
