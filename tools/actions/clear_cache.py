"""Emptying what can be built again: a cache server's keys, or a service's local warm-start file."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.directory import matches, remove, scan
from tools.redis import clear, size
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target


class ClearCache(Args):
    """Everything that the binding declares to be cache; no choice."""


def _server(target: Target) -> tuple[str, list[str]]:
    binding = target.binding("cache")
    return binding.url, list(binding.options.get("prefixes") or [])


def _patterns(target: Target) -> list[str]:
    return list(target.option(target.binding("warm_cache"), "files") or [])


async def _observe(target: Target, args: ClearCache) -> State:
    if target.has("cache"):
        url, prefixes = _server(target)
        whole = bool(target.option(target.binding("cache"), "whole_database", False))
        keys = await size(url, prefixes) if prefixes or whole else 0
        return {"kind": "server", "keys": keys, "files": [], "prefixes": prefixes, "declared": bool(prefixes or whole)}
    return {"kind": "files", "keys": 0, "files": await asyncio.to_thread(_files, target), "prefixes": []}


def _files(target: Target) -> list[dict[str, Any]]:
    """Declared cache files that are there: {path, bytes, inode}."""
    patterns = _patterns(target)
    found = scan(target.path(target.binding("warm_cache")))
    return [{"path": f.path, "bytes": f.bytes, "inode": f.inode} for f in found if matches(f.path, patterns)]


def _preview(args: ClearCache, state: State) -> Preview:
    if state["kind"] == "server":
        if not state["declared"]:
            return unclear(
                "the inventory does not say which keys are cache (`cache.options.prefixes`, or `whole_database: true`); "
                "others may hold work or sessions"
            )
        if not state["keys"]:
            return nothing("the cache is empty")
        return would(f"{state['keys']} cached entries would be dropped and built again from their source")
    if not state["files"]:
        return nothing("there is no local cache file")
    names = ", ".join(f["path"] for f in state["files"][:10])
    return would(f"{len(state['files'])} local cache file(s) would be removed: {names}; built again at the next start")


async def _apply(target: Target, args: ClearCache, before: State) -> str:
    if before["kind"] == "server":
        gone = await clear(*_server(target))
        return f"{gone} cached entries of {target.name} were dropped"
    names = {f["path"] for f in before["files"]}
    directory = target.path(target.binding("warm_cache"))
    removed = await asyncio.to_thread(remove, directory, names, scratch=_patterns(target), keep=[])
    return f"removed {', '.join(f.path for f in removed) or 'nothing'} of {target.name}"


def _confirm(args: ClearCache, before: State, now: State) -> bool | None:
    if now["kind"] == "files":
        left = {f["inode"] for f in now["files"]} if before else {f["path"] for f in now["files"]}
        return not left & {f["inode"] for f in before["files"]} if before else not left
    if not before:
        return None if now["keys"] else True
    return bool(now["keys"] < max(1, before["keys"]) or now["keys"] == 0)


CLEAR_CACHE = Action(
    name="clear_cache",
    summary="Drop cached entries of a cache server, or remove a service's local warm-start file; both are built again.",
    args=ClearCache,
    effect=Effect.TRANSIENT,
    removes=(Condition.LOCAL_STATE_TORN, Condition.CACHE_POISONED, Condition.CACHE_FULL),
    aspects=("cache", "warm_cache"),
    no_undo_reason="a cache holds nothing that cannot be built again from its source",
    blast_radius="the next requests are slower while the cache fills",
    witness=("kind", "prefixes"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
)
