"""The api's data directory is full."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from chaos.errors import ChaosError
from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import users_suffer
from chaos.site import Site
from domain.value import Value, new_id

MOST_BYTES = 512 * 1024 * 1024
"""Never fill more than this: the directory must be a small one of its own."""
LITTLE = 32 * 1024
"""So few free bytes count as full."""
CHUNK = 256 * 1024


class Junk(Value):
    """What lies around."""

    files: int = 3


class DiskFull:
    """Leftovers of an export fill the small file system on which orders leave their receipts."""

    spec = FaultSpec(
        name="disk_full",
        family="disk",
        service="api",
        summary="the api's data directory is full, receipts cannot be written",
        parameters=Junk,
        ladder={Magnitude.LOW: {"files": 1}, Magnitude.MEDIUM: {"files": 3}, Magnitude.HIGH: {"files": 8}},
    )

    async def prepare(self, site: Site, parameters: Junk) -> Undo:
        directory = site.data_dir("api")
        free = await _free(site)
        if free is None or free > MOST_BYTES:
            raise ChaosError(
                "this disk is too large to be filled",
                expected=f"at most {MOST_BYTES} free bytes, as the api reports them",
                found=str(free),
                hint="the api's data directory needs a file system or quota of its own",
            )
        scratch = directory / "tmp"
        names = [f"export-{new_id('part')}.tmp" for _ in range(max(1, parameters.files))]
        return {"files": [str(scratch / name) for name in names], "free": free, "own": _small_filesystem(directory)}

    async def inject(self, site: Site, parameters: Junk, undo: Undo, note: Note) -> None:
        await asyncio.to_thread(_fill, [Path(p) for p in undo["files"]], undo["free"], undo["own"])
        for _ in range(6):
            # What was in flight while we filled gives its few pages back: take those too.
            await site.clock.sleep(0.1)
            if undo["own"]:
                await asyncio.to_thread(_append, Path(undo["files"][-1]), CHUNK, 4096)

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        free = await _free(site)
        full = free is not None and free < LITTLE
        return [Observation(name="disk full", ok=full, text=f"{free} bytes free"), await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        for path in undo["files"]:
            Path(path).unlink(missing_ok=True)

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        left = [path for path in undo["files"] if Path(path).exists()]
        return [Observation(name="junk", ok=not left, text=f"{len(left)} files left")]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []


def _small_filesystem(directory: Path) -> bool:
    """Whether the directory has a file system of its own that may be filled to the brim."""
    facts = os.statvfs(directory)
    return facts.f_blocks * facts.f_frsize <= MOST_BYTES


async def _free(site: Site) -> int | None:
    """Free bytes as the api itself measures them: its file system, or its quota."""
    found = (await site.shop.metrics("api")).get("disk_free_bytes")
    return None if found is None else int(found)


def _fill(paths: list[Path], free: int, own: bool) -> None:
    """Spread the free bytes over the files; on a file system of its own go on until it refuses."""
    share = free // len(paths) + CHUNK
    left = free
    for path in paths:
        left -= _append(path, share if own else min(share, left), CHUNK)
    if own:
        _append(paths[-1], CHUNK * 8, 4096)


def _append(path: Path, size: int, step: int) -> int:
    """Write up to `size` bytes; the bytes written before the disk was full."""
    written = 0
    block = os.urandom(step)
    with path.open("ab", buffering=0) as stream:
        while written < size:
            try:
                written += stream.write(block[: min(step, size - written)])
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    return written
                raise
    return written
