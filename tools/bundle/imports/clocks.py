"""Times at the start of plain log lines that are not ISO 8601: syslog, nginx and Apache, klog, epoch numbers. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tools.moment import ISO, in_seconds, iso_seconds

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SYSLOG = re.compile(r"(?:<\d+>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?\b")
_NGINX = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)\b")
_ACCESS = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})\]")
_KLOG = re.compile(r"([IWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d)\.(\d+)")
_EPOCH = re.compile(r"\[?(\d{10,19}(?:\.\d+)?)\]?\s")
_KLOG_LEVELS = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL"}
_NO_YEAR = "times have no year; the newest one that does not lie ahead is taken, in UTC"


def leading_time(text: str, now: float) -> tuple[float, str, str] | None:
    """(epoch seconds, what to say about it or `ISO 8601`, level if the stamp holds one), or None without a known stamp."""
    try:
        return _found(text[:300], now)
    except (ValueError, OverflowError):
        return None


def _found(text: str, now: float) -> tuple[float, str, str] | None:
    if (m := _SYSLOG.match(text)) and m[1].lower() in _MONTHS:
        clock = f"{m[3]}:{m[4]}:{m[5]}"
        return _this_year(_MONTHS.index(m[1].lower()) + 1, int(m[2]), clock, m[6], now), _NO_YEAR, ""
    if m := _KLOG.match(text):
        return _this_year(int(m[2]), int(m[3]), m[4], m[5], now), _NO_YEAR, _KLOG_LEVELS[m[1]]
    if m := _NGINX.match(text):
        return iso_seconds(f"{m[1]}-{m[2]}-{m[3]}", m[4], None, None), ISO, ""
    if (m := _ACCESS.search(text)) and m[2].lower() in _MONTHS:
        day = f"{m[3]}-{_MONTHS.index(m[2].lower()) + 1:02d}-{m[1]}"
        return iso_seconds(day, m[4], None, f"{m[5][:3]}:{m[5][3:]}"), ISO, ""
    if m := _EPOCH.match(text):
        seconds, unit = in_seconds(float(m[1]))
        return seconds, f"times are in {unit}, read as such", ""
    return None


def _this_year(month: int, day: int, clock: str, fraction: str | None, now: float) -> float:
    year = datetime.fromtimestamp(now, UTC).year
    ahead = now + timedelta(days=1).total_seconds()
    candidates = (iso_seconds(f"{y}-{month:02d}-{day:02d}", clock, fraction, None) for y in (year, year - 1))
    return next((t for t in candidates if t <= ahead), now)
