"""The selector of a service: it finds the pods of its workload again."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.kubernetes.objects import Change, Object, object_state, send, undo_to_version
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.manifest import ABSENT
from tools.kubernetes.needs import declared_of, fits, labels_of
from tools.kubernetes.place import cluster_of, workload_of
from tools.spec import Action, NoArgs, Preview, State, nothing, unclear, would
from tools.target import Target

SERVICE = KINDS["Service"]
STABLE = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component", "app", "k8s-app")
"""Labels that tell workloads apart and do not change from release to release."""


def service_name(target: Target) -> str:
    """The service in front of the workload. Raises ToolError when the binding names none."""
    found = declared_of(target).service
    if not found:
        raise ToolError(
            f"nothing says which service is in front of {target.name}",
            expected="`options.service` of its kubernetes binding",
            found="none",
            code="tool.bad_arguments",
        )
    return found


def selector_for(workload: Object | None) -> dict[str, str]:
    """What the workload itself selects by, less what a release may change; empty where nothing stable is left."""
    wanted = (((workload or {}).get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return {key: value for key, value in wanted.items() if key in STABLE and labels_of(workload).get(key) == value}


async def _observe(target: Target, args: NoArgs) -> State:
    """{kind, name, version, workload, wanted: selector, selects}."""
    meant = workload_of(target)
    state, found = await object_state(target, SERVICE, service_name(target))
    async with cluster_of(target) as cluster:
        workload = await cluster.get(meant.kind, meant.name)
    selector = ((found or {}).get("spec") or {}).get("selector") or {}
    selects = fits(selector, labels_of(workload))
    return {**state, "workload": str(meant), "wanted": selector_for(workload), "selects": selects}


def _preview(args: NoArgs, state: State) -> Preview:
    if state["version"] == ABSENT:
        return unclear(f"there is no service {state['name']}")
    if state["selects"]:
        return nothing(f"service {state['name']} selects the pods of {state['workload']} already")
    if not state["wanted"]:
        return unclear(f"{state['workload']} selects its pods by none of {', '.join(STABLE)}")
    chosen = ", ".join(f"{key}={value}" for key, value in sorted(state["wanted"].items()))
    return would(f"service {state['name']} would select {chosen}")


def _change(before: State) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        if current is None:
            raise ToolError("the service has gone", expected=before["name"], found="nothing")
        return {**current, "spec": {**current["spec"], "selector": before["wanted"]}}

    return change


async def _rehearse(target: Target, args: NoArgs, before: State) -> None:
    await send(target, SERVICE, before["name"], _change(before), dry=True)


async def _apply(target: Target, args: NoArgs, before: State) -> str:
    await send(target, SERVICE, before["name"], _change(before), dry=False)
    return f"service {before['name']} selects the pods of {before['workload']}"


def _confirm(args: NoArgs, before: State, now: State) -> bool | None:
    return bool(now["selects"])


REPAIR_SELECTOR: Action[Any] = Action(
    name="repair_selector",
    summary="Let a service of the cluster select the pods of its workload again.",
    args=NoArgs,
    effect=Effect.REVERSIBLE,
    removes=(Condition.SELECTOR_MISSES,),
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="requests to the service reach the workload's pods, and nobody else's",
    witness=("version",),
    observe=_observe,
    preview=_preview,
    rehearse=_rehearse,
    apply=_apply,
    confirm=_confirm,
    undo=undo_to_version,
)
