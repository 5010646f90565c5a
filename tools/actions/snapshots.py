"""Snapshots of a database: taking one, and going back to one."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args, Name
from tools.control import ControlEndpoint
from tools.postgres import connected, rows
from tools.spec import Action, Preview, State, unclear, would
from tools.target import Target


class TakeSnapshot(Args):
    """A snapshot takes no arguments."""


class RestoreSnapshot(Args):
    """Which one."""

    snapshot: Name | None = None
    """Id; None is the newest."""


async def _listed(target: Target) -> State:
    """{snapshots: ids, oldest first; incarnation: what the database is now, another one after it was put back}."""
    found = await ControlEndpoint(target, target.binding("snapshot")).get()
    rows: list[dict[str, Any]] = list(found.get("snapshots") or found.get("items") or [])
    ids = [str(row.get("id")) for row in rows]
    return {"snapshots": ids, "incarnation": await _incarnation(target)}


async def _incarnation(target: Target) -> int | None:
    """The database's object id: putting a snapshot back replaces the database by another one of the same name."""
    place = target.database()
    if place is None:
        return None
    dsn = target.variable(place.binding("database").dsn_env, "administrator's DSN")
    async with connected(dsn, read_only=True) as connection:
        found = await rows(connection, "select oid::bigint from pg_database where datname = current_database()")
    return int(found[0]["oid"])


async def _observe_take(target: Target, args: TakeSnapshot) -> State:
    return await _listed(target)


def _preview_take(args: TakeSnapshot, state: State) -> Preview:
    return would(f"a snapshot would be taken beside the {len(state['snapshots'])} there are")


async def _take(target: Target, args: TakeSnapshot, before: State) -> str:
    made = await ControlEndpoint(target, target.binding("snapshot")).post()
    return f"snapshot {made.get('id', '')} of {target.name} was taken"


def _confirm_take(args: TakeSnapshot, before: State, now: State) -> bool | None:
    return bool(set(now["snapshots"]) - set(before["snapshots"])) if before else None


async def _observe_restore(target: Target, args: RestoreSnapshot) -> State:
    facts = await _listed(target)
    newest = facts["snapshots"][-1] if facts["snapshots"] else None
    return {**facts, "wanted": args.snapshot or newest}


def _preview_restore(args: RestoreSnapshot, state: State) -> Preview:
    if state["wanted"] is None or state["wanted"] not in state["snapshots"]:
        return unclear(f"there is no snapshot {state['wanted'] or ''}".rstrip())
    return would(f"the data would be as in snapshot {state['wanted']}; everything written since is lost")


async def _restore(target: Target, args: RestoreSnapshot, before: State) -> str:
    endpoint = ControlEndpoint(target, target.binding("snapshot"))
    await endpoint.post(suffix=f"/{before['wanted']}/restore")
    return f"the data of {target.name} is that of snapshot {before['wanted']}"


def _confirm_restore(args: RestoreSnapshot, before: State, now: State) -> bool | None:
    if not before or before["incarnation"] is None:
        return None
    return bool(now["incarnation"] != before["incarnation"])


TAKE_SNAPSHOT = Action(
    name="take_snapshot",
    summary="Take a snapshot of the database, to which restore_snapshot can go back.",
    args=TakeSnapshot,
    effect=Effect.TRANSIENT,
    aspects=("snapshot",),
    no_undo_reason="nothing is lost or changed: a copy is added",
    timeout_s=120.0,
    blast_radius="some disk space and load while it is taken",
    observe=_observe_take,
    preview=_preview_take,
    apply=_take,
    confirm=_confirm_take,
)

RESTORE_SNAPSHOT = Action(
    name="restore_snapshot",
    summary="Put the data of a snapshot back. What was written since is lost.",
    args=RestoreSnapshot,
    effect=Effect.IRREVERSIBLE,
    removes=(Condition.DATA_DAMAGED,),
    aspects=("snapshot",),
    no_undo_reason="what was written after the snapshot is gone for good",
    timeout_s=180.0,
    blast_radius="everything written since the snapshot is lost; sessions are cut while it is restored",
    witness=("wanted", "snapshots"),
    observe=_observe_restore,
    preview=_preview_restore,
    apply=_restore,
    confirm=_confirm_restore,
)
