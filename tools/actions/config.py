"""Configuration files: back to a known version, or one key changed. Values are never shown."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args, Restart
from tools.actions.processes import look, restarted
from tools.config_text import differing, is_secret, keys_of, with_key
from tools.config_versions import version_of
from tools.file import read_text, write_atomic
from tools.lifecycle import lifecycle
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target

VersionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]
Setting = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=4096)]


class RestoreConfig(Args):
    """Which version shall be current."""

    version: VersionId | None = Field(
        default=None, description="Version id from the configuration history; None is the newest good one."
    )
    restart: Restart = True


class SetConfig(Args):
    """One key."""

    key: Key
    value: Setting | None = Field(default=None, description="The new value; None removes the key.")
    restart: Restart = True


async def _current(target: Target) -> str:
    path = target.path(target.binding("config"))
    return await asyncio.to_thread(read_text, path)


async def _current_or_empty(target: Target) -> str:
    try:
        return await _current(target)
    except ToolError as error:
        if error.code == "tool.no_file":
            return ""
        raise


async def _process(target: Target, restart: bool) -> State | None:
    return await look(target, None) if restart and target.has("process") else None


async def _put(target: Target, text: str, restart: bool) -> None:
    path = target.path(target.binding("config"))
    await asyncio.to_thread(write_atomic, path, text.encode("utf-8", "surrogateescape"))
    if restart and target.has("process"):
        await lifecycle(target).restart()


async def _kept(target: Target) -> None:
    """Keep the text that is about to be replaced, so that the undo finds it."""
    await target.versions.record(target.name, await _current_or_empty(target), target.clock.now().timestamp())


async def _observe_restore(target: Target, args: RestoreConfig) -> State:
    text = await _current_or_empty(target)
    wanted = args.version
    if wanted is None:
        newest = await target.versions.latest_good(target.name)
        wanted = newest.version if newest else None
    good = await target.versions.get(target.name, wanted) if wanted else None
    keys: list[str] = differing(text, good, target.path(target.binding("config"))) if good is not None else []
    return {
        "version": version_of(text),
        "wanted": wanted,
        "known": good is not None,
        "keys": keys,
        "process": await _process(target, args.restart),
    }


def _preview_restore(args: RestoreConfig, state: State) -> Preview:
    if not state["known"]:
        return unclear(
            f"version {args.version} is not in the configuration history"
            if args.version
            else "no good version of this configuration is known yet"
        )
    if state["version"] == state["wanted"]:
        return nothing(f"the configuration is version {state['wanted']} already")
    keys = ", ".join(state["keys"][:10]) or "only comments or order"
    after = ", then restarted" if state["process"] else ""
    return would(f"version {state['version']} would be replaced by {state['wanted']} (differs in: {keys}){after}")


async def _restore(target: Target, args: RestoreConfig, before: State) -> str:
    text = await target.versions.get(target.name, before["wanted"])
    if text is None:
        raise ToolError("the version has gone", expected=before["wanted"], found="nothing")
    await _kept(target)
    await _put(target, text, args.restart)
    return f"the configuration of {target.name} is version {before['wanted']} again"


def _confirm_restore(args: RestoreConfig, before: State, now: State) -> bool | None:
    wanted = before.get("wanted") or now["wanted"]
    if now["version"] != wanted:
        return False
    return _took_effect(before, now)


def _took_effect(before: State, now: State) -> bool | None:
    """Whether the process, when it was to be restarted, is another one and runs."""
    if not now.get("process"):
        return True
    return restarted(before["process"], now["process"]) if before.get("process") else None


def _undo_restore(args: RestoreConfig, before: State) -> UndoCall:
    return UndoCall(action="restore_config", args={"version": before["version"], "restart": args.restart})


async def _observe_set(target: Target, args: SetConfig) -> State:
    text = await _current(target)
    value = keys_of(text, target.path(target.binding("config"))).get(args.key)
    return {
        "version": version_of(text),
        "present": value is not None,
        "as_wanted": value == args.value,
        "shown": None if value is None or is_secret(args.key, value) else value,
        "process": await _process(target, args.restart),
    }


def _accept_set(target: Target, args: SetConfig) -> None:
    if is_secret(args.key, args.value or ""):
        raise ToolError(
            "set_config does not handle secrets: arguments are written to the ledger",
            expected="a key and a value that are not secret",
            found=args.key,
            hint="use rotate_credential, or restore_config for a former version",
            code="tool.bad_arguments",
        )


def _preview_set(args: SetConfig, state: State) -> Preview:
    if state["as_wanted"]:
        return nothing(f"{args.key} is so already")
    deed = "removed" if args.value is None else "set" if state["present"] else "added"
    return would(f"{args.key} would be {deed}" + (", then restarted" if state["process"] else ""))


async def _set(target: Target, args: SetConfig, before: State) -> str:
    text = await _current(target)
    if version_of(text) != before["version"]:
        raise ToolError("the file changed meanwhile", expected=before["version"], found=version_of(text))
    await _kept(target)
    await _put(target, with_key(text, target.path(target.binding("config")), args.key, args.value), args.restart)
    return f"{args.key} of {target.name} was {'removed' if args.value is None else 'set'}"


def _confirm_set(args: SetConfig, before: State, now: State) -> bool | None:
    return _took_effect(before, now) if now["as_wanted"] else False


def _undo_set(args: SetConfig, before: State) -> UndoCall:
    if before["present"] and before["shown"] is None:
        return UndoCall(action="restore_config", args={"version": before["version"], "restart": args.restart})
    return UndoCall(action="set_config", args={"key": args.key, "value": before["shown"], "restart": args.restart})


RESTORE_CONFIG = Action(
    name="restore_config",
    summary="Put a known version of the service's configuration file back, and restart so that it is read.",
    args=RestoreConfig,
    effect=Effect.REVERSIBLE,
    removes=(Condition.CONFIG_KEY_MISSING, Condition.CONFIG_CHANGED),
    aspects=("config",),
    undo_action="restore_config",
    blast_radius="edits since that version are gone from the file (and kept in the history); a restart takes seconds",
    witness=("version", "wanted"),
    observe=_observe_restore,
    preview=_preview_restore,
    apply=_restore,
    confirm=_confirm_restore,
    undo=_undo_restore,
)

SET_CONFIG = Action(
    name="set_config",
    summary="Set or remove one key of the service's configuration file, and restart so that it is read.",
    args=SetConfig,
    effect=Effect.REVERSIBLE,
    aspects=("config",),
    undo_action="set_config",
    blast_radius="one setting changes; a restart takes seconds",
    witness=("version",),
    observe=_observe_set,
    preview=_preview_set,
    apply=_set,
    confirm=_confirm_set,
    undo=_undo_set,
    accept=_accept_set,
)
