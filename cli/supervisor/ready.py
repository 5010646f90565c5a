"""How one sees that a process of ours can work."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import httpx

from tools.http import trust

Ready = Callable[[int], bool]


def answers(url: str) -> Ready:
    """Its URL answers 200."""

    def check(_: int) -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False, verify=trust()).status_code == 200
        except httpx.HTTPError:
            return False

    return check


def accepts(path: Path) -> Ready:
    """Its unix socket accepts connections."""

    def check(_: int) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.5)
            try:
                probe.connect(str(path))
            except OSError:
                return False
        return True

    return check


def wrote_facts(file: Path) -> Ready:
    """It wrote a JSON file with its own pid and `ready: true`."""

    def check(pid: int) -> bool:
        try:
            facts = json.loads(file.read_text())
        except (OSError, ValueError):
            return False
        return bool(facts.get("pid") == pid and facts.get("ready", True))

    return check
