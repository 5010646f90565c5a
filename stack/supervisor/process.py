"""One supervised process: started, watched, stopped. Knows nothing of its siblings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from stack.home import write_private
from stack.supervisor import backoff, procfs

MIB = 1024 * 1024


class State(StrEnum):
    """What a process is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"
    BACKOFF = "backoff"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits. None leaves a limit as it is."""

    address_space: int | None = 2048 * MIB
    open_files: int | None = 1024
    file_size: int | None = 512 * MIB
    core: int = 0

    def apply(self) -> None:
        """Set them on the calling process."""
        pairs = (
            (resource.RLIMIT_AS, self.address_space),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_FSIZE, self.file_size),
            (resource.RLIMIT_CORE, self.core),
        )
        for which, value in pairs:
            if value is not None:
                hard = resource.getrlimit(which)[1]
                bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(which, (bound, bound))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a process is started."""

    name: str
    kind: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    pid_file: Path
    port: int
    url: str
    limits: Limits = Limits()
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 4.0
    uid: int | None = None
    gid: int | None = None
    cwd: Path = Path("/")


@dataclass(slots=True)
class Process:
    """A process and its history. `spec` is asked anew at every start, so that changes take effect then."""

    name: str
    spec: Callable[[], Spec]
    wanted: bool = True
    failures: int = 0
    restarts: int = 0
    last_exit: int | None = None
    started_at: float | None = None
    next_start: float | None = None
    pid: int | None = None
    ticks: int | None = None
    ready: bool = False
    _child: subprocess.Popen[bytes] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def state(self) -> State:
        """Now. A process stopped by a signal is `paused`; one waiting for its next start is in `backoff`."""
        if self.pid is not None:
            if procfs.state(self.pid) in ("T", "t"):
                return State.PAUSED
            return State.RUNNING if self.ready else State.STARTING
        if not self.wanted:
            return State.STOPPED
        return State.BACKOFF if self.next_start is not None else State.CRASHED

    def adopt(self) -> bool:
        """Take over a process that a former supervisor started and left running."""
        spec = self.spec()
        try:
            found = json.loads(spec.pid_file.read_text())
            pid, ticks = int(found["pid"]), int(found["ticks"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not procfs.same(pid, ticks) or found.get("port") != spec.port or found.get("argv") != list(spec.argv):
            return False
        self.pid, self.ticks, self.started_at = pid, ticks, float(found.get("started_at", time.time()))
        self.ready, self.wanted = True, True
        return True

    def spawn(self) -> None:
        """Start now. Raises OSError when the program cannot be started."""
        spec = self.spec()
        self.next_start, self.ready = None, False
        with spec.log.open("ab") as log:
            child = subprocess.Popen(
                list(spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(spec.env),
                cwd=spec.cwd,
                start_new_session=True,
                user=spec.uid,
                group=spec.gid,
                extra_groups=[] if spec.uid is not None else None,
                preexec_fn=spec.limits.apply,
            )
        self._child, self.pid, self.started_at = child, child.pid, time.time()
        self.ticks = procfs.start_ticks(child.pid)
        row = {"name": self.name, "pid": child.pid, "ticks": self.ticks, "port": spec.port, "argv": list(spec.argv)}
        write_private(spec.pid_file, json.dumps(row | {"started_at": self.started_at}))

    def observe(self, now: float) -> bool:
        """Notice an exit; start again when it is time. True when something changed. `now` is monotonic seconds.

        Looks away while the process is being started or stopped on purpose.
        """
        if self._lock.locked():
            return False
        if self.pid is not None:
            return self._exited(now) if self._gone() else False
        if self.wanted and self.next_start is not None and now >= self.next_start:
            try:
                self.spawn()
            except OSError:
                self._plan_restart(now, 0.0)
                return True
            self.restarts += 1
            return True
        return False

    def _gone(self) -> bool:
        if self.pid is None:
            return True  # the watch noticed first
        if self._child is not None:
            code = self._child.poll()
            if code is not None:
                self.last_exit = code
                return True
            return False
        return self.ticks is None or not procfs.same(self.pid, self.ticks)

    def _exited(self, now: float) -> bool:
        uptime = time.time() - (self.started_at or time.time())
        self._forget()
        if self.wanted:
            self._plan_restart(now, uptime)
        return True

    def _plan_restart(self, now: float, uptime_s: float) -> None:
        self.failures = backoff.failures_after(self.failures, uptime_s)
        self.next_start = now + backoff.delay(self.failures)

    def _forget(self) -> None:
        self.pid = self.ticks = self._child = None
        self.ready = False
        self.spec().pid_file.unlink(missing_ok=True)

    async def start(self) -> bool:
        """Start unless it runs. True when it was started now."""
        async with self._lock:
            self.wanted = True
            if self.pid is not None and not self._gone():
                return False
            self.failures = 0
            self.spawn()
            return True

    async def stop(self) -> bool:
        """Ask, wait, then kill; also works on a paused process. True when something was stopped now."""
        async with self._lock:
            self.wanted = False
            self.next_start, self.failures = None, 0
            if self.pid is None:
                return False
            await self._end(self.pid)
            self._forget()
            return True

    async def _end(self, pid: int) -> None:
        spec = self.spec()
        self.signal(spec.stop_signal)
        self.signal(signal.SIGCONT)
        if await self._wait_gone(spec.grace_s):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        await self._wait_gone(5.0)

    async def _wait_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._gone():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.03)
        return True

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; false when it is gone."""
        if self.pid is None or self._gone():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def row(self) -> dict[str, object]:
        """As the control endpoint shows it."""
        spec = self.spec()
        return {
            "name": self.name,
            "kind": spec.kind,
            "pid": self.pid,
            "state": str(self.state),
            "url": spec.url,
            "port": spec.port,
            "log_file": str(spec.log),
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "started_at": self.started_at,
            "next_start_s": round(max(0.0, self.next_start - time.monotonic()), 2) if self.next_start else None,
        }
