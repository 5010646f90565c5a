"""Bringing a release to its users bit by bit: a share of the requests first, all of them in the end."""

from __future__ import annotations

from pydantic import Field

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args, Name
from tools.control import ControlEndpoint, release_of
from tools.spec import Action, Preview, State, UndoCall, nothing, would
from tools.target import Target


class PromoteRelease(Args):
    """Which version gets all requests."""

    version: Name = Field(description="The version that gets all requests.")


class SplitRelease(Args):
    """Which version gets which share; the rest stays with the version that serves now."""

    version: Name = Field(description="The version that gets the share.")
    percent: int = Field(ge=1, le=99, description="Its share of the requests.")


async def _observe(target: Target, args: PromoteRelease | SplitRelease) -> State:
    binding = target.binding("release")
    facts = release_of(await ControlEndpoint(target, binding).status())
    known = target.option(binding, "versions")
    if known and args.version not in known:
        raise ToolError(
            f"{target.name} has no version {args.version}", expected=", ".join(map(str, known)), found=args.version
        )
    return {**facts, "wanted": _wanted(facts, args)}


def _wanted(facts: State, args: PromoteRelease | SplitRelease) -> dict[str, float]:
    """The weights to be set, in percent. Raises ToolError when it is not clear who keeps the rest."""
    if isinstance(args, PromoteRelease):
        return {args.version: 100}
    serving = [version for version, weight in facts["weights"].items() if weight and version != args.version]
    if len(serving) != 1:
        found = ", ".join(serving) or f"only {args.version}"
        raise ToolError("the rest of the requests needs one owner", expected="exactly one other version", found=found)
    return {serving[0]: 100 - args.percent, args.version: args.percent}


def _shares(weights: dict[str, float]) -> dict[str, float]:
    """Weights as shares of one hundred, without versions that get nothing."""
    total = sum(weights.values()) or 1.0
    return {version: 100.0 * weight / total for version, weight in weights.items() if weight}


def _preview(args: PromoteRelease | SplitRelease, state: State) -> Preview:
    if _confirm(args, state, state):
        return nothing(f"{_words(state['weights'])} already")
    return would(f"requests would go to {_words(state['wanted'])} instead of {_words(state['weights'])}")


def _words(weights: dict[str, float]) -> str:
    return ", ".join(f"{version} {share:g} %" for version, share in sorted(_shares(weights).items())) or "nobody known"


async def _apply(target: Target, args: PromoteRelease | SplitRelease, before: State) -> str:
    body = {"version": args.version, "weights": before["wanted"]}
    await ControlEndpoint(target, target.binding("release")).post(body)
    return f"requests of {target.name} go to {_words(before['wanted'])}"


def _confirm(args: PromoteRelease | SplitRelease, before: State, now: State) -> bool | None:
    wanted = (before or now)["wanted"]
    return bool(now["version"] == args.version and _shares(now["weights"]) == _shares(wanted))


def _undo(args: PromoteRelease | SplitRelease, before: State) -> UndoCall | None:
    if before["version"] is None or not before["weights"]:
        return None
    total = sum(before["weights"].values()) or 1.0
    shares = {version: round(100.0 * weight / total) for version, weight in before["weights"].items()}
    return UndoCall(action="rollback_release", args={"version": before["version"], "shares": shares})


SPLIT_RELEASE = Action(
    name="split_release",
    summary="Give a share of the requests to another version; the rest stays where it is.",
    args=SplitRelease,
    effect=Effect.REVERSIBLE,
    aspects=("release",),
    undo_action="rollback_release",
    timeout_s=60.0,
    settle_s=20.0,
    blast_radius="that share of the users gets the other version",
    witness=("version", "weights"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)

PROMOTE_RELEASE = Action(
    name="promote_release",
    summary="Give all requests to a version and end the split.",
    args=PromoteRelease,
    effect=Effect.REVERSIBLE,
    aspects=("release",),
    undo_action="rollback_release",
    timeout_s=60.0,
    settle_s=20.0,
    blast_radius="all users get that version; processes are replaced behind a spare",
    witness=("version", "weights"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)
