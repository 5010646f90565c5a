"""Which image a container of a workload runs."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Container, Image, Serving, Workload
from tools.actions.kubernetes.ordered import go_on
from tools.actions.kubernetes.workload import ROLLOUT_S, kept_from_pods, missing, observed
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of
from tools.kubernetes.workload import repository_of
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target


class PatchImage(Args):
    """Another image of one container."""

    workload: Workload = None
    container: Container
    image: Image
    serving: Serving = True


async def _observe(target: Target, args: PatchImage) -> State:
    state = await observed(target, args)
    allowed = list(target.option(target.binding("kubernetes"), "images") or [])
    return {**state, "image": (state.get("images") or {}).get(args.container), "repositories": allowed}


def _preview(args: PatchImage, state: State) -> Preview:
    if answer := missing(state) or kept_from_pods(state):
        return answer
    if state["image"] is None:
        return unclear(f"{state['what']} has no container {args.container}: {', '.join(state['images'])}")
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


async def _send(target: Target, args: PatchImage, before: State, *, dry: bool) -> None:
    kind = KINDS[before["kind"]]
    async with cluster_of(target) as cluster:
        current = await cluster.get(kind, before["name"])
        if current is None:
            raise ToolError("the workload has gone", expected=before["what"], found="nothing")
        await cluster.patch(kind, before["name"], _imaging(args, current), dry=dry)
        await go_on(target, cluster, before, dry=dry)


async def _rehearse(target: Target, args: PatchImage, before: State) -> None:
    await _send(target, args, before, dry=True)


async def _apply(target: Target, args: PatchImage, before: State) -> str:
    await _send(target, args, before, dry=False)
    return f"{args.container} of {before['name']} is to run {args.image}"


def _confirm(args: PatchImage, before: State, now: State) -> bool | None:
    return bool(now["found"] and now["image"] == args.image and (now["complete"] or not args.serving))


def _undo(args: PatchImage, before: State) -> UndoCall | None:
    if not before.get("image"):
        return None
    back: dict[str, Any] = {"workload": before["workload"], "container": args.container, "image": before["image"]}
    back |= {} if before["complete"] else {"serving": False}
    return UndoCall(action="patch_image", args=back)


PATCH_IMAGE = Action(
    name="patch_image",
    summary="Let one container of a workload run another image.",
    args=PatchImage,
    effect=Effect.REVERSIBLE,
    aspects=("kubernetes",),
    undo_action="patch_image",
    timeout_s=180.0,
    settle_s=ROLLOUT_S,
    blast_radius="all pods are replaced one after another by others that run that image",
    witness=("image",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
)
