"""Programs of this machine as argument lists: bounded in time and output, never a shell line."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ToolError
from domain.redaction import redact

MOST_BYTES = 200_000
"""What is kept of each stream: the first half and the last half, the middle is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A program that ended; its words are redacted."""

    code: int
    out: str
    err: str


def find_program(name: str) -> str:
    """Its path. Raises ToolError (tool.missing_program) when it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise ToolError(
            f"{name} is not on the PATH",
            expected=f"the program {name}",
            found="nothing",
            hint=f"install {name} on the machine that runs Firebreak",
            code="tool.missing_program",
        )
    return found


async def run_program(
    words: Sequence[str], *, folder: Path, timeout_s: float, env: Mapping[str, str] | None = None
) -> Ran:
    """Run it to its end. Raises ToolError when it is missing, cannot start or does not end in time (then it is killed)."""
    code, out, err = await run_raw(words, folder=folder, timeout_s=timeout_s, env=env)
    return Ran(code=code, out=_bounded(out), err=_bounded(err))


def well(ran: Ran, what: str) -> Ran:
    """The run, when it ended well. Raises ToolError with its last words."""
    if ran.code != 0:
        words = (ran.err or ran.out).strip().splitlines()
        raise ToolError(f"{what} failed", expected="exit code 0", found=f"{ran.code}: {' '.join(words[-3:])[:300]}")
    return ran


async def run_raw(
    words: Sequence[str], *, folder: Path, timeout_s: float, env: Mapping[str, str] | None = None, given: bytes = b""
) -> tuple[int, bytes, bytes]:
    """The same with its bytes as they are: (exit code, output, errors). `env` replaces our own variables; `given` is what
    the program reads."""
    program = find_program(words[0])
    if not folder.is_dir():
        raise ToolError(f"there is no folder {folder}", expected="a folder to run in", found="nothing")
    child = await asyncio.create_subprocess_exec(
        program,
        *words[1:],
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await child.communicate(given or None)
    except TimeoutError as error:
        raise ToolError(f"{words[0]} did not end within {timeout_s:.0f} s", code="tool.too_slow") from error
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return child.returncode or 0, out, err


def _bounded(raw: bytes) -> str:
    half = MOST_BYTES // 2
    if len(raw) > MOST_BYTES:
        raw = raw[:half] + b"\n[left out]\n" + raw[-half:]
    return redact(raw.decode(errors="replace"))
