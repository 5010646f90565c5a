"""How many pods a workload has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Workload
from tools.actions.kubernetes.workload import ROLLOUT_S, missing, observed
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target

MOST_REPLICAS = 20
"""More than this needs `options.max_replicas` of the binding."""


class ScaleWorkload(Args):
    """How many pods."""

    workload: Workload = None
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="None is `options.replicas` of the service's kubernetes binding: what is normal there.",
    )


async def _observe(target: Target, args: ScaleWorkload) -> State:
    normal = target.option(target.binding("kubernetes"), "replicas")
    return {**await observed(target, args), "wanted": normal if args.replicas is None else args.replicas}


def _accept(target: Target, args: ScaleWorkload) -> None:
    most = int(target.option(target.binding("kubernetes"), "max_replicas", MOST_REPLICAS))
    if args.replicas is not None and args.replicas > most:
        raise ToolError(
            f"{args.replicas} replicas are too many",
            expected=f"at most {most}",
            found=str(args.replicas),
            hint="`options.max_replicas` of the kubernetes binding says how many the service may have",
            code="tool.bad_arguments",
        )


def _preview(args: ScaleWorkload, state: State) -> Preview:
    if answer := missing(state):
        return answer
    if state["kind"] == "DaemonSet":
        return unclear(f"{state['what']} has a pod for each node that fits, so no number to change")
    if state["wanted"] is None:
        return unclear("nothing says how many replicas are normal: name `replicas`, or set `options.replicas`")
    if state["wanted"] == state["replicas"]:
        return nothing(f"{state['what']} has {state['replicas']} replicas already")
    return would(f"{state['what']} would go from {state['replicas']} to {state['wanted']} replicas")


async def _rehearse(target: Target, args: ScaleWorkload, before: State) -> None:
    await _send(target, before, dry=True)


async def _apply(target: Target, args: ScaleWorkload, before: State) -> str:
    await _send(target, before, dry=False)
    return f"{before['what']} has {before['wanted']} replicas"


async def _send(target: Target, before: State, *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        body = {"spec": {"replicas": before["wanted"]}}
        await cluster.patch(KINDS[before["kind"]], before["name"], body, sub="scale", dry=dry)


def _confirm(args: ScaleWorkload, before: State, now: State) -> bool | None:
    return bool(now["found"] and now["replicas"] == now["wanted"] and now["complete"])


def _undo(args: ScaleWorkload, before: State) -> UndoCall | None:
    if not before.get("found"):
        return None
    return UndoCall(action="scale_workload", args={"workload": before["workload"], "replicas": before["replicas"]})


SCALE_WORKLOAD = Action(
    name="scale_workload",
    summary="Give a workload another number of pods, or back the number that is normal.",
    args=ScaleWorkload,
    effect=Effect.REVERSIBLE,
    removes=(Condition.REPLICAS_MISSING,),
    aspects=("kubernetes",),
    undo_action="scale_workload",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="fewer pods: the rest carries the load; more pods: the nodes do",
    witness=("replicas",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
    accept=_accept,
)
