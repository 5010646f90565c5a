"""A program that lists log lines, here or over ssh: an argument list, bounded in bytes, killed when nobody waits."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from domain.errors import EvidenceError
from domain.redaction import redact
from tools.command import find_program

MAX_BYTES = 16 * 1024 * 1024
"""Kept of each stream of one call; what was listed first beyond that is left out."""
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=5", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a program wrote, and how it ended. The first line of a stream may be cut."""

    code: int
    out: bytes
    err: bytes

    def well(self, what: str, grant: str, *, wordless: bool = False) -> Listed:
        """Itself. Raises EvidenceError with the program's last words when it failed; `wordless`: or when it complained."""
        if self.code == 0 and not (wordless and self.err.strip()):
            return self
        said = (self.err or self.out).decode(errors="replace").strip()
        raise EvidenceError(
            f"{what} cannot be read",
            expected="lines",
            found=redact(said)[-300:] or f"exit code {self.code}",
            hint=grant,
        )


def at_host(host: str, words: Sequence[str]) -> list[str]:
    """The words as they are run there: by this machine's ssh, known host keys only, nothing asked; here when `host` is empty."""
    return [*_SSH, host, shlex.join(words)] if host else list(words)


async def listed(words: Sequence[str]) -> Listed:
    """Run it to its end. Raises ToolError when the program is missing."""
    async with _child(words) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        out, err = await asyncio.gather(_last(child.stdout), _last(child.stderr))
        return Listed(code=await child.wait(), out=out, err=err)


@asynccontextmanager
async def _child(words: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        find_program(words[0]),
        *words[1:],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _last(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(1 << 16):
        kept += chunk
        if len(kept) > 2 * MAX_BYTES:
            del kept[:-MAX_BYTES]
    return bytes(kept[-MAX_BYTES:])
