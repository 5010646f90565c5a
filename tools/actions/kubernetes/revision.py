"""Back to a former revision of a workload: of a deployment's replica sets, or of controller revisions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Serving, Workload
from tools.actions.kubernetes.ordered import go_on
from tools.actions.kubernetes.workload import ROLLOUT_S, kept_from_pods, missing
from tools.kubernetes.place import cluster_of, workload_of
from tools.kubernetes.workload import facts_of, owned_by, revisions, template_digest, workload_named
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target


class RollbackDeployment(Args):
    """Which revision."""

    workload: Workload = None
    revision: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="None is the one before the current."
    )
    serving: Serving = True


async def _observe(target: Target, args: RollbackDeployment) -> State:
    """Facts of the workload with {wanted: revision, wanted_template: its digest or None}."""
    meant = workload_of(target, args.workload)
    names = {"workload": meant.word, "what": str(meant)}
    async with cluster_of(target) as cluster:
        found = await cluster.get(meant.kind, meant.name)
        if found is None:
            return {"found": False, **names}
        kept = owned_by(await cluster.list(meant.kept_as), found["metadata"]["uid"])
    facts, known = facts_of(found, kept), revisions(kept)
    wanted = args.revision or max((r for r in known if r < facts["revision"]), default=None)
    template = known.get(wanted) if wanted else None
    return {
        "found": True,
        **names,
        **facts,
        "wanted": wanted,
        "wanted_template": template_digest(template) if template else None,
        "known": sorted(known),
    }


def _preview(args: RollbackDeployment, state: State) -> Preview:
    if answer := missing(state) or kept_from_pods(state):
        return answer
    if state["wanted_template"] is None:
        return unclear(
            f"revision {state['wanted'] or 'before'} of {state['what']} is not kept; there are {state['known']}"
        )
    if state["wanted_template"] == state["template"]:
        return nothing(f"{state['what']} is what revision {state['wanted']} was")
    return would(f"{state['what']} would go from revision {state['revision']} back to {state['wanted']}")


async def _send(target: Target, before: State, *, dry: bool) -> None:
    """Put the kept template in the place of the current one, unless somebody changes the workload meanwhile."""
    meant = workload_named(before["workload"])
    async with cluster_of(target) as cluster:
        current = await cluster.get(meant.kind, meant.name)
        if current is None:
            raise ToolError("the workload has gone", expected=before["what"], found="nothing")
        own = owned_by(await cluster.list(meant.kept_as), current["metadata"]["uid"])
        kept = [t for t in revisions(own).values() if template_digest(t) == before["wanted_template"]]
        if not kept:
            raise ToolError("the revision has gone", expected=f"revision {before['wanted']}", found="nothing")
        await cluster.replace(meant.kind, {**current, "spec": {**current["spec"], "template": kept[0]}}, dry=dry)
        await go_on(target, cluster, before, dry=dry)


async def _rehearse(target: Target, args: RollbackDeployment, before: State) -> None:
    await _send(target, before, dry=True)


async def _apply(target: Target, args: RollbackDeployment, before: State) -> str:
    await _send(target, before, dry=False)
    return f"{before['what']} is to be as in revision {before['wanted']}"


def _confirm(args: RollbackDeployment, before: State, now: State) -> bool | None:
    """Going back gives the old revision a new number, so only the template that was wanted before can tell."""
    if not before.get("wanted_template") or not now["found"]:
        return None
    return bool(now["template"] == before["wanted_template"] and (now["complete"] or not args.serving))


def _undo(args: RollbackDeployment, before: State) -> UndoCall | None:
    if not before.get("revision"):
        return None
    back: dict[str, Any] = {"workload": before["workload"], "revision": before["revision"]}
    back |= {} if before["complete"] else {"serving": False}
    return UndoCall(action="rollback_deployment", args=back)


ROLLBACK_DEPLOYMENT = Action(
    name="rollback_deployment",
    summary="Let a workload be what it was in an earlier revision.",
    args=RollbackDeployment,
    effect=Effect.REVERSIBLE,
    removes=(Condition.RELEASE_REGRESSED, Condition.ROLLOUT_STUCK),
    aspects=("kubernetes",),
    undo_action="rollback_deployment",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="all pods are replaced one after another by those of the earlier revision",
    witness=("template",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)
