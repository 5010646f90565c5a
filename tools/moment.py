"""Times as strangers write them: epoch seconds, milliseconds, microseconds or nanoseconds, ISO 8601. Pure.

The unit of a number follows from its size: every epoch time from 1973 to 5138 has eleven digits or fewer in seconds,
and three more with each finer unit.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import isfinite

SECONDS = "seconds"
ISO = "ISO 8601"
_UNITS = ((1e11, 1.0, SECONDS), (1e14, 1e3, "milliseconds"), (1e17, 1e6, "microseconds"), (1e20, 1e9, "nanoseconds"))
LIMIT = _UNITS[-1][0]
"""No time is as large as this in any unit."""
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$")


def in_seconds(value: float) -> tuple[float, str]:
    """Epoch seconds and the unit the number was in. Raises ValueError for what no unit explains."""
    if not isfinite(value):
        raise ValueError(f"expected a finite time, found {value}")
    for limit, divisor, unit in _UNITS:
        if abs(value) < limit:
            return value / divisor, unit
    raise ValueError(f"expected an epoch time, found {value:g}")


def unit_of(value: object) -> str:
    """The unit of a time that `moment` understands; cheap for numbers."""
    if isinstance(value, int | float) and abs(value) < _UNITS[0][0]:
        return SECONDS
    return moment(value)[1]


def moment(value: object) -> tuple[float, str]:
    """Epoch seconds and the unit of a number, a text that holds one, or an ISO 8601 time (UTC when it has no zone).

    Raises ValueError that says what was found.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a time, found {type(value).__name__}")
    if not isinstance(value, str):
        return in_seconds(float(value))
    if (found := _ISO.match(value.strip())) is not None:
        return iso_seconds(*found.groups()), ISO
    try:
        return in_seconds(float(value))
    except ValueError as error:
        raise ValueError(f"expected epoch seconds or an ISO 8601 time, found {value[:40]!r}") from error


def iso_seconds(day: str, clock: str, fraction: str | None, zone: str | None) -> float:
    """Epoch seconds of the parts of an ISO 8601 time; any number of digits in the fraction. ValueError when no such day."""
    offset = "+00:00" if zone in {None, "", "Z", "UTC", "GMT"} else str(zone)
    whole = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC).timestamp()
    return whole + (float(f"0.{fraction}") if fraction else 0.0)
