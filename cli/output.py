"""How commands speak: one JSON document with `--json`, otherwise lines for a person; errors to stderr; exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NoReturn

from domain.errors import AuthError, ConfigError, FirebreakError, IntakeError, NotFoundError, UpstreamError

SCHEMA_VERSION = "1"


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    FINDING = 3
    """A finding, or a check that failed."""
    APPROVAL = 4
    """An approval is needed, or the door said no."""
    UPSTREAM = 5
    """A service that is needed does not answer."""
    INTERRUPTED = 130


_CODES: tuple[tuple[type[FirebreakError], Exit], ...] = (
    (ConfigError, Exit.USAGE),
    (IntakeError, Exit.FINDING),
    (AuthError, Exit.APPROVAL),
    (NotFoundError, Exit.USAGE),
    (UpstreamError, Exit.UPSTREAM),
)


def exit_code(error: FirebreakError) -> Exit:
    """Which exit code an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.ERROR)


def print_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of a `--json` command."""
    sys.stdout.write(json.dumps({"schema_version": SCHEMA_VERSION, **document}, default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for a person, on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line beside the result, on stderr: progress, warnings."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(error: FirebreakError, as_json: bool = False) -> NoReturn:
    """Say what was wrong and leave with its exit code."""
    if as_json:
        print_json(
            {
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "expected": error.expected,
                    "found": error.found,
                    "hint": error.hint,
                }
            }
        )
    else:
        first, *rest = error.lines()
        note(f"error: {first}")
        for line in rest:
            note(f"  {line}")
    raise SystemExit(int(exit_code(error)))
