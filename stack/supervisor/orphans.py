"""Processes of a home that nobody supervises any more."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from stack.home import Home, write_private
from stack.supervisor import procfs

SUPERVISOR = "supervisor"


def record_supervisor(home: Home) -> None:
    """Say that we are the supervisor of this home."""
    row = {"pid": os.getpid(), "ticks": procfs.start_ticks(os.getpid())}
    write_private(home.run / f"{SUPERVISOR}.pid", json.dumps(row))


def supervisor_pid(home: Home) -> int | None:
    """The living supervisor of this home, or None."""
    return _living(home.run / f"{SUPERVISOR}.pid")


def find(home: Home, *, spare: Collection[int] = ()) -> list[int]:
    """Pids recorded in this home, or carrying its mark in their environment, that still run."""
    found = {pid for path in home.run.glob("*.pid") if path.stem != SUPERVISOR and (pid := _living(path))}
    found |= _postmaster(home)
    mark = f"STACK_HOME={home.root}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _carries(int(entry), mark):
            found.add(int(entry))
    return sorted(found - set(spare) - {os.getpid()})


def clear(home: Home, *, spare: Collection[int] = ()) -> list[int]:
    """End them all, gently first; returns who was ended."""
    ended = find(home, spare=spare)
    for number, patience in ((signal.SIGINT, 3.0), (signal.SIGTERM, 1.5), (signal.SIGKILL, 3.0)):
        left = find(home, spare=spare)
        if not left:
            break
        for pid in left:
            for sent in (number, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, sent)
        _wait(home, spare, patience)
    for path in home.run.glob("*.pid"):
        if path.stem != SUPERVISOR and _living(path) is None:
            path.unlink(missing_ok=True)
    return ended


def _wait(home: Home, spare: Collection[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and find(home, spare=spare):
        time.sleep(0.05)


def _living(path: Path) -> int | None:
    try:
        found = json.loads(path.read_text())
        pid, ticks = int(found["pid"]), int(found["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if procfs.same(pid, ticks) else None


def _postmaster(home: Home) -> set[int]:
    """PostgreSQL's own pid file; its data directory on the command line proves that the pid is not someone else's."""
    try:
        pid = int((home.postgres_data / "postmaster.pid").read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return set()
    return {pid} if str(home.postgres_data).encode() in command and procfs.start_ticks(pid) else set()


def _carries(pid: int, mark: bytes) -> bool:
    try:
        found = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return mark in found.split(b"\0") and procfs.start_ticks(pid) is not None
