"""What happened before, as rules may ask for it: counts over claims, those that are in flight included."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from domain.errors import ConfigError
from governance.claims import Claim, ClaimState, Purpose, find_claims
from governance.ledger.port import Reader

MAX_WINDOW_S = 86_400
"""The longest time that `count` looks back, in seconds."""

TAKEN_S = 60.0
"""A claim that was not dispatched by then has lost its lock; nothing comes of it any more."""

_WINDOW = re.compile(r"([1-9][0-9]{0,5})([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}


def readable(text: object) -> bool:
    """Whether this is a window."""
    return isinstance(text, str) and 0 < _seconds(text) <= MAX_WINDOW_S


def window_s(text: str) -> int:
    """Seconds of a window such as `90s`, `10m`, `1h`. Raises ConfigError."""
    if not readable(text):
        raise ConfigError(
            "a rule looks back over a window that cannot be read",
            expected="a number with s, m or h, at most 24h: '10m'",
            found=repr(text)[:60],
            code="policy.window",
        )
    return _seconds(text)


def _seconds(text: str) -> int:
    found = _WINDOW.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else 0


class Sequence:
    """The functions that conditions call about one step. Reads only what a rule asks for; `own` is never counted."""

    def __init__(self, reader: Reader, own: str) -> None:
        self._reader = reader
        self._own = own
        self._flying: list[Claim] | None = None

    def functions(self) -> dict[str, Callable[..., int]]:
        """By the names that rules use."""
        return {
            "count": self.count,
            "count_kind": self.count_kind,
            "running": self.running,
            "running_kind": self.running_kind,
        }

    def count(self, action: str, target: str, window: str) -> int:
        """Applications on this target within the window, those in flight included; `"*"` stands for any."""
        return sum(_is(claim, action) and target in {"*", claim.call.target} for claim in self._within(window))

    def count_kind(self, action: str, kind: str, window: str) -> int:
        """The same over all targets of one inventory kind."""
        return sum(_is(claim, action) and kind in {"*", claim.kind} for claim in self._within(window))

    def running(self, action: str, target: str) -> int:
        """Effects in flight on this target now; one whose end is unknown still counts."""
        return sum(_is(claim, action) and target in {"*", claim.call.target} for claim in self._in_flight())

    def running_kind(self, action: str, kind: str) -> int:
        """The same over all targets of one inventory kind."""
        return sum(_is(claim, action) and kind in {"*", claim.kind} for claim in self._in_flight())

    def _within(self, window: str) -> list[Claim]:
        since = self._reader.now - timedelta(seconds=window_s(window))
        return [
            claim
            for claim in find_claims(self._reader, since=since)
            if claim.purpose is Purpose.APPLY and self._counts(claim)
        ]

    def _in_flight(self) -> list[Claim]:
        if self._flying is None:
            states = (ClaimState.CLAIMED, ClaimState.DISPATCHED, ClaimState.UNKNOWN)
            found = [claim for state in states for claim in find_claims(self._reader, state=state)]
            self._flying = [claim for claim in found if self._counts(claim)]
        return self._flying

    def _counts(self, claim: Claim) -> bool:
        taken = (self._reader.now - claim.claimed_at).total_seconds() < TAKEN_S
        return claim.key != self._own and (claim.state.dispatched or taken)


def _is(claim: Claim, action: str) -> bool:
    return action in {"*", claim.call.action}
