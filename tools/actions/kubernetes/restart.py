"""Rolling restart: the pods of a workload are replaced one after another."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Workload
from tools.actions.kubernetes.ordered import go_on
from tools.actions.kubernetes.workload import ROLLOUT_S, kept_from_pods, missing, observed
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of
from tools.kubernetes.workload import RESTARTED
from tools.spec import Action, Preview, State, nothing, would
from tools.target import Target


class RestartWorkload(Args):
    """Which workload."""

    workload: Workload = None


async def _send(target: Target, before: State, body: dict[str, Any], *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        await cluster.patch(KINDS[before["kind"]], before["name"], body, dry=dry)
        await go_on(target, cluster, before, dry=dry)


def _preview(args: RestartWorkload, state: State) -> Preview:
    if answer := missing(state) or kept_from_pods(state):
        return answer
    if state["replicas"] == 0:
        return nothing(f"{state['what']} has no pods to restart")
    return would(f"the {state['replicas']} pods of {state['what']} would be replaced one after another")


def _restarting(target: Target) -> dict[str, Any]:
    stamp = target.clock.now().isoformat()
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}


async def _rehearse(target: Target, args: RestartWorkload, before: State) -> None:
    await _send(target, before, _restarting(target), dry=True)


async def _apply(target: Target, args: RestartWorkload, before: State) -> str:
    await _send(target, before, _restarting(target), dry=False)
    return f"{before['what']} was told to replace its pods"


def _confirm(args: RestartWorkload, before: State, now: State) -> bool | None:
    if not before.get("found") or not now["found"]:
        return None
    return bool(now["restarted_at"] != before["restarted_at"] and now["complete"])


RESTART_WORKLOAD = Action(
    name="restart_workload",
    summary="Replace a workload's pods one after another (rolling restart).",
    args=RestartWorkload,
    effect=Effect.TRANSIENT,
    removes=(Condition.PROCESS_UNRESPONSIVE,),
    aspects=("kubernetes",),
    no_undo_reason="nothing durable changes: the same template makes the new pods",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="pods end one after another; what they hold in memory is lost",
    observe=observed,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
)
