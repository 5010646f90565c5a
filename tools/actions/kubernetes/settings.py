"""Declared keys of a config map, all at once. Values come from the inventory and are never shown."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.cluster import Settings
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.kubernetes.objects import Change, Object, object_state, send, undo_to_version
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.manifest import ABSENT
from tools.kubernetes.needs import declared_of, differing
from tools.spec import Action, NoArgs, Preview, State, nothing, unclear, would
from tools.target import Target

CONFIG_MAP = KINDS["ConfigMap"]


def settings_of(target: Target) -> Settings:
    """What is declared. Raises ToolError when nothing is."""
    found = declared_of(target).settings
    if found is None:
        raise ToolError(
            f"nothing says which settings {target.name} needs",
            expected="`options.settings` of its kubernetes binding",
            found="none",
            code="tool.bad_arguments",
        )
    return found


async def _observe(target: Target, args: NoArgs) -> State:
    """{kind, name, version, differing: keys}."""
    wanted = settings_of(target)
    state, found = await object_state(target, CONFIG_MAP, wanted.config_map)
    return {**state, "differing": differing(found, wanted.values)}


def _preview(args: NoArgs, state: State) -> Preview:
    if state["version"] == ABSENT:
        return unclear(f"there is no config map {state['name']}")
    if not state["differing"]:
        return nothing(f"config map {state['name']} holds what is declared already")
    keys = ", ".join(state["differing"])
    return would(f"{keys} of config map {state['name']} would be as declared; pods read it when they start")


def _change(target: Target) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        wanted = settings_of(target)
        if current is None:
            raise ToolError("the config map has gone", expected=wanted.config_map, found="nothing")
        return {**current, "data": {**(current.get("data") or {}), **wanted.values}}

    return change


async def _rehearse(target: Target, args: NoArgs, before: State) -> None:
    await send(target, CONFIG_MAP, before["name"], _change(target), dry=True)


async def _apply(target: Target, args: NoArgs, before: State) -> str:
    await send(target, CONFIG_MAP, before["name"], _change(target), dry=False)
    return f"config map {before['name']} holds what is declared"


def _confirm(args: NoArgs, before: State, now: State) -> bool | None:
    return bool(now["version"] != ABSENT and not now["differing"])


RESTORE_SETTINGS: Action[Any] = Action(
    name="restore_settings",
    summary="Give a config map the values that the inventory declares.",
    args=NoArgs,
    effect=Effect.REVERSIBLE,
    removes=(Condition.SETTINGS_DIFFER,),
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="pods that start from now on read it; those that run keep what they read",
    witness=("version",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=undo_to_version,
)
