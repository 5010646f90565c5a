"""This machine as a transport: the same scripts as over SSH, with a small environment of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from domain.clock import Clock
from domain.errors import ToolError, ToolUnavailableError, ToolUnknownError
from tools.command import run_raw
from tools.runners.stepwise import StepRunner
from tools.runners.transport import Answered

_HANDED_ON = ("PATH", "LANG", "TZ", "USER", "HOME")
"""What a command sees of our environment. The rest may be secrets."""


class LocalTransport:
    """Programs of this machine, run in one folder."""

    kind = "local"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}

    async def ask(self, argv: Sequence[str], *, timeout_s: float) -> Answered:
        """See Transport."""
        try:
            code, out, err = await run_raw(argv, folder=self._folder, timeout_s=timeout_s, env=self._env)
        except ToolError as error:
            kind = ToolUnknownError if error.code == "tool.too_slow" else ToolUnavailableError
            raise kind(error.message, expected=error.expected, found=error.found, hint=error.hint) from error
        return Answered(code=code, out=out, err=err)

    async def aclose(self) -> None:
        """See Transport."""


def local_runner(state: Path, clock: Clock | None = None) -> StepRunner:
    """A runner for commands that read this machine. Steps are remembered below `state`, a private folder of the home."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return StepRunner(LocalTransport(state), name="local", base=str(state.resolve()), clock=clock)
