"""Which way requests go and how wide the way is: upstream provider, route of a link, size of a pool."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args, Name
from tools.control import ControlEndpoint, current_provider, current_route, current_size
from tools.http import fetch
from tools.series import POOL_SIZE, gauge
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target


class SwitchUpstream(Args):
    """Which provider."""

    provider: Name | None = Field(default=None, description="A declared provider; None is the next one.")


class ShiftTraffic(Args):
    """Which route."""

    route: Name | None = Field(default=None, description="A declared route of the link; None is the next one.")


class ScalePool(Args):
    """How many connections."""

    size: int | None = Field(
        default=None, ge=1, le=10_000, description="Connections; None is four times as many, within the declared range."
    )


def _endpoint(target: Target, aspect: str) -> ControlEndpoint:
    return ControlEndpoint(target, target.binding(aspect))


def _next(choices: list[str], current: str | None) -> str | None:
    """The choice after the current one, around the corner; None when there is no other."""
    others = [c for c in choices if c != current]
    if not others:
        return None
    if current not in choices:
        return others[0]
    turned = choices[choices.index(current) + 1 :] + choices
    return next(c for c in turned if c != current)


def _declared(target: Target, aspect: str, key: str) -> list[str]:
    return list(target.option(target.binding(aspect), key) or [])


def _refuse_undeclared(target: Target, aspect: str, key: str, name: str | None) -> None:
    choices = _declared(target, aspect, key)
    if name is not None and name not in choices:
        raise ToolError(
            f"{target.name} has no such choice in `{aspect}.options.{key}`",
            expected=" or ".join(choices) or "a declared choice",
            found=name,
            code="tool.bad_arguments",
        )


async def _observe_upstream(target: Target, args: SwitchUpstream) -> State:
    dependency = str(target.option(target.binding("upstream"), "dependency", ""))
    current = current_provider(await _endpoint(target, "upstream").status(), target.name, dependency)
    return {
        "provider": current,
        "wanted": args.provider or _next(_declared(target, "upstream", "providers"), current),
    }


def _accept_upstream(target: Target, args: SwitchUpstream) -> None:
    _refuse_undeclared(target, "upstream", "providers", args.provider)


def _preview_choice(args: Args, state: State, key: str) -> Preview:
    if state["wanted"] is None:
        return unclear(f"the inventory declares no other {key} than {state[key]}")
    if state[key] == state["wanted"] and state.get("live") in (None, state["wanted"]):
        return nothing(f"{key} is {state['wanted']} already")
    return would(f"{key} would change from {state[key]} to {state['wanted']}")


def _preview_upstream(args: SwitchUpstream, state: State) -> Preview:
    return _preview_choice(args, state, "provider")


async def _apply_upstream(target: Target, args: SwitchUpstream, before: State) -> str:
    await _endpoint(target, "upstream").post({"service": target.name, "provider": before["wanted"]})
    return f"{target.name} uses provider {before['wanted']}"


def _reached(wanted: Any, before: State, now: State, key: str) -> bool | None:
    """Whether the wanted value is there; None when it was left open and the pre-state is not known."""
    aim = before.get("wanted") if before else wanted
    return None if aim is None else bool(now[key] == aim)


def _confirm_upstream(args: SwitchUpstream, before: State, now: State) -> bool | None:
    return _reached(args.provider, before, now, "provider")


def _undo_upstream(args: SwitchUpstream, before: State) -> UndoCall | None:
    former = before["provider"]
    return UndoCall(action="switch_upstream", args={"provider": former}) if former else None


async def _observe_route(target: Target, args: ShiftTraffic) -> State:
    link = str(target.option(target.binding("traffic"), "link", ""))
    current = current_route(await _endpoint(target, "traffic").status(), link)
    return {"link": link, "route": current, "wanted": args.route or _next(_routes(target), current)}


def _routes(target: Target) -> list[str]:
    return _declared(target, "traffic", "routes")


def _accept_route(target: Target, args: ShiftTraffic) -> None:
    _refuse_undeclared(target, "traffic", "routes", args.route)


def _preview_route(args: ShiftTraffic, state: State) -> Preview:
    return _preview_choice(args, state, "route")


async def _apply_route(target: Target, args: ShiftTraffic, before: State) -> str:
    await _endpoint(target, "traffic").post({"route": before["wanted"]})
    return f"link {before['link']} of {target.name} goes over {before['wanted']}"


def _confirm_route(args: ShiftTraffic, before: State, now: State) -> bool | None:
    return _reached(args.route, before, now, "route")


def _undo_route(args: ShiftTraffic, before: State) -> UndoCall | None:
    return UndoCall(action="shift_traffic", args={"route": before["route"]}) if before["route"] else None


async def _observe_pool(target: Target, args: ScalePool) -> State:
    current = current_size(await _endpoint(target, "pool").status(), target.name)
    low, high = _range(target)
    wanted = args.size or (max(low, min(high, current * 4)) if current else None)
    return {"size": current, "live": await _live(target), "wanted": wanted, "min": low, "max": high}


async def _live(target: Target) -> int | None:
    """The size that the service itself reports, when it has a metrics page that says."""
    signals = target.service.telemetry
    if not signals.scrape:
        return None
    page = await fetch(signals.scrape, timeout_s=1.5)
    found = gauge(page.text, POOL_SIZE, signals.roles.get("pool_size", "")) if page.status == 200 else None
    return None if found is None else int(found)


def _range(target: Target) -> tuple[int, int]:
    binding = target.binding("pool")
    return int(target.option(binding, "min", 1)), int(target.option(binding, "max", 100))


def _accept_pool(target: Target, args: ScalePool) -> None:
    low, high = _range(target)
    if args.size is not None and not low <= args.size <= high:
        raise ToolError(
            "the pool may not have that size",
            expected=f"{low} to {high} (`pool.options` of {target.name})",
            found=str(args.size),
            code="tool.bad_arguments",
        )


def _preview_pool(args: ScalePool, state: State) -> Preview:
    return _preview_choice(args, state, "size")


async def _apply_pool(target: Target, args: ScalePool, before: State) -> str:
    await _endpoint(target, "pool").post({"service": target.name, "size": before["wanted"]})
    return f"the pool of {target.name} has {before['wanted']} connections"


def _confirm_pool(args: ScalePool, before: State, now: State) -> bool | None:
    settled = now["live"] is None or now["live"] == now["size"]
    return _reached(args.size, before, now, "size") and settled


def _undo_pool(args: ScalePool, before: State) -> UndoCall | None:
    return UndoCall(action="scale_pool", args={"size": before["size"]}) if before["size"] else None


SWITCH_UPSTREAM = Action(
    name="switch_upstream",
    summary="Use another declared provider of an upstream dependency (and back).",
    args=SwitchUpstream,
    effect=Effect.REVERSIBLE,
    removes=(Condition.DEPENDENCY_REJECTING, Condition.DEPENDENCY_DOWN),
    aspects=("upstream",),
    undo_action="switch_upstream",
    timeout_s=60.0,
    blast_radius="requests to the dependency go elsewhere; its terms and prices may differ",
    witness=("provider", "wanted"),
    observe=_observe_upstream,
    preview=_preview_upstream,
    apply=_apply_upstream,
    confirm=_confirm_upstream,
    undo=_undo_upstream,
    accept=_accept_upstream,
)

SHIFT_TRAFFIC = Action(
    name="shift_traffic",
    summary="Send the traffic of a link over another declared route (and back).",
    args=ShiftTraffic,
    effect=Effect.REVERSIBLE,
    removes=(Condition.LINK_SLOW, Condition.LINK_DOWN),
    aspects=("traffic",),
    undo_action="shift_traffic",
    timeout_s=60.0,
    blast_radius="open connections over the former route are replaced",
    witness=("route", "wanted"),
    observe=_observe_route,
    preview=_preview_route,
    apply=_apply_route,
    confirm=_confirm_route,
    undo=_undo_route,
    accept=_accept_route,
)

SCALE_POOL = Action(
    name="scale_pool",
    summary="Give the service's connection pool another size within its declared range.",
    args=ScalePool,
    effect=Effect.REVERSIBLE,
    removes=(Condition.POOL_SATURATED,),
    aspects=("pool",),
    undo_action="scale_pool",
    timeout_s=60.0,
    blast_radius="the database sees more or fewer sessions; a restart, where one is needed, takes seconds",
    witness=("size", "wanted"),
    observe=_observe_pool,
    preview=_preview_pool,
    apply=_apply_pool,
    confirm=_confirm_pool,
    undo=_undo_pool,
    accept=_accept_pool,
)
