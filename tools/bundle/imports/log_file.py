"""A log file of any usual kind as log lines: JSON lines, logfmt, plain text, CRI, Docker's JSON, journald's export.

Each line is recognised by itself, so mixed files work. Lines without a time of their own (stack traces) belong to the
line before them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from math import inf, isfinite
from typing import Any

from domain.bundle import LogLine
from domain.redaction import redact
from tools.bundle.imports.clocks import leading_time
from tools.bundle.imports.document import unreadable
from tools.bundle.told import Told
from tools.moment import ISO, in_seconds, moment
from tools.telemetry.lines import PRIORITIES, log_line, structured

MAX_MESSAGE = 4000
"""Characters of one message, stack trace included."""
_CRI = re.compile(r"(\d{4}-\d\d-\d\dT\S+) (?:stdout|stderr) ([FP])(?:[:\w]*) (.*)", re.S)
_LOGFMT = re.compile(r'([A-Za-z_][\w.\-/]*)=("(?:[^"\\]|\\.)*"|\S*)')
_ACCESS = re.compile(r'" (\d{3}) (?:\d+|-)')
_SERVICE = (
    "service",
    "service_name",
    "service.name",
    "app",
    "application",
    "container_name",
    "container",
    "logger_name",
)


def read_log(content: bytes, name: str, told: Told, *, service: str, fixed: bool = False, now: float) -> list[LogLine]:
    """Lines of a file, in the file's order.

    `service` is whose they are where a line does not say; `fixed` says that it is theirs in any case. `now` (epoch
    seconds) gives the year to times without one. What has no time at all is told and skipped; a file in which nothing
    has a time is an EvidenceError.
    """
    found: list[LogLine] = []
    partial = text = ""
    for number, raw in enumerate(BytesIO(content), start=1):
        text = raw.decode("utf-8", errors="replace").rstrip("\r\n").lstrip("\ufeff")
        if not text.strip():
            continue
        cri = _CRI.match(text)
        if cri is not None and cri[2] == "P":  # the runtime cut it; the rest follows
            partial = (partial + cri[3])[:MAX_MESSAGE]
            continue
        try:
            if cri is not None:
                whole, partial = partial + cri[3], ""
                line = replace(said_by(whole, service, fixed, now, name, told), time=moment(cri[1])[0])
            elif text[0] == "{":
                line = _object(_parsed(text), service, fixed, now, name, told)
            else:
                line = said_by(text, service, fixed, now, name, told)
        except ValueError as error:
            told.skipped(name, f"line {number}", error)
            continue
        if isfinite(line.time):
            found.append(line)
        elif found:
            found[-1] = replace(found[-1], message=f"{found[-1].message}\n{redact(text)}"[:MAX_MESSAGE])
        else:
            told.skipped(name, f"line {number}", f"expected a time, found none in {redact(text)[:80]!r}")
    if not found and content.strip():
        raise unreadable(name, "log lines of which at least one has a time", repr(redact(text)[:80]))
    return found


def _parsed(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a JSON object, found one that breaks off or is malformed: {error}") from error
    if not isinstance(row, dict):  # text starts with a brace
        raise ValueError("expected a JSON object")
    return row


def _object(row: dict[str, Any], service: str, fixed: bool, now: float, name: str, told: Told) -> LogLine:
    if isinstance(row.get("log"), str) and "time" in row and "message" not in row:
        inner = said_by(row["log"].rstrip("\n"), service, fixed, now, name, told)
        return replace(inner, time=moment(row["time"])[0])
    if "__REALTIME_TIMESTAMP" in row:
        return _journal(row, service, fixed)
    whose = service if fixed else _named(row) or service
    line = structured(row, whose, inf)
    if not isfinite(line.time):
        raise ValueError("expected a time in one of time, timestamp, ts, @timestamp; found none that can be read")
    when = next((row[k] for k in ("time", "timestamp", "ts", "@timestamp", "t") if k in row), None)
    if isinstance(when, int | float):
        told.unit(name, in_seconds(when)[1])
    return line


def said_by(text: str, service: str, fixed: bool, now: float, name: str, told: Told) -> LogLine:
    """A line without its carrier's envelope: JSON, logfmt or text; its time is infinite when it has none."""
    if text[:1] == "{":
        try:
            return _object(_parsed(text), service, fixed, now, name, told)
        except ValueError:
            return log_line(text.encode(), service, inf)
    pairs = dict(_LOGFMT.findall(text)) if "=" in text else {}
    if len(pairs) >= 2 and pairs.keys() & {"msg", "message", "level", "lvl"}:
        row: dict[str, Any] = {k: _unquoted(v) for k, v in pairs.items()}
        return structured(row, service if fixed else _named(row) or service, inf)
    line = log_line(text.encode(), service, inf)
    if not isfinite(line.time) and (found := leading_time(text, now)) is not None:
        when, unit, level = found
        if unit != ISO:
            told.note(name, unit)
        line = replace(line, time=when, level=level or line.level)
    if not line.level and (status := _ACCESS.search(text)) is not None:
        line = replace(line, level="ERROR" if status[1].startswith("5") else "INFO")
    return line


def _journal(row: Mapping[str, Any], service: str, fixed: bool) -> LogLine:
    """An entry of `journalctl -o json`: microseconds, and bytes as lists of numbers where a message is no text."""
    said = row.get("MESSAGE")
    text = bytes(said).decode("utf-8", errors="replace") if isinstance(said, list) else str(said or "")
    unit = str(row.get("_SYSTEMD_UNIT") or row.get("SYSLOG_IDENTIFIER") or service)
    priority = str(row.get("PRIORITY", ""))
    return LogLine(
        time=moment(row["__REALTIME_TIMESTAMP"])[0],
        service=service if fixed else unit.removesuffix(".service"),
        message=redact(text[:MAX_MESSAGE]),
        level=PRIORITIES[int(priority)] if priority in set("01234567") else "",
    )


def _named(row: Mapping[str, Any]) -> str:
    pod = row.get("kubernetes")
    if isinstance(pod, dict):
        return str(pod.get("container_name") or pod.get("pod_name") or "")
    return next((str(row[n]) for n in _SERVICE if isinstance(row.get(n), str) and row[n]), "")


def _unquoted(value: str) -> str:
    if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
        return value[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    return value
