"""The table of running processes (`run/processes.json`) and how a process is recognised and ended.

A pid alone proves nothing after a crash: a row also keeps the process's start time, and only a process that has both
is ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import psutil

from cli.home import write_private
from domain.value import Value


class ProcessRow(Value):
    """One process as `firebreak status` shows it."""

    name: str
    kind: str
    """firebreak, stack or store."""
    pid: int | None
    started: float | None = None
    """Start time of the process (epoch seconds) as the kernel reports it."""
    state: str
    """starting, running, backoff, stopped"""
    url: str = ""
    log_file: str = ""
    restarts: int = 0
    last_exit: int | None = None


def read_table(file: Path) -> list[ProcessRow]:
    """Rows of the last writer; empty when there is no table or it is torn."""
    try:
        return [ProcessRow.model_validate(row) for row in json.loads(file.read_text())]
    except (OSError, ValueError):
        return []


def write_table(file: Path, rows: Iterable[ProcessRow]) -> None:
    """Replace the table in one step."""
    write_private(file, json.dumps([row.model_dump() for row in rows], indent=1))


def alive(row: ProcessRow) -> bool:
    """Whether the very process of this row still runs."""
    return _process(row.pid, row.started) is not None


def start_time(pid: int) -> float | None:
    """Kernel start time of a pid, or None when there is no such process."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def end(rows: Iterable[ProcessRow], grace_s: float = 8.0) -> list[str]:
    """SIGTERM to all that still run, SIGKILL to those that remain after `grace_s` seconds. Returns their names."""
    found = {row.name: process for row in rows if (process := _process(row.pid, row.started))}
    for process in found.values():
        _quietly(process.terminate)
    _, remaining = psutil.wait_procs(list(found.values()), timeout=grace_s)
    for process in remaining:
        _quietly(process.kill)
    psutil.wait_procs(remaining, timeout=3)
    return list(found)


def _process(pid: int | None, started: float | None) -> psutil.Process | None:
    if pid is None or started is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 0.05 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if same else None


def _quietly(deed: object) -> None:
    try:
        deed()  # type: ignore[operator]
    except psutil.Error:
        return
