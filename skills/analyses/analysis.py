"""What an analysis is: a pure function from everything observed to one reading about one service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.alert import Alert
from domain.bundle import Bundle, Reading
from domain.diagnosis import Diagnosis
from domain.redaction import redact, redact_json

RECENT_S = 45.0
"""What is compared with everything before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything known at one moment."""

    now: float
    """Epoch seconds."""
    bundle: Bundle
    diagnosis: Diagnosis
    alerts: Sequence[Alert]
    """Of incidents that are open or closed just now, as their senders told them last."""

    @property
    def since(self) -> float:
        """Where the recent past begins."""
        return self.now - RECENT_S

    def recent(self) -> Bundle:
        """The bundle with the recent past as the suspect time."""
        return replace(self.bundle, onset=self.since)


Look = Callable[[Observed, str], Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One kind of look. Its name is used like a probe's."""

    name: str
    look: Look


def told(name: str, service: str, observed: Observed, *, ok: bool | None, text: str, **values: Any) -> Reading:
    """A reading of now, redacted and bounded."""
    short = redact(" ".join(text.split()))[:400]
    return Reading(probe=name, service=service, time=observed.now, ok=ok, text=short, values=redact_json(values))
