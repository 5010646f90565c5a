"""Processes of this machine: identities that survive pid reuse, signals, and our own workload children."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from chaos.errors import ChaosError
from chaos.site import Identity

START_TOLERANCE_S = 0.05
"""Start times are read from the same kernel counter; anything further apart is another process."""


class LocalMachine:
    """Implements Machine for the machine we run on. Call `close` to stop waiting for children."""

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def identity(self, pid: int) -> Identity | None:
        try:
            return Identity(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self, identity: Identity) -> bool:
        self._reap(identity.pid)
        try:
            process = psutil.Process(identity.pid)
            same = abs(process.create_time() - identity.started) <= START_TOLERANCE_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def state(self, pid: int) -> str:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            return stat[stat.rindex(")") + 2]
        except (OSError, ValueError, IndexError):
            return _STATES.get(_status(pid), "")

    def signal(self, identity: Identity, name: str) -> bool:
        if not self.alive(identity):
            return False
        try:
            os.kill(identity.pid, signal.Signals[name])
        except ProcessLookupError:
            return False
        return True

    async def spawn(self, workload: str) -> Identity:
        child = self._start(workload)
        self._children[child.pid] = child
        found = self.identity(child.pid)
        if found is None:
            raise ChaosError("the workload ended at once", expected="a running child", found=f"exit {child.poll()}")
        return found

    def _start(self, workload: str) -> subprocess.Popen[bytes]:
        self._work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._work_dir / "workload.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "chaos.workload", workload],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )

    async def tell(self, identity: Identity, orders: Mapping[str, Any]) -> None:
        child = self._children.get(identity.pid)
        if child is None or child.stdin is None:
            raise ChaosError("this workload was not started here", found=f"pid {identity.pid}")
        with child.stdin as pipe:
            pipe.write(json.dumps(dict(orders)).encode())

    async def stop(self, identity: Identity) -> None:
        if not self.signal(identity, "SIGTERM"):
            return
        for _ in range(40):
            await asyncio.sleep(0.05)
            if not self.alive(identity):
                return
        self.signal(identity, "SIGKILL")
        await asyncio.sleep(0.05)
        self._reap(identity.pid)

    def close(self) -> None:
        """Close the pipes of children that were never told anything; they end by themselves."""
        for child in self._children.values():
            if child.stdin is not None and not child.stdin.closed:
                with contextlib.suppress(OSError):
                    child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0)
            child.returncode = child.returncode if child.returncode is not None else 0  # left running on purpose
        self._children.clear()

    def _reap(self, pid: int) -> None:
        child = self._children.get(pid)
        if child is not None and child.poll() is not None:
            if child.stdin is not None and not child.stdin.closed:
                child.stdin.close()
            del self._children[pid]


_STATES = {"running": "R", "sleeping": "S", "stopped": "T", "zombie": "Z", "disk-sleep": "D"}


def _status(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.Error:
        return ""


def _environment() -> dict[str, str]:
    """What a workload may see: where Python finds us, and nothing secret."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    root = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH", "")]))
    return environment
