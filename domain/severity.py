"""How bad it is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Severity of an alert or incident. Unknown stays unknown and sorts between warning and high."""

    CRITICAL = "critical"
    HIGH = "high"
    UNKNOWN = "unknown"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)
