"""One installation as a whole: start it, look at it, stop it, for a while or for good."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cli.home import Home
from cli.supervisor.run import Supervisor
from cli.supervisor.spec import inherited_env, python_module
from cli.supervisor.table import ProcessRow, alive, end, read_table, start_time, write_table
from cli.topology import Topology
from domain.errors import ProcessError
from graph.settings import Settings, load_settings

Say = Callable[[str], None]
STACK_UP = "stores and stack are up"


def _silent(_: str) -> None:
    return


@contextlib.contextmanager
def running(home: Home, settings: Settings, config: Path | None = None, say: Say = _silent) -> Iterator[Supervisor]:
    """Everything of `home`, up and ready while the block runs; stopped and cleared afterwards."""
    supervisor = Supervisor(home, say)
    with supervisor.owning():
        if config is None:
            clear_stack(home)
        _register_self(home)
        topology = Topology.plan(home, settings, config)
        supervisor.start(topology.stores())
        say(STACK_UP)
        for wave in topology.servers():
            supervisor.start(wave)
        say(f"ready: {topology.url('app')}")
        try:
            yield supervisor
        finally:
            (home.run / "supervisor.json").unlink(missing_ok=True)


def serve_until_signal(home: Home, config: Path | None, say: Say) -> None:
    """Run in the foreground until SIGTERM or Ctrl-C; then stop everything in order, whatever was reached."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt_once)
    with (
        contextlib.suppress(KeyboardInterrupt),
        running(home, load_settings(), config, say) as supervisor,
    ):
        mark_ready(home)
        supervisor.watch()


def _interrupt_once(_: int, __: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def start_detached(home: Home, config: Path | None, wait_s: float = 180.0) -> None:
    """Start a supervisor of its own in the background and wait until everything is ready."""
    home.prepare()
    if owner(home):
        raise ProcessError(f"Firebreak already runs in {home.path}.", hint="firebreak status; firebreak down")
    log = home.logs / "supervisor.log"
    more = ["--config", str(config)] if config else []
    with log.open("ab") as stream:
        process = subprocess.Popen(
            python_module("cli.process", "supervisor", "--home", str(home.path), *more),
            env=inherited_env(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    deadline = time.monotonic() + wait_s
    while not (home.run / "ready").exists() or (home.run / "ready").read_text() != str(process.pid):
        if (ended := process.poll() is not None) or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            if ended:
                raise ProcessError("Firebreak did not start.", found=tail, hint=f"read {log} and {home.logs}")
            raise ProcessError(
                "Firebreak is not ready yet; it goes on starting.",
                expected=f"everything up within {wait_s:g} s",
                found=tail or "nothing said so far",
                hint="firebreak status shows how far it is, firebreak down ends it; a busy machine takes long",
            )
        time.sleep(0.1)


def stop(home: Home) -> list[str]:
    """Stop everything of `home`, also what a crash left behind. Returns the names of what was stopped."""
    stopped = end(owner(home), grace_s=40)
    restore_faults(home)
    stopped += end(read_table(home.run / "processes.json"))
    if home.run.exists():
        write_table(home.run / "processes.json", [])
    (home.run / "supervisor.json").unlink(missing_ok=True)
    (home.run / "ready").unlink(missing_ok=True)
    clear_stack(home)
    return stopped


def clear_stack(home: Home) -> None:
    """Let the stack clear whatever an earlier run of it left. Raises ProcessError when something remains."""
    if not home.stack.exists():
        return
    argv = python_module("stack", "down", "--home", str(home.stack))
    done = subprocess.run(argv, capture_output=True, text=True, env=inherited_env(), timeout=60, check=False)
    if done.returncode:
        raise ProcessError("The stack could not be stopped.", found=(done.stderr or done.stdout).strip()[-800:])


def restore_faults(home: Home) -> int:
    """Take back whatever a crash left broken on purpose, before the patient goes; how many there were."""
    config = Path(home.chaos_config.read_text()) if home.chaos_config.exists() else None
    if not (home.path / "chaos.db").exists() or not (config or home.stack_facts()):
        return 0
    import asyncio

    from chaos.running import restore_home

    return asyncio.run(restore_home(home.path, home.stack, config))


def owner(home: Home) -> list[ProcessRow]:
    """The supervisor that runs this home now, if there is one."""
    return [row for row in read_table(home.run / "supervisor.json") if alive(row)]


def mark_ready(home: Home) -> None:
    """Tell whoever started this supervisor in the background that everything is ready."""
    (home.run / "ready").write_text(str(os.getpid()))


def status(home: Home) -> list[dict[str, Any]]:
    """Every process of this home: ours and the stack's."""
    return [
        {**row.model_dump(), "state": row.state if alive(row) or row.pid is None else "stopped"}
        for row in [*owner(home), *read_table(home.run / "processes.json")]
    ]


def _register_self(home: Home) -> None:
    row = ProcessRow(
        name="supervisor",
        kind="firebreak",
        pid=os.getpid(),
        started=start_time(os.getpid()),
        state="running",
        log_file=str(home.logs / "supervisor.log") if not sys.stdout.isatty() else "",
    )
    write_table(home.run / "supervisor.json", [row])
