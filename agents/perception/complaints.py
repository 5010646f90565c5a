"""Which log lines could speak of trouble: a cheap sieve before the patterns of the rules. Pure."""

from __future__ import annotations

from domain.bundle import LogLine

SEARCHED = 800
"""Characters of a line that patterns search."""
TROUBLE = (
    "err", "fail", "refus", "timeout", "timed", "time out", "denied", "exist", "space", "enospc", "full",
    "quota", "429", "too many", "limit", "pool", "waiting", "connection", "read-only", "read only",
    "readonly", "deadlock", "not ", "missing", "required", "unset", "invalid", "exception", "traceback",
    "fatal", "panic", "resol", "getaddrinfo", "nxdomain", "no such", "no free", "corrupt", "cannot", "could",
    "slots", "answered", "returned", "responded", "large", "exit", "in time", "unreachable", "no route",
    "environment", "undefined", "privilege", "password", "permi", "unknown", "pg_hba", "exhausted",
)  # fmt: skip
"""Word parts in which trouble is told; every pattern of the rules contains one of them."""
_SAID_IN = ("error", "exception", "exc_info", "detail")


def troubled(text: str) -> bool:
    """Does the text hold any word in which trouble is told?"""
    low = text.lower()
    return any(word in low for word in TROUBLE)


def log_text(line: LogLine) -> str:
    """The line's message and its exception text, as one string to search in."""
    extra = " ".join(str(line.attributes[k]) for k in _SAID_IN if k in line.attributes)
    return f"{line.message} {extra}" if extra else line.message
