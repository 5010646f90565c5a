"""Processes of this machine, over psutil and signals: what state they are in, and those that a pid file names."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from domain.errors import ToolError, ToolUnavailableError

_LETTERS = {
    psutil.STATUS_RUNNING: "R",
    psutil.STATUS_SLEEPING: "S",
    psutil.STATUS_IDLE: "S",
    psutil.STATUS_DISK_SLEEP: "D",
    psutil.STATUS_STOPPED: "T",
    psutil.STATUS_TRACING_STOP: "T",
    psutil.STATUS_ZOMBIE: "Z",
    psutil.STATUS_DEAD: "Z",
}


def os_state(pid: int | None) -> str | None:
    """R, S, D, T or Z as the kernel says; None when there is no such process (or it may not be looked at)."""
    if not pid:
        return None
    try:
        return _LETTERS.get(psutil.Process(pid).status(), "S")
    except psutil.Error:
        return None


def started_at(pid: int | None) -> float | None:
    """Epoch seconds at which the process started, or None."""
    if not pid:
        return None
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


class PidFileProcess:
    """A process known by its pid file. Starting needs the command that the inventory declares (a list, never a shell line)."""

    def __init__(self, path: Path, command: Sequence[str] = ()) -> None:
        self._path = path
        self._command = list(command)

    async def state(self) -> dict[str, Any]:
        """The same keys as a control endpoint's status row."""
        pid = self._pid()
        letter = os_state(pid)
        running = letter is not None and letter != "Z"
        return {
            "pid": pid if running else None,
            "state": ("paused" if letter == "T" else "running") if running else "stopped",
            "started_at": started_at(pid) if running else None,
            "restarts": None,
            "last_exit": None,
        }

    async def start(self) -> None:
        """Run the declared command, detached from us."""
        if not self._command:
            raise ToolError(
                "nothing says how this process is started",
                expected="`options.command` in its process binding: a list of words",
                found="none",
                code="tool.no_binding",
            )
        await asyncio.to_thread(_spawn, self._command)

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """SIGTERM (after SIGCONT, so that a paused process hears it), SIGKILL when it does not listen."""
        process = self._found()
        await asyncio.to_thread(_end, process, grace_s)

    async def resume(self) -> None:
        """SIGCONT."""
        self._send(self._found(), signal.SIGCONT)

    def _found(self) -> psutil.Process:
        pid = self._pid()
        try:
            if pid is not None:
                return psutil.Process(pid)
        except psutil.Error:
            pass
        raise ToolError("the process does not run", expected=f"a live pid in {self._path}", found=str(pid))

    def _pid(self) -> int | None:
        try:
            text = self._path.read_text().strip().split()[0]
        except (FileNotFoundError, IndexError):
            return None
        except OSError as error:
            raise ToolUnavailableError(
                "the pid file cannot be read", expected=str(self._path), found=error.strerror or "error"
            ) from error
        return int(text) if text.isdigit() else None

    @staticmethod
    def _send(process: psutil.Process, number: signal.Signals) -> None:
        try:
            process.send_signal(number)
        except psutil.Error as error:
            raise ToolUnavailableError(
                "the process takes no signal", expected=f"a process we may send {number.name}", found=str(error)
            ) from error


def _spawn(command: list[str]) -> None:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(
            "the start command cannot be run", expected=command[0], found=error.strerror or "error"
        ) from error
    threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()


def _end(process: psutil.Process, grace_s: float) -> None:
    try:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(grace_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(grace_s)
    except psutil.NoSuchProcess:
        return
    except psutil.Error as error:
        raise ToolUnavailableError(
            "the process cannot be stopped", expected="a process we may signal", found=str(error)
        ) from error
