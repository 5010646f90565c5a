"""One key of a config map. Values are never shown: a configuration may hold secrets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import DataKey, ObjectName
from tools.actions.kubernetes.objects import Change, Object, Sending, object_state, undo_to_version
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.manifest import ABSENT
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target


class PatchConfigMap(Args):
    """One key."""

    config_map: ObjectName
    key: DataKey
    value: Annotated[str, Field(max_length=65536, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="The new value; None removes the key."
    )


async def _observe(target: Target, args: PatchConfigMap) -> State:
    """{kind, name, version, present, as_wanted}."""
    state, found = await object_state(target, KINDS["ConfigMap"], args.config_map)
    value = ((found or {}).get("data") or {}).get(args.key)
    return {**state, "present": value is not None, "as_wanted": value == args.value}


def _preview(args: PatchConfigMap, state: State) -> Preview:
    if state["version"] == ABSENT:
        return unclear(f"there is no config map {args.config_map}")
    if state["as_wanted"]:
        return nothing(f"{args.key} of config map {args.config_map} is as wanted already")
    done = "be removed" if args.value is None else "get another value" if state["present"] else "be added"
    return would(f"{args.key} of config map {args.config_map} would {done}; pods read it when they start")


def _change(args: PatchConfigMap) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        if current is None:
            raise ToolError("the config map has gone", expected=args.config_map, found="nothing")
        data: dict[str, Any] = {k: v for k, v in (current.get("data") or {}).items() if k != args.key}
        return {**current, "data": data if args.value is None else {**data, args.key: args.value}}

    return change


def _confirm(args: PatchConfigMap, before: State, now: State) -> bool | None:
    return bool(now["version"] != ABSENT and now["as_wanted"])


_SENDING = Sending(
    KINDS["ConfigMap"],
    name_of=lambda args: str(args.config_map),
    change=_change,
    words=lambda args: f"{args.key} of config map {args.config_map} was changed",
)

PATCH_CONFIG_MAP = Action(
    name="patch_config_map",
    summary="Set or remove one key of a config map.",
    args=PatchConfigMap,
    effect=Effect.REVERSIBLE,
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="pods that start from now on read it; those that run keep what they read",
    witness=("version",),
    observe=_observe,
    preview=_preview,
    rehearse=_SENDING.rehearse,
    apply=_SENDING.apply,
    confirm=_confirm,
    undo=undo_to_version,
)
