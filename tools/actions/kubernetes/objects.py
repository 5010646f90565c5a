"""What actions on whole objects share: look, keep the former version, send the new one, and go back to a version."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import ObjectName
from tools.kubernetes.kinds import KINDS, Kind
from tools.kubernetes.manifest import ABSENT, manifest_of, shelf, version_in
from tools.kubernetes.place import cluster_of
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target

Object = dict[str, Any]
Change = Callable[[Object | None, str], Object]
"""(object as it is, None when it is not there; namespace) → what it shall be. Raises ToolError when that cannot be done."""


async def object_state(target: Target, kind: Kind, name: str) -> tuple[State, Object | None]:
    """{kind, name, version} and the object itself, which may hold what no state may."""
    async with cluster_of(target) as cluster:
        found = await cluster.get(kind, name)
    return {"kind": kind.name, "name": name, "version": version_in(found)}, found


async def send(target: Target, kind: Kind, name: str, change: Change, *, dry: bool) -> None:
    """Change an object, or make it; what was there before is kept as a version first."""
    async with cluster_of(target) as cluster:
        current = await cluster.get(kind, name)
        wanted = change(current, cluster.namespace)
        if current is None:
            head = {"apiVersion": kind.api_version, "kind": kind.name}
            await cluster.create(
                kind, {**head, **wanted, "metadata": {**wanted.get("metadata", {}), "name": name}}, dry=dry
            )
            return
        if not dry:
            await _keep(target, current)
        await cluster.replace(kind, wanted, dry=dry)


async def _keep(target: Target, thing: Object) -> None:
    """Keep what is about to be replaced, so that the undo finds it."""
    where = shelf(target.name, thing["kind"], thing["metadata"]["name"])
    await target.versions.record(where, manifest_of(thing), target.clock.now().timestamp())


class Sending:
    """One way to change one object, rehearsed and done alike."""

    def __init__(
        self, kind: Kind, name_of: Callable[[Any], str], change: Callable[[Any], Change], words: Callable[[Any], str]
    ) -> None:
        self._kind, self._name_of, self._change, self._words = kind, name_of, change, words

    async def rehearse(self, target: Target, args: Any, before: State) -> None:
        """The API server checks the change and keeps nothing."""
        await send(target, self._kind, self._name_of(args), self._change(args), dry=True)

    async def apply(self, target: Target, args: Any, before: State) -> str:
        """The API server keeps it."""
        await send(target, self._kind, self._name_of(args), self._change(args), dry=False)
        return self._words(args)


def undo_to_version(args: Any, before: State) -> UndoCall | None:
    """Back to the version that was captured."""
    if not before.get("version"):
        return None
    back = {"kind": before["kind"], "name": before["name"], "version": before["version"]}
    return UndoCall(action="restore_manifest", args=back)


class RestoreManifest(Args):
    """Which object, as it was when."""

    kind: Literal["ConfigMap", "NetworkPolicy", "Role", "RoleBinding", "Service"]
    name: ObjectName
    version: str = Field(
        pattern=r"^([0-9a-f]{12}|absent)$",
        description="Version that was kept before a change; `absent` deletes what was made.",
    )


async def _kept(target: Target, args: RestoreManifest) -> Object | None:
    text = await target.versions.get(shelf(target.name, args.kind, args.name), args.version)
    found: Object | None = json.loads(text) if text else None
    return found if found and (found["kind"], found["metadata"]["name"]) == (args.kind, args.name) else None


async def _observe(target: Target, args: RestoreManifest) -> State:
    state, found = await object_state(target, KINDS[args.kind], args.name)
    known = args.version == ABSENT or await _kept(target, args) is not None
    return {**state, "known": known, "uid": found["metadata"]["uid"] if found else None}


def _preview(args: RestoreManifest, state: State) -> Preview:
    what = f"{args.kind} {args.name}"
    if state["version"] == args.version:
        return nothing(f"{what} is version {args.version} already")
    if not state["known"]:
        return unclear(f"version {args.version} of {what} was never kept here")
    done = "be deleted" if args.version == ABSENT else f"be version {args.version} again"
    return would(f"{what} (version {state['version']}) would {done}")


async def _send(target: Target, args: RestoreManifest, before: State, *, dry: bool) -> None:
    kind = KINDS[args.kind]
    if args.version == ABSENT:
        async with cluster_of(target) as cluster:
            current = await cluster.get(kind, args.name)
            if current is not None and not dry:
                await _keep(target, current)
            await cluster.delete(kind, args.name, before["uid"], dry=dry)
        return
    kept = await _kept(target, args)
    if kept is None:
        raise ToolError("the version has gone", expected=args.version, found="nothing")

    def change(current: Object | None, namespace: str) -> Object:
        served = (current or {}).get("metadata") or {}
        pinned = {key: served[key] for key in ("resourceVersion", "uid") if key in served}
        return {**kept, "metadata": {**kept["metadata"], **pinned}}

    await send(target, kind, args.name, change, dry=dry)


async def _rehearse(target: Target, args: RestoreManifest, before: State) -> None:
    await _send(target, args, before, dry=True)


async def _apply(target: Target, args: RestoreManifest, before: State) -> str:
    await _send(target, args, before, dry=False)
    return f"{args.kind} {args.name} is version {args.version} again"


def _confirm(args: RestoreManifest, before: State, now: State) -> bool | None:
    return bool(now["version"] == args.version)


RESTORE_MANIFEST = Action(
    name="restore_manifest",
    summary="Put an object of the cluster back as it was kept before a change.",
    args=RestoreManifest,
    effect=Effect.REVERSIBLE,
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="whoever reads that object sees its former content; pods read configuration when they start",
    witness=("version",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=undo_to_version,
)
