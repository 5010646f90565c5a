"""What /proc says about a process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """Start time in clock ticks since boot; None when there is no such process (a zombie counts as gone)."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return int(fields[19])


def state(pid: int) -> str:
    """R, S, D, T, t, Z …; empty when there is no such process."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name stands in parentheses and may itself hold any character.
    return text.rpartition(")")[2].split()


def pss_bytes(pid: int) -> int:
    """Proportional set size, 0 when it cannot be read."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


def same(pid: int, ticks: int) -> bool:
    """Whether exactly that process still runs."""
    return start_ticks(pid) == ticks


def group_members(pgid: int) -> list[int]:
    """Live pids of a process group."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields and fields[0] not in ("Z", "X") and int(fields[2]) == pgid:
                found.append(int(entry))
    return found


def session_members(pid: int) -> list[int]:
    """Pids of the session that this process leads, without itself."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != pid:
            with suppress(OSError):
                if os.getsid(int(entry)) == pid:
                    found.append(int(entry))
    return found
