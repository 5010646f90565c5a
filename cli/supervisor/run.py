"""The supervisor's loop: start, wait until ready, watch, restart with backoff, stop in reverse order."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.home import Home
from cli.supervisor.spec import ProcessSpec, child_env
from cli.supervisor.table import ProcessRow, end, read_table, start_time, write_table
from domain.errors import ProcessError

BACKOFF_S = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0
"""A process that ran this long starts its backoff anew."""


@dataclass(slots=True)
class Child:
    """One supervised process, as it is now."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started: float | None = None
    since: float = 0.0
    restarts: int = 0
    last_exit: int | None = None
    due: float = 0.0
    failures: int = 0

    def state(self) -> str:
        if self.process is None:
            return "backoff" if self.due else "stopped"
        return "running"


class Supervisor:
    """Owns our processes of one home while it runs."""

    def __init__(self, home: Home, say: Callable[[str], None] = lambda _: None) -> None:
        self._home = home
        self._say = say
        self._children: list[Child] = []
        self._table = home.run / "processes.json"

    @contextlib.contextmanager
    def owning(self) -> Iterator[None]:
        """Hold the home's lock; clear what an earlier owner left running. Raises ProcessError when it is held."""
        self._home.prepare()
        with (self._home.run / "up.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ProcessError(
                    f"Firebreak already runs in {self._home.path}.",
                    hint="firebreak status shows it, firebreak down stops it, FIREBREAK_HOME=… starts another beside it.",
                ) from error
            orphans = end(read_table(self._table))
            if orphans:
                self._say(f"cleared what an earlier run left behind: {', '.join(orphans)}")
            try:
                yield
            finally:
                self.stop()

    def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start all of `specs` side by side, then wait until each is ready. Raises ProcessError with the log's tail."""
        children = [Child(spec) for spec in specs]
        self._children += children
        for child in children:
            self._spawn(child)
        for child in children:
            self._await_ready(child)
        self._write()

    def watch_once(self) -> None:
        """Look after every child once: note exits, restart what is due."""
        changed = False
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_exit(child)
                changed = True
            if child.process is None and child.due and time.monotonic() >= child.due:
                child.restarts += 1
                self._spawn(child)
                changed = True
        if changed:
            self._write()

    def watch(self) -> None:
        """Watch five times a second until interrupted."""
        while True:
            self.watch_once()
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop all children, the last started first."""
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(child.spec.stop_s)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            child.process, child.due = None, 0.0
        if self._children:
            self._write()

    def rows(self) -> list[ProcessRow]:
        """The table as it is now."""
        return [_row(child, self._log(child.spec.name)) for child in self._children]

    def _spawn(self, child: Child) -> None:
        spec = child.spec
        with self._log(spec.name).open("ab") as log:
            child.process = subprocess.Popen(
                spec.argv,
                env=child_env(spec),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=Path(__file__).resolve().parents[2],
            )
        child.started = start_time(child.process.pid)
        child.since = time.monotonic()
        child.due = 0.0
        self._write()

    def _note_exit(self, child: Child) -> None:
        assert child.process is not None
        child.last_exit = child.process.returncode
        child.process = None
        steady = time.monotonic() - child.since > STEADY_S
        child.failures = 0 if steady else child.failures + 1
        child.due = time.monotonic() + BACKOFF_S[min(child.failures, len(BACKOFF_S) - 1)]
        self._say(f"{child.spec.name} exited with {child.last_exit}; it is started again")

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.spec.ready_s
        while child.process is None or not child.spec.ready(child.process.pid):
            if child.process is not None and child.process.poll() is not None:
                raise self._not_ready(child, f"it exited with {child.process.returncode}")
            if time.monotonic() > deadline:
                raise self._not_ready(child, f"it was not ready within {child.spec.ready_s:.0f} s")
            time.sleep(0.05)

    def _not_ready(self, child: Child, found: str) -> ProcessError:
        log = self._log(child.spec.name)
        return ProcessError(
            f"{child.spec.name} did not start.",
            expected="a process that becomes ready",
            found=f"{found}; its last words:\n{_tail(log)}",
            hint=f"read {log}, then try again; firebreak doctor checks what it needs",
        )

    def _log(self, name: str) -> Path:
        return self._home.logs / f"{name}.log"

    def _write(self) -> None:
        write_table(self._table, self.rows())


def _row(child: Child, log: Path) -> ProcessRow:
    return ProcessRow(
        name=child.spec.name,
        kind=child.spec.kind,
        pid=child.process.pid if child.process else None,
        started=child.started if child.process else None,
        state=child.state(),
        url=child.spec.url,
        log_file=str(log),
        restarts=child.restarts,
        last_exit=child.last_exit,
    )


def _tail(log: Path, lines: int = 12) -> str:
    try:
        text = log.read_bytes()[-8000:].decode(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(empty log)"
