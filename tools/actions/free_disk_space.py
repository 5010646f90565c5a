"""Making room on a full disk: only files that the inventory declares to be scratch."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.directory import removable, remove, scan, usage
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target


class FreeDiskSpace(Args):
    """How much."""

    need_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Stop when so much would be free, largest files first; None removes all scratch.",
    )


def _patterns(target: Target) -> tuple[list[str], list[str]]:
    options = target.binding("disk").options
    return list(options.get("scratch") or []), list(options.get("keep") or [])


def _look(target: Target, args: FreeDiskSpace) -> State:
    directory = target.path(target.binding("disk"))
    scratch, keep = _patterns(target)
    room = usage(directory)
    files = [f for f in scan(directory) if removable(f.path, scratch=scratch, keep=keep)]
    chosen: list[dict[str, Any]] = []
    free = room.free
    for file in files:
        if args.need_bytes is not None and free >= args.need_bytes:
            break
        chosen.append({"path": file.path, "bytes": file.bytes, "inode": file.inode})
        free += file.bytes
    return {
        "total_bytes": room.total,
        "free_bytes": room.free,
        "files": chosen,
        "bytes": sum(f["bytes"] for f in chosen),
        "scratch": scratch,
    }


async def _observe(target: Target, args: FreeDiskSpace) -> State:
    return await asyncio.to_thread(_look, target, args)


def _preview(args: FreeDiskSpace, state: State) -> Preview:
    if not state["scratch"]:
        return unclear("the inventory declares no scratch files here; nothing may be removed")
    if not state["files"]:
        return nothing("there is no scratch file to remove" if args.need_bytes is None else "enough is free already")
    names = ", ".join(f"{f['path']} ({f['bytes']} bytes)" for f in state["files"][:10])
    more = f" and {len(state['files']) - 10} more" if len(state["files"]) > 10 else ""
    return would(f"would remove {len(state['files'])} scratch file(s), {state['bytes']} bytes: {names}{more}")


async def _apply(target: Target, args: FreeDiskSpace, before: State) -> str:
    scratch, keep = _patterns(target)
    names = {f["path"] for f in before["files"]}
    directory = target.path(target.binding("disk"))
    gone = await asyncio.to_thread(remove, directory, names, scratch=scratch, keep=keep)
    return f"removed {len(gone)} scratch file(s) of {target.name}, {sum(f.bytes for f in gone)} bytes"


def _confirm(args: FreeDiskSpace, before: State, now: State) -> bool | None:
    if not before:
        return not now["files"]
    return not {f["inode"] for f in before["files"]} & {f["inode"] for f in now["files"]}


FREE_DISK_SPACE = Action(
    name="free_disk_space",
    summary="Remove files that match the declared scratch patterns from the service's data directory.",
    args=FreeDiskSpace,
    effect=Effect.TRANSIENT,
    removes=(Condition.DISK_FULL,),
    aspects=("disk",),
    no_undo_reason="scratch files are declared to hold nothing that is needed again",
    blast_radius="none; links are not followed, files under keep patterns stay",
    witness=("scratch",),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
)
