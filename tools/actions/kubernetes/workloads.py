"""Deployments: restart, scale, another image, a former revision. Each is done when its rollout has ended."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Container, Image, Workload
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of, workload_name
from tools.kubernetes.workload import (
    RESTARTED,
    facts_of,
    owned_by,
    repository_of,
    revision_of,
    revisions,
    template_digest,
)
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target

DEPLOYMENT = KINDS["Deployment"]
ROLLOUT_S = 150.0
"""How long a rollout may take until its pods serve, in seconds."""
MOST_REPLICAS = 20
"""More than this needs `options.max_replicas` of the binding."""


class RestartWorkload(Args):
    """Which deployment."""

    workload: Workload = None


class ScaleWorkload(Args):
    """How many pods."""

    workload: Workload = None
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="None is `options.replicas` of the service's kubernetes binding: what is normal there.",
    )


class PatchImage(Args):
    """Another image of one container."""

    workload: Workload = None
    container: Container
    image: Image


class RollbackDeployment(Args):
    """Which revision."""

    workload: Workload = None
    revision: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="None is the one before the current."
    )


async def _observe(target: Target, args: Any) -> State:
    """Facts of the deployment; {name, found: False} when there is none."""
    name = workload_name(target, args.workload)
    async with cluster_of(target) as cluster:
        found = await cluster.get(DEPLOYMENT, name)
    return {"found": True, **facts_of(found)} if found else {"found": False, "name": name}


async def _patch(target: Target, before: State, body: dict[str, Any], *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        await cluster.patch(DEPLOYMENT, before["name"], body, dry=dry)


def _missing(state: State) -> Preview | None:
    return None if state["found"] else unclear(f"there is no deployment {state['name']} in the namespace")


# restart


def _preview_restart(args: RestartWorkload, state: State) -> Preview:
    if missing := _missing(state):
        return missing
    if state["replicas"] == 0:
        return nothing(f"deployment {state['name']} has no pods to restart")
    return would(f"the {state['replicas']} pods of deployment {state['name']} would be replaced one after another")


def _restarting(target: Target) -> dict[str, Any]:
    stamp = target.clock.now().isoformat()
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}


async def _rehearse_restart(target: Target, args: RestartWorkload, before: State) -> None:
    await _patch(target, before, _restarting(target), dry=True)


async def _restart(target: Target, args: RestartWorkload, before: State) -> str:
    await _patch(target, before, _restarting(target), dry=False)
    return f"deployment {before['name']} was told to replace its pods"


def _confirm_restart(args: RestartWorkload, before: State, now: State) -> bool | None:
    if not before.get("found") or not now["found"]:
        return None
    return bool(now["restarted_at"] != before["restarted_at"] and now["complete"])


RESTART_WORKLOAD = Action(
    name="restart_workload",
    summary="Replace a deployment's pods one after another (rolling restart).",
    args=RestartWorkload,
    effect=Effect.TRANSIENT,
    removes=(Condition.PROCESS_UNRESPONSIVE,),
    aspects=("kubernetes",),
    no_undo_reason="nothing durable changes: the same template makes the new pods",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="pods end one after another; what they hold in memory is lost",
    observe=_observe,
    preview=_preview_restart,
    rehearse=_rehearse_restart,
    apply=_restart,
    confirm=_confirm_restart,
)

# scale


async def _observe_scale(target: Target, args: ScaleWorkload) -> State:
    normal = target.option(target.binding("kubernetes"), "replicas")
    return {**await _observe(target, args), "wanted": normal if args.replicas is None else args.replicas}


def _accept_scale(target: Target, args: ScaleWorkload) -> None:
    most = int(target.option(target.binding("kubernetes"), "max_replicas", MOST_REPLICAS))
    if args.replicas is not None and args.replicas > most:
        raise ToolError(
            f"{args.replicas} replicas are too many",
            expected=f"at most {most}",
            found=str(args.replicas),
            hint="`options.max_replicas` of the kubernetes binding says how many the service may have",
            code="tool.bad_arguments",
        )


def _preview_scale(args: ScaleWorkload, state: State) -> Preview:
    if missing := _missing(state):
        return missing
    if state["wanted"] is None:
        return unclear("nothing says how many replicas are normal: name `replicas`, or set `options.replicas`")
    if state["wanted"] == state["replicas"]:
        return nothing(f"deployment {state['name']} has {state['replicas']} replicas already")
    return would(f"deployment {state['name']} would go from {state['replicas']} to {state['wanted']} replicas")


async def _rehearse_scale(target: Target, args: ScaleWorkload, before: State) -> None:
    await _send_scale(target, before, dry=True)


async def _scale(target: Target, args: ScaleWorkload, before: State) -> str:
    await _send_scale(target, before, dry=False)
    return f"deployment {before['name']} has {before['wanted']} replicas"


async def _send_scale(target: Target, before: State, *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        body = {"spec": {"replicas": before["wanted"]}}
        await cluster.patch(DEPLOYMENT, before["name"], body, sub="scale", dry=dry)


def _confirm_scale(args: ScaleWorkload, before: State, now: State) -> bool | None:
    return bool(now["found"] and now["replicas"] == now["wanted"] and now["complete"])


def _undo_scale(args: ScaleWorkload, before: State) -> UndoCall | None:
    if not before.get("found"):
        return None
    return UndoCall(action="scale_workload", args={"workload": before["name"], "replicas": before["replicas"]})


SCALE_WORKLOAD = Action(
    name="scale_workload",
    summary="Give a deployment another number of pods, or back the number that is normal.",
    args=ScaleWorkload,
    effect=Effect.REVERSIBLE,
    aspects=("kubernetes",),
    undo_action="scale_workload",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="fewer pods: the rest carries the load; more pods: the nodes do",
    witness=("replicas",),
    observe=_observe_scale,
    preview=_preview_scale,
    rehearse=_rehearse_scale,
    apply=_scale,
    confirm=_confirm_scale,
    undo=_undo_scale,
    accept=_accept_scale,
)

# image


async def _observe_image(target: Target, args: PatchImage) -> State:
    state = await _observe(target, args)
    allowed = list(target.option(target.binding("kubernetes"), "images") or [])
    return {**state, "image": (state.get("images") or {}).get(args.container), "repositories": allowed}


def _preview_image(args: PatchImage, state: State) -> Preview:
    if missing := _missing(state):
        return missing
    if state["image"] is None:
        return unclear(f"deployment {state['name']} has no container {args.container}: {', '.join(state['images'])}")
    if state["image"] == args.image:
        return nothing(f"{args.container} of {state['name']} runs {args.image} already")
    repository = repository_of(args.image)
    if repository not in (repository_of(state["image"]), *state["repositories"]):
        return unclear(f"{repository} is another repository; `options.images` of the binding must list it")
    return would(f"{args.container} of {state['name']} would run {args.image} instead of {state['image']}")


def _imaging(args: PatchImage, current: dict[str, Any]) -> dict[str, Any]:
    """A merge patch replaces lists whole, so the containers go along."""
    containers = current["spec"]["template"]["spec"]["containers"]
    changed = [{**c, "image": args.image} if c["name"] == args.container else c for c in containers]
    version = current["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version}, "spec": {"template": {"spec": {"containers": changed}}}}


async def _send_image(target: Target, args: PatchImage, before: State, *, dry: bool) -> None:
    async with cluster_of(target) as cluster:
        current = await cluster.get(DEPLOYMENT, before["name"])
        if current is None:
            raise ToolError("the deployment has gone", expected=before["name"], found="nothing")
        await cluster.patch(DEPLOYMENT, before["name"], _imaging(args, current), dry=dry)


async def _rehearse_image(target: Target, args: PatchImage, before: State) -> None:
    await _send_image(target, args, before, dry=True)


async def _image(target: Target, args: PatchImage, before: State) -> str:
    await _send_image(target, args, before, dry=False)
    return f"{args.container} of {before['name']} is to run {args.image}"


def _confirm_image(args: PatchImage, before: State, now: State) -> bool | None:
    return bool(now["found"] and now["image"] == args.image and now["complete"])


def _undo_image(args: PatchImage, before: State) -> UndoCall | None:
    if not before.get("image"):
        return None
    back = {"workload": before["name"], "container": args.container, "image": before["image"]}
    return UndoCall(action="patch_image", args=back)


PATCH_IMAGE = Action(
    name="patch_image",
    summary="Let one container of a deployment run another image.",
    args=PatchImage,
    effect=Effect.REVERSIBLE,
    aspects=("kubernetes",),
    undo_action="patch_image",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="all pods are replaced one after another by others that run that image",
    witness=("image",),
    observe=_observe_image,
    preview=_preview_image,
    rehearse=_rehearse_image,
    apply=_image,
    confirm=_confirm_image,
    undo=_undo_image,
)

# revision


async def _observe_revision(target: Target, args: RollbackDeployment) -> State:
    """Facts of the deployment with {wanted: revision, wanted_template: its digest or None}."""
    name = workload_name(target, args.workload)
    async with cluster_of(target) as cluster:
        found = await cluster.get(DEPLOYMENT, name)
        if found is None:
            return {"found": False, "name": name}
        known = revisions(owned_by(await cluster.list(KINDS["ReplicaSet"]), found["metadata"]["uid"]))
    wanted = args.revision or max((r for r in known if r < revision_of(found)), default=None)
    template = known.get(wanted) if wanted else None
    return {
        "found": True,
        **facts_of(found),
        "wanted": wanted,
        "wanted_template": template_digest(template) if template else None,
        "known": sorted(known),
    }


def _preview_revision(args: RollbackDeployment, state: State) -> Preview:
    if missing := _missing(state):
        return missing
    if state["wanted_template"] is None:
        return unclear(
            f"revision {state['wanted'] or 'before'} of {state['name']} is not kept; there are {state['known']}"
        )
    if state["wanted_template"] == state["template"]:
        return nothing(f"deployment {state['name']} is what revision {state['wanted']} was")
    return would(f"deployment {state['name']} would go from revision {state['revision']} back to {state['wanted']}")


async def _send_revision(target: Target, before: State, *, dry: bool) -> None:
    """Put the kept template in the place of the current one, unless somebody changes the deployment meanwhile."""
    async with cluster_of(target) as cluster:
        current = await cluster.get(DEPLOYMENT, before["name"])
        if current is None:
            raise ToolError("the deployment has gone", expected=before["name"], found="nothing")
        own = owned_by(await cluster.list(KINDS["ReplicaSet"]), current["metadata"]["uid"])
        kept = [t for t in revisions(own).values() if template_digest(t) == before["wanted_template"]]
        if not kept:
            raise ToolError("the revision has gone", expected=f"revision {before['wanted']}", found="nothing")
        await cluster.replace(DEPLOYMENT, {**current, "spec": {**current["spec"], "template": kept[0]}}, dry=dry)


async def _rehearse_revision(target: Target, args: RollbackDeployment, before: State) -> None:
    await _send_revision(target, before, dry=True)


async def _rollback(target: Target, args: RollbackDeployment, before: State) -> str:
    await _send_revision(target, before, dry=False)
    return f"deployment {before['name']} is to be as in revision {before['wanted']}"


def _confirm_revision(args: RollbackDeployment, before: State, now: State) -> bool | None:
    """Going back gives the old revision a new number, so only the template that was wanted before can tell."""
    if not before.get("wanted_template") or not now["found"]:
        return None
    return bool(now["template"] == before["wanted_template"] and now["complete"])


def _undo_revision(args: RollbackDeployment, before: State) -> UndoCall | None:
    if not before.get("revision"):
        return None
    back = {"workload": before["name"], "revision": before["revision"]}
    return UndoCall(action="rollback_deployment", args=back)


ROLLBACK_DEPLOYMENT = Action(
    name="rollback_deployment",
    summary="Let a deployment be what it was in an earlier revision.",
    args=RollbackDeployment,
    effect=Effect.REVERSIBLE,
    removes=(Condition.RELEASE_REGRESSED,),
    aspects=("kubernetes",),
    undo_action="rollback_deployment",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="all pods are replaced one after another by those of the earlier revision",
    witness=("template",),
    observe=_observe_revision,
    preview=_preview_revision,
    rehearse=_rehearse_revision,
    apply=_rollback,
    confirm=_confirm_revision,
    undo=_undo_revision,
)
