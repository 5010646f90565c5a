"""Past-tense facts on the live stream (CloudEvents 1.0 attributes as used by us)."""

from __future__ import annotations

from typing import Any

from domain.value import UtcTime, Value


class Event(Value):
    """One fact, as the live page, webhooks and the bus see it."""

    id: str
    type: str
    """`dev.firebreak.incident.opened` … the last two words are entity and past-tense verb."""
    subject: str
    """Incident id, drill id, approval id."""
    time: UtcTime
    data: dict[str, Any] = {}
