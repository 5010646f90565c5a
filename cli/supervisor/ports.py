"""Ports that stay the same over restarts of one home (`run/ports.json`)."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path


def assign(file: Path, names: Sequence[str], host: str, fixed: Mapping[str, int]) -> dict[str, int]:
    """One free port per name: the fixed one, else the one used last time when it is still free, else any."""
    try:
        before: dict[str, int] = json.loads(file.read_text())
    except (OSError, ValueError):
        before = {}
    ports: dict[str, int] = {}
    for name in names:
        wanted = fixed.get(name) or before.get(name, 0)
        ports[name] = wanted if fixed.get(name) else _free(host, wanted, set(ports.values()))
    file.write_text(json.dumps(ports))
    return ports


def _free(host: str, wanted: int, taken: set[int]) -> int:
    for candidate in (wanted, 0, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
            if port not in taken:
                return port
    raise OSError(f"no free port on {host}")
