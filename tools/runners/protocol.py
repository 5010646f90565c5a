"""How a command is begun at most once and found again after a crash: the far side's scripts and what they say.

Each step has a private folder on the far side (`BASE/steps/STEP/ATTEMPT`). Making it claims the step; linking `fate` in
it decides whether the command begins or, after a crash, never will; `code` says how it ended. The command runs detached
from the connection, so that neither a lost line nor our own kill -9 ends it. POSIX sh, `setsid`, `timeout`, `head`, `tail`.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from domain.errors import ToolError
from domain.runner import Command
from domain.value import digest

NEEDED = ("sh", "setsid", "timeout", "head", "tail", "mkfifo")
"""Programs of the far side without which no step can run there."""

_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class Begun(StrEnum):
    """What start.sh says."""

    BEGUN = "begun"
    THERE = "there"
    SEALED = "sealed"
    OTHER = "other"
    MISSING = "missing"
    UNSAFE = "unsafe"


class Fate(StrEnum):
    """What look.sh says about a step."""

    NONE = "none"
    WAITING = "waiting"
    """Claimed, and its supervisor has not begun yet."""
    RUNNING = "running"
    LOST = "lost"
    """It began, and whoever watched it is gone: nobody can say how it ended."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A step as its folder tells."""

    fate: Fate
    attempt: int
    """The attempt that was looked at; when there is none, the one that may come."""
    code: int | None = None
    """Exit code, minus the signal's number, None when it was ended for being late."""
    seconds: float = 0.0
    out: bytes = b""
    err: bytes = b""
    cut: bool = False


def checked_step(step_id: str) -> str:
    """The id, when it may name a folder. Raises ToolError."""
    if _STEP.fullmatch(step_id) is None:
        raise ToolError(
            "a step's id must be able to name a folder",
            expected="letters, digits, `.`, `_`, `-`, at most 120",
            found=repr(step_id[:60]),
            code="tool.bad_arguments",
        )
    return step_id


def start_words(base: str, step: str, attempt: int, command: Command) -> tuple[str, ...]:
    """The argument list that begins an attempt on the far side."""
    keep = str(command.max_output_bytes // 2)
    limit = str(math.ceil(command.timeout_s))
    call = digest({"argv": list(command.argv)})
    return _script("start.sh", base, step, str(attempt), call, limit, keep, _source("supervise.sh"), *command.argv)


def look_words(base: str, step: str, *, seal: bool) -> tuple[str, ...]:
    """The argument list that says what became of a step; `seal` makes sure that what has not begun never will."""
    return _script("look.sh", base, step, "1" if seal else "0")


def one_line(argv: Sequence[str]) -> str:
    """An argument list as the one line that SSH carries; every argument arrives as it was."""
    return shlex.join(argv)


def read_begun(raw: bytes) -> Begun:
    """What start.sh said. Raises ToolError for anything else."""
    try:
        return Begun(raw.decode(errors="replace").strip())
    except ValueError as error:
        raise _unreadable(raw) from error


def read_look(raw: bytes) -> Looked:
    """What look.sh said. Raises ToolError when it is not readable."""
    head, _, body = raw.partition(b"\n")
    words = head.decode(errors="replace").split()
    try:
        fate, attempt = Fate(words[0]), int(words[1])
        sizes = [int(word) for word in words[5:9]]
        if len(sizes) != 4 or sum(sizes) != len(body):
            raise ValueError("lengths do not fit")
        return _pieces(fate, attempt, words, sizes, body)
    except (ValueError, IndexError) as error:
        raise _unreadable(raw) from error


def _pieces(fate: Fate, attempt: int, words: list[str], sizes: list[int], body: bytes) -> Looked:
    if fate is not Fate.DONE:
        return Looked(fate=fate, attempt=attempt)
    keep = int(words[4])
    ends = [sum(sizes[: n + 1]) for n in range(4)]
    out_head, out_tail, err_head, err_tail = (body[end - size : end] for size, end in zip(sizes, ends, strict=True))
    return Looked(
        fate=fate,
        attempt=attempt,
        code=None if words[2] == "late" else _signed(int(words[2])),
        seconds=float(words[3]),
        out=_joined(out_head, out_tail, keep),
        err=_joined(err_head, err_tail, keep),
        cut=keep in (len(out_tail), len(err_tail)),
    )


def _joined(head: bytes, tail: bytes, keep: int) -> bytes:
    return head + (b"\n[left out]\n" if len(tail) >= keep else b"") + tail


def _signed(code: int) -> int:
    """A shell says 128 + n when signal n ended the program."""
    return 128 - code if 128 < code < 193 else code


def _script(name: str, *words: str) -> tuple[str, ...]:
    return ("sh", "-c", _source(name), "firebreak", *words)


@cache
def _source(name: str) -> str:
    return resources.files("tools.runners").joinpath(name).read_text()


def _unreadable(raw: bytes) -> ToolError:
    return ToolError(
        "the far side answered something else than expected",
        expected="the words of a POSIX shell with setsid, timeout, head and tail",
        found=repr(raw[:120]),
        hint="firebreak target check TARGET says what is missing there",
        code="tool.far_side",
    )
