"""Logs: one JSON object per line on stdout, which the supervisor points at the process's own file."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def log_line(service: str, level: str, message: str, **facts: Any) -> None:
    """Write one line now. For processes that need no logging framework."""
    row = {"time": _now(), "level": level, "service": service, "message": message} | facts
    sys.stdout.write(json.dumps(row, default=str) + "\n")
    sys.stdout.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(logging.Formatter):
    """Fields: time, level, service, logger, message, trace_id, span_id, error, exception, and whatever `extra` holds."""

    def __init__(self, service: str, trace: Callable[[], tuple[str, str]] | None = None) -> None:
        super().__init__()
        self.service = service
        self.trace = trace

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = {
            "time": _now(),
            "level": record.levelname.lower(),
            "service": self.service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self.trace:
            trace_id, span_id = self.trace()
            if trace_id:
                row |= {"trace_id": trace_id, "span_id": span_id}
        row |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            row |= exception_facts(record.exc_info[1])
        return json.dumps(row, default=str)


def exception_facts(error: BaseException) -> dict[str, str]:
    """The error's own words and its traceback."""
    return {
        "error": f"{type(error).__name__}: {error}".strip(),
        "exception": "".join(traceback.format_exception(error)),
    }


def set_up(service: str, trace: Callable[[], tuple[str, str]] | None = None) -> logging.Logger:
    """Everything logged goes to stdout as JSON lines, uncaught exceptions too. Returns the service's logger."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(service, trace))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for quiet in ("httpx", "httpcore", "psycopg.pool", "uvicorn.access", "uvicorn.error", "asyncio"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    log = logging.getLogger(service)

    def uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        log.critical("%s cannot go on: %s", service, error, exc_info=(kind, error, where))

    sys.excepthook = uncaught
    return log
