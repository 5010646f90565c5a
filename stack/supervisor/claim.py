"""Claiming a home: one supervisor for it, its ports, and what stands before any process runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from stack.home import Home, Identity, claim_block, listen, load_identity, new_identity, save_identity
from stack.supervisor import orphans, volume
from stack.supervisor.changes import Changes
from stack.supervisor.configuration import Configuration
from stack.supervisor.database import EXTERNAL, Administration, Place, place


class AlreadyRunningError(Exception):
    """Another supervisor looks after this home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A claimed home with everything that its processes are started from."""

    home: Home
    identity: Identity
    moved: bool
    """Its former ports were taken meanwhile: it has new ones, and nothing that still runs of it can be kept."""
    volume: volume.Volume
    where: Place
    changes: Changes
    configuration: Configuration
    administration: Administration

    @property
    def control_url(self) -> str:
        """Where the control endpoint answers."""
        return self.identity.url("control")


def claim(home: Home) -> tuple[Site, socket.socket]:
    """The site and the control endpoint's socket. Raises AlreadyRunningError, RuntimeError."""
    if orphans.supervisor_pid(home) not in (None, os.getpid()):
        raise AlreadyRunningError(f"a supervisor already runs for {home.root}")
    home.create()
    identity, held, moved = _ports(home)
    orphans.record_supervisor(home)
    storage = volume.prepare(home)
    where = place(identity, os.environ.get(EXTERNAL, ""))
    changes = Changes(home.changes)
    configuration = Configuration(home, identity, changes)
    configuration.create(moved=moved)
    site = Site(
        home=home,
        identity=identity,
        moved=moved,
        volume=storage,
        where=where,
        changes=changes,
        configuration=configuration,
        administration=Administration(where, identity, home.migrations),
    )
    return site, held


def _ports(home: Home) -> tuple[Identity, socket.socket, bool]:
    """The home's own ports when they are still free, else fresh ones; whether it moved."""
    former = load_identity(home)
    held = listen(former.ports["control"]) if former else None
    if former and held:
        return former, held, False
    ports, fresh = claim_block()
    identity = new_identity(ports, former)
    save_identity(home, identity)
    return identity, fresh, former is not None
