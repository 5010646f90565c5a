"""Roles and their bindings within the namespace: one missing permission, never a wildcard, never secrets or roles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from domain.action import Effect
from domain.cluster import Need
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.actions.kubernetes.arguments import ObjectName
from tools.actions.kubernetes.objects import Change, Object, Sending, object_state, undo_to_version
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.needs import grants
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target

RBAC = "rbac.authorization.k8s.io"
Verb = Literal["get", "list", "watch", "create", "update", "patch"]
Resource = Literal[
    "configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "pods/log", "services",
    "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs",
    "ingresses", "networkpolicies", "leases", "endpointslices", "horizontalpodautoscalers",
]  # fmt: skip
"""What a role may be given. Secrets, roles, bindings, tokens and `exec` are left out on purpose."""
Group = Literal["", "apps", "batch", "networking.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "autoscaling"]


class RepairRole(Args):
    """One rule."""

    role: ObjectName
    api_group: Group = ""
    resource: Resource
    verbs: Annotated[tuple[Verb, ...], Field(min_length=1, max_length=6)]


class RepairRoleBinding(Args):
    """Who has the role."""

    role_binding: ObjectName
    role: ObjectName
    service_account: ObjectName


def rule_of(args: RepairRole) -> dict[str, Any]:
    """The one rule that is added."""
    return {"apiGroups": [args.api_group], "resources": [args.resource], "verbs": list(args.verbs)}


async def _observe_role(target: Target, args: RepairRole) -> State:
    state, found = await object_state(target, KINDS["Role"], args.role)
    need = Need(api_group=args.api_group, resource=args.resource, verbs=args.verbs)
    return {**state, "granted": grants((found or {}).get("rules") or [], need)}


def _preview_role(args: RepairRole, state: State) -> Preview:
    what = f"{', '.join(args.verbs)} {args.resource}"
    if state["granted"]:
        return nothing(f"role {args.role} allows {what} already")
    return would(f"role {args.role} would allow {what} in the namespace")


def _change_role(args: RepairRole) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        return {**(current or {}), "rules": [*((current or {}).get("rules") or []), rule_of(args)]}

    return change


def _confirm_role(args: RepairRole, before: State, now: State) -> bool | None:
    return bool(now["granted"])


async def _observe_binding(target: Target, args: RepairRoleBinding) -> State:
    """{kind, name, version, role: of the binding, or None, bound}."""
    state, found = await object_state(target, KINDS["RoleBinding"], args.role_binding)
    reference = (found or {}).get("roleRef") or {}
    names = [s.get("name") for s in (found or {}).get("subjects") or [] if s.get("kind") == "ServiceAccount"]
    role = f"{reference.get('kind')}/{reference.get('name')}" if reference else None
    return {**state, "role": role, "bound": args.service_account in names}


def _preview_binding(args: RepairRoleBinding, state: State) -> Preview:
    if state["role"] not in (None, f"Role/{args.role}"):
        return unclear(f"role binding {args.role_binding} is about {state['role']}, which cannot be changed")
    if state["bound"]:
        return nothing(f"{args.service_account} has role {args.role} by {args.role_binding} already")
    return would(f"service account {args.service_account} would have role {args.role}")


def _change_binding(args: RepairRoleBinding) -> Change:
    def change(current: Object | None, namespace: str) -> Object:
        reference = {"apiGroup": RBAC, "kind": "Role", "name": args.role}
        found = current or {"roleRef": reference}
        subject = {"kind": "ServiceAccount", "name": args.service_account, "namespace": namespace}
        return {**found, "subjects": [*(found.get("subjects") or []), subject]}

    return change


def _confirm_binding(args: RepairRoleBinding, before: State, now: State) -> bool | None:
    return bool(now["bound"] and now["role"] == f"Role/{args.role}")


_ROLE = Sending(
    KINDS["Role"],
    name_of=lambda args: str(args.role),
    change=_change_role,
    words=lambda args: f"role {args.role} allows {', '.join(args.verbs)} {args.resource}",
)
_BINDING = Sending(
    KINDS["RoleBinding"],
    name_of=lambda args: str(args.role_binding),
    change=_change_binding,
    words=lambda args: f"service account {args.service_account} has role {args.role}",
)

REPAIR_ROLE = Action(
    name="repair_role",
    summary="Let a role of the namespace allow one more kind of request.",
    args=RepairRole,
    effect=Effect.REVERSIBLE,
    removes=(Condition.PERMISSION_MISSING,),
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="whoever has the role may do more in this namespace",
    witness=("version",),
    observe=_observe_role,
    preview=_preview_role,
    rehearse=_ROLE.rehearse,
    apply=_ROLE.apply,
    confirm=_confirm_role,
    undo=undo_to_version,
)

REPAIR_ROLE_BINDING = Action(
    name="repair_role_binding",
    summary="Give a service account a role of its namespace.",
    args=RepairRoleBinding,
    effect=Effect.REVERSIBLE,
    removes=(Condition.ROLE_UNBOUND,),
    aspects=("kubernetes",),
    undo_action="restore_manifest",
    blast_radius="the service account may do what the role allows in this namespace",
    witness=("version",),
    observe=_observe_binding,
    preview=_preview_binding,
    rehearse=_BINDING.rehearse,
    apply=_BINDING.apply,
    confirm=_confirm_binding,
    undo=undo_to_version,
)
