"""What each process of ours is: how it is started, what it may know, and how one sees that it is ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cli.home import PERSONS_TOKEN, Home

SECRETS_OF_THE_STACK = (
    "FIREBREAK_STACK_TOKEN",
    "FIREBREAK_STACK_ADMIN_DSN",
    "FIREBREAK_STACK_READ_TOKEN",
    "FIREBREAK_STACK_MONITOR_DSN",
)
LEDGER_URL = "FIREBREAK_LEDGER_URL"
GITHUB_TOKEN = "FIREBREAK_GITHUB_TOKEN"
_HELD = (LEDGER_URL, GITHUB_TOKEN)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Set in many container images. With it each of our many processes would compile all of us again at every start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process of ours."""

    name: str
    kind: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[int], bool]
    """Given the child's pid: can it work? One of the checks in `ready`."""
    url: str = ""
    ready_s: float = 90.0
    """Seconds it may take to become ready."""
    stop_s: float = 8.0
    """Seconds it may take to stop."""


def inherited_env() -> dict[str, str]:
    """The environment every child gets: ours, without what could change the stack or sign for a person, compiled modules kept."""
    return {k: v for k, v in os.environ.items() if k not in (*SECRETS_OF_THE_STACK, PERSONS_TOKEN, NO_BYTECODE)}


def child_env(spec: ProcessSpec) -> dict[str, str]:
    """The environment of one process: the ledger's and GitHub's credentials go only to whom the specification gives them."""
    return {**{k: v for k, v in inherited_env().items() if k not in _HELD}, **spec.env}


def python_module(module: str, *args: str) -> tuple[str, ...]:
    """Command line of a module of ours, run by the same interpreter."""
    return (sys.executable, "-m", module, *args)


def serve_argv(what: str, home: Home, port: int = 0) -> tuple[str, ...]:
    """Command line of a hidden server entry point."""
    return python_module("cli.process", what, "--home", str(home.path), "--port", str(port))
