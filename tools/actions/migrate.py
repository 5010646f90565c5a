"""The schema of a database, one revision forwards or backwards."""

from __future__ import annotations

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args, Name
from tools.control import ControlEndpoint
from tools.schema import revision_facts
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target


class Migrate(Args):
    """Where to."""

    revision: Name | None = Field(
        default=None, description="Revision; None is the one the running code expects, as the inventory declares it."
    )


async def _observe(target: Target, args: Migrate) -> State:
    facts = await revision_facts(target, admin=True)
    return {
        "current": facts["current"],
        "dirty": facts["dirty"],
        "wanted": args.revision or facts["expected"],
    }


def _preview(args: Migrate, state: State) -> Preview:
    if state["wanted"] is None:
        return unclear("the inventory declares no expected revision; name one in revision")
    if state["current"] == state["wanted"] and not state["dirty"]:
        return nothing(f"the schema is at revision {state['wanted']} already")
    return would(f"the schema would be migrated from {state['current'] or 'nothing'} to {state['wanted']}")


async def _apply(target: Target, args: Migrate, before: State) -> str:
    await ControlEndpoint(target, target.binding("migration")).post({"revision": before["wanted"]})
    return f"the schema was migrated to {before['wanted']}"


def _confirm(args: Migrate, before: State, now: State) -> bool | None:
    return bool(now["current"] == now["wanted"])


def _undo(args: Migrate, before: State) -> UndoCall | None:
    return UndoCall(action="migrate", args={"revision": before["current"]}) if before["current"] else None


MIGRATE = Action(
    name="migrate",
    summary="Bring the database schema to a revision, up or down, by its own migrations.",
    args=Migrate,
    effect=Effect.REVERSIBLE,
    removes=(Condition.SCHEMA_AHEAD_OR_DIRTY, Condition.SCHEMA_BEHIND),
    aspects=("migration",),
    undo_action="migrate",
    timeout_s=90.0,
    blast_radius="tables are locked while their columns change; a downgrade drops what only the newer revision holds",
    witness=("current", "wanted"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)
