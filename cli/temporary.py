"""A home that exists for one command and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cli import installation
from cli.client import AppClient, connect
from cli.home import Home
from cli.output import note
from cli.session import SESSION
from cli.supervisor.run import Supervisor
from graph.settings import load_settings


@contextlib.contextmanager
def temporary_home(policy: str, say: Callable[[str], None], home: Home | None = None) -> Iterator[AppClient]:
    """Start everything in a fresh home (or in `home`, which then stays), hand out its client, stop and remove it."""
    if policy:
        os.environ["FIREBREAK_POLICY"] = policy
    folder = Path(tempfile.mkdtemp(prefix="firebreak-")) if home is None else home.path
    here = home or Home.at(folder)
    SESSION.home = here
    try:
        with (
            installation.running(here, load_settings(), None, say) as supervisor,
            _watched(supervisor),
            connect(here) as client,
        ):
            try:
                yield client
            except KeyboardInterrupt:
                note("\nStopping everything; a moment.")
                raise
    except KeyboardInterrupt:
        note("Stopped; nothing is left running.")
        raise
    finally:
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _watched(supervisor: Supervisor) -> Iterator[None]:
    """Look after the children from a thread while the command does its own work."""
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.2):
            supervisor.watch_once()

    thread = threading.Thread(target=watch, name="supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
