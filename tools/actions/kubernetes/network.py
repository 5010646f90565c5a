"""Network policies: let certain pods reach one port again. Nothing is ever opened to everybody."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import Labels, ObjectName, Port
from tools.actions.kubernetes.objects import Change, Object, Sending, object_state, undo_to_version
from tools.kubernetes.kinds import KINDS
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target


class AllowNetworkPath(Args):
    """From which pods to which, on which port, by which policy."""

    network_policy: ObjectName
    """Changed when it is there, made when it is not."""
    to_labels: Labels
    """The pods that are to be reached."""
    from_labels: Labels
    """The pods that may reach them."""
    port: Port


def rule_of(args: AllowNetworkPath) -> dict[str, Any]:
    """The ingress rule: exactly these pods, exactly this port."""
    peer = {"podSelector": {"matchLabels": dict(args.from_labels)}}
    return {"from": [peer], "ports": [{"protocol": "TCP", "port": args.port}]}


async def _observe(target: Target, args: AllowNetworkPath) -> State:
    """{kind, name, version, selects: whether it is about those pods, allowed: whether it has the rule}."""
    state, found = await object_state(target, KINDS["NetworkPolicy"], args.network_policy)
    spec = (found or {}).get("spec") or {}
    wanted = (spec.get("podSelector") or {}).get("matchLabels") or {}
    plain = not (spec.get("podSelector") or {}).get("matchExpressions")
    return {
        **state,
        "selects": found is None or (plain and all(args.to_labels.get(k) == v for k, v in wanted.items())),
        "allowed": rule_of(args) in (spec.get("ingress") or []),
    }


def _preview(args: AllowNetworkPath, state: State) -> Preview:
    path = f"{_words(args.from_labels)} to {_words(args.to_labels)} on port {args.port}"
    if state["allowed"] and state["selects"]:
        return nothing(f"network policy {args.network_policy} allows {path} already")
    if not state["selects"]:
        return unclear(f"network policy {args.network_policy} is about other pods: a rule of it would open those")
    return would(f"network policy {args.network_policy} would allow {path}")


def _words(labels: dict[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()))


def _change(args: AllowNetworkPath) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        if current is None:
            selector = {"matchLabels": dict(args.to_labels)}
            return {"spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [rule_of(args)]}}
        ingress = [*(current["spec"].get("ingress") or []), rule_of(args)]
        return {**current, "spec": {**current["spec"], "ingress": ingress}}

    return change


def _confirm(args: AllowNetworkPath, before: State, now: State) -> bool | None:
    return bool(now["allowed"] and now["selects"])


_SENDING = Sending(
    KINDS["NetworkPolicy"],
    name_of=lambda args: str(args.network_policy),
    change=_change,
    words=lambda args: f"network policy {args.network_policy} allows {_words(args.from_labels)} on port {args.port}",
)

ALLOW_NETWORK_PATH = Action(
    name="allow_network_path",
    summary="Let pods with certain labels reach others on one port, by one more rule of a network policy.",
    args=AllowNetworkPath,
    effect=Effect.REVERSIBLE,
    removes=(Condition.PATH_CLOSED,),
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="the named pods can reach that port; nobody loses a path",
    witness=("version",),
    observe=_observe,
    preview=_preview,
    rehearse=_SENDING.rehearse,
    apply=_SENDING.apply,
    confirm=_confirm,
    undo=undo_to_version,
)
