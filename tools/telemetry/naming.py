"""What services are called in traces, and what they are called here. Pure."""

from __future__ import annotations

from dataclasses import replace

from domain.bundle import Span
from domain.inventory import Inventory


class Traced:
    """Both directions of `telemetry.traced_as`."""

    def __init__(self, inventory: Inventory) -> None:
        self._outside = {s.name: s.telemetry.traced_as or s.name for s in inventory.services}
        self._inside = {outside: name for name, outside in self._outside.items()}

    def outside(self, service: str) -> str:
        """The name in traces."""
        return self._outside.get(service, service)

    def named(self, span: Span) -> Span:
        """The span under the inventory's name of its service; strangers keep theirs."""
        name = self._inside.get(span.service, span.service)
        return span if name == span.service else replace(span, service=name)
