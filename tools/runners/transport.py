"""How an argument list gets to the machine on which it runs, and its bytes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back, raw: nothing is redacted yet."""

    code: int
    out: bytes
    err: bytes


class Transport(Protocol):
    """One machine. Each call is one short-lived program there."""

    kind: str
    """local or ssh."""

    async def ask(self, argv: Sequence[str], *, timeout_s: float) -> Answered:
        """Run it and wait. Raises ToolUnavailableError when nothing was sent, ToolUnknownError when the answer was lost."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
