"""One pod, deleted so that its controller makes it again."""

from __future__ import annotations

from domain.action import Effect
from domain.conditions import Condition
from domain.workloads import pod_ready
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import ObjectName
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of
from tools.kubernetes.workload import controller_of, set_of
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target

POD = KINDS["Pod"]


class RecreatePod(Args):
    """Which pod."""

    pod: ObjectName


async def _observe(target: Target, args: RecreatePod) -> State:
    """{pod, uid: None when it is gone, controller, siblings: pods of that controller, ready: those that serve}."""
    async with cluster_of(target) as cluster:
        pods = await cluster.list(POD)
    found = next((p for p in pods if p["metadata"]["name"] == args.pod), None)
    controller = controller_of(found) if found else set_of(args.pod)
    siblings = [p for p in pods if controller and controller_of(p) == controller]
    return {
        "pod": args.pod,
        "uid": found["metadata"]["uid"] if found else None,
        "controller": controller,
        "siblings": len(siblings),
        "ready": sum(map(pod_ready, siblings)),
    }


def _preview(args: RecreatePod, state: State) -> Preview:
    if state["uid"] is None:
        return nothing(f"there is no pod {args.pod}")
    if not state["controller"]:
        return unclear(f"nothing would make pod {args.pod} again: it has no controller")
    return would(f"pod {args.pod} would be deleted; {state['controller']} makes another one")


async def _rehearse(target: Target, args: RecreatePod, before: State) -> None:
    await _send(target, before, dry=True)


async def _apply(target: Target, args: RecreatePod, before: State) -> str:
    await _send(target, before, dry=False)
    return f"pod {args.pod} was deleted"


async def _send(target: Target, before: State, *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        await cluster.delete(POD, before["pod"], before["uid"], dry=dry)


def _confirm(args: RecreatePod, before: State, now: State) -> bool | None:
    """This very pod is gone and its controller has as many as before."""
    if not before.get("uid"):
        return None
    return bool(now["uid"] != before["uid"] and now["siblings"] >= before["siblings"])


RECREATE_POD = Action(
    name="recreate_pod",
    summary="Delete a pod so that its controller makes it again.",
    args=RecreatePod,
    effect=Effect.TRANSIENT,
    removes=(Condition.POD_STUCK,),
    aspects=("kubernetes",),
    no_undo_reason="nothing durable changes: its controller makes the same pod again",
    timeout_s=60.0,
    settle_s=45.0,
    blast_radius="one pod less until its successor serves; what it holds in memory is lost",
    witness=("uid",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
)
