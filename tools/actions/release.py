"""Which version of a service gets the traffic."""

from __future__ import annotations

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args, Name
from tools.control import ControlEndpoint, release_of
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target


class RollbackRelease(Args):
    """Where to."""

    version: Name | None = Field(default=None, description="The version; None is the one before the current.")
    shares: dict[Name, int] | None = Field(
        default=None, description="Share of traffic per version in percent; None sends everything to `version`."
    )


async def _observe(target: Target, args: RollbackRelease) -> State:
    facts = release_of(await ControlEndpoint(target, target.binding("release")).status())
    wanted = args.version or facts["previous"] or _other(facts)
    weights = args.shares or ({v: 100 if v == wanted else 0 for v in {*facts["weights"], wanted}} if wanted else {})
    return {**facts, "wanted": wanted, "wanted_weights": weights}


def _other(facts: State) -> str | None:
    """The only other known version, when there is exactly one."""
    others = sorted(set(facts["weights"]) - {facts["version"]})
    return others[0] if len(others) == 1 else None


def _sharing(weights: State) -> State:
    return {version: share for version, share in weights.items() if share}


def _there(state: State, wanted: str | None, weights: State) -> bool:
    return state["version"] == wanted and (not state["weights"] or _sharing(state["weights"]) == _sharing(weights))


def _preview(args: RollbackRelease, state: State) -> Preview:
    if state["wanted"] is None:
        return unclear("no former version is known; name one in version")
    if _there(state, state["wanted"], state["wanted_weights"]):
        return nothing(f"version {state['wanted']} has the traffic already")
    return would(f"traffic would move from {state['version']} to {state['wanted']}")


async def _apply(target: Target, args: RollbackRelease, before: State) -> str:
    body = {"version": before["wanted"], "weights": before["wanted_weights"]}
    await ControlEndpoint(target, target.binding("release")).post(body)
    return f"{target.name} is released at {before['wanted']}"


def _confirm(args: RollbackRelease, before: State, now: State) -> bool | None:
    aim = before or now
    if not before and args.version is None:
        return None
    return _there(now, aim["wanted"], aim["wanted_weights"])


def _undo(args: RollbackRelease, before: State) -> UndoCall | None:
    if before["version"] is None:
        return None
    shares = before["weights"] or None
    return UndoCall(action="rollback_release", args={"version": before["version"], "shares": shares})


ROLLBACK_RELEASE = Action(
    name="rollback_release",
    summary="Give the traffic to another release, by default the one before.",
    args=RollbackRelease,
    effect=Effect.REVERSIBLE,
    removes=(Condition.RELEASE_REGRESSED,),
    aspects=("release",),
    undo_action="rollback_release",
    timeout_s=60.0,
    settle_s=20.0,
    blast_radius="users get the other version; requests in flight may fail while processes change",
    witness=("version", "weights", "wanted"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)
