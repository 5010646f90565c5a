"""What is stored before work begins: deliveries until they are worked on, and orders of people."""

from __future__ import annotations

from typing import Literal

from domain.value import UtcTime, Value


class Delivery(Value):
    """One delivery, without the secrets that its sender wrote into it. Its text is untrusted."""

    id: str
    source: str
    headers: dict[str, str]
    """Without credentials."""
    body: bytes
    received_at: UtcTime


class Order(Value):
    """A person's order about a running incident."""

    kind: Literal["stop", "take"]
    person: str
    reason: str = ""
    at: UtcTime

    @property
    def halt(self) -> str:
        """Why nothing further may be done, as the run remembers it."""
        why = f": {self.reason}" if self.reason else ""
        return f"{'taken over' if self.kind == 'take' else 'stopped'} by {self.person}{why}"
