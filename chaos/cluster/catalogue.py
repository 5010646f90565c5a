"""What can be broken in a cluster: one function per fault, and one fault per service that it applies to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.cluster.edit import Edit, Object, own_part, value_at
from chaos.cluster.fault import ClusterFault, NoParameters, Planning
from chaos.cluster.patient import Cluster, breakable, needs_of
from chaos.errors import ChaosError
from chaos.model import Durability, Fault, FaultSpec
from domain.cluster import Declared
from domain.inventory import Inventory, Service
from domain.value import new_id
from domain.workloads import named

NO_TAG = "missing"
"""Nobody calls a release so."""
NOBODY = "nobody-of-this-drill"
IMAGE: tuple[str | int, ...] = ("spec", "containers", 0, "image")
ROLLED = ("spec", "template", "metadata", "annotations", "firebreak.dev/drill")
"""Another value of this makes new pods, which read the settings of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of breaking a service of a cluster."""

    name: str
    family: str
    summary: str
    plan: Planning
    applies: Callable[[Declared], object]
    """Whether the inventory declares what it would break."""


async def image_pull(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """A release whose image does not exist."""
    workload = await _thing(cluster, *named(needs.workload))
    return [_untagged(workload, ("spec", "template", *IMAGE))]


async def scaled_to_zero(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """Somebody scaled it down."""
    return [await _edit(cluster, *named(needs.workload), ("spec", "replicas"), 0)]


async def selector_mismatch(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """The service selects labels that no pod carries."""
    service = await _thing(cluster, "Service", needs.service)
    chosen = dict.fromkeys(value_at(service, ("spec", "selector")) or {}, NOBODY)
    return [_edited(service, ("spec", "selector"), chosen)]


async def network_policy(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """The policies that let callers in let nobody in any more."""
    labels = value_at(await _thing(cluster, *named(needs.workload)), ("spec", "template", "metadata", "labels"))
    open_ = [p for p in await cluster.list("NetworkPolicy") if _about(p, labels or {}) and p["spec"].get("ingress")]
    if not open_:
        raise ChaosError("no network policy lets anybody in", expected="one with a rule", found="none")
    return [_edited(policy, ("spec", "ingress"), []) for policy in open_]


async def network_policy_deleted(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """The policy that lets callers in is gone, and another one keeps everybody out."""
    labels = value_at(await _thing(cluster, *named(needs.workload)), ("spec", "template", "metadata", "labels"))
    about = [p for p in await cluster.list("NetworkPolicy") if _about(p, labels or {})]
    open_ = [p for p in about if p["spec"].get("ingress")]
    if not open_ or len(open_) == len(about):
        found = f"{len(open_)} that let in, {len(about) - len(open_)} that let nobody in"
        raise ChaosError("deleting a policy would close nothing", expected="one of each kind", found=found)
    return [Edit(kind=p["kind"], name=p["metadata"]["name"], path=(), old=own_part(p)) for p in open_]


async def role_unbound(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """The role is bound to nobody any more."""
    if needs.permissions is None:
        raise ChaosError("no permissions are declared", expected="`options.permissions`", found="none")
    return [await _edit(cluster, "RoleBinding", needs.permissions.role_binding, ("subjects",), [])]


async def rbac_denied(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """The role lost the rules about what the workload needs."""
    if needs.permissions is None:
        raise ChaosError("no permissions are declared", expected="`options.permissions`", found="none")
    role = await _thing(cluster, "Role", needs.permissions.role)
    needed = {need.resource for need in needs.permissions.needs}
    kept = [rule for rule in role.get("rules") or [] if not needed & set(rule.get("resources") or [])]
    return [_edited(role, ("rules",), kept)]


async def wrong_settings(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """A declared setting has another value, and the pods were made anew with it."""
    if needs.settings is None:
        raise ChaosError("no settings are declared", expected="`options.settings`", found="none")
    key = sorted(needs.settings.values)[0]
    changed = await _edit(cluster, "ConfigMap", needs.settings.config_map, ("data", key), NOBODY)
    return [changed, await _edit(cluster, *named(needs.workload), ROLLED, new_id("roll"))]


async def pod_stuck(cluster: Cluster, needs: Declared) -> Sequence[Edit]:
    """One pod was given an image by hand that does not exist; its template is fine."""
    selector = value_at(await _thing(cluster, *named(needs.workload)), ("spec", "selector", "matchLabels")) or {}
    pods = [p for p in await cluster.list("Pod") if selector.items() <= (p["metadata"].get("labels") or {}).items()]
    if len(pods) < 2:
        raise ChaosError("one pod must serve on", expected=f"two pods of {needs.workload}", found=str(len(pods)))
    return [_untagged(pods[-1], IMAGE)]


WAYS = (
    Way(name="image_pull", family="config", summary="a release of {} has an image that does not exist",
        plan=image_pull, applies=lambda needs: needs.workload),
    Way(name="scaled_to_zero", family="config", summary="{} was scaled to zero",
        plan=scaled_to_zero, applies=lambda needs: needs.workload),
    Way(name="selector_mismatch", family="network", summary="the service of {} selects nobody",
        plan=selector_mismatch, applies=lambda needs: needs.service),
    Way(name="network_policy", family="network", summary="network policies keep the callers of {} out",
        plan=network_policy, applies=lambda needs: needs.callers),
    Way(name="network_policy_deleted", family="network", summary="the network policy for the callers of {} is gone",
        plan=network_policy_deleted, applies=lambda needs: needs.callers),
    Way(name="role_unbound", family="config", summary="the role of {} is bound to nobody",
        plan=role_unbound, applies=lambda needs: needs.permissions),
    Way(name="rbac_denied", family="config", summary="{} may not do what it needs any more",
        plan=rbac_denied, applies=lambda needs: needs.permissions),
    Way(name="wrong_settings", family="config", summary="a setting of {} has another value",
        plan=wrong_settings, applies=lambda needs: needs.settings and needs.workload),
    Way(name="pod_stuck", family="process", summary="one pod of {} does not start",
        plan=pod_stuck, applies=lambda needs: needs.workload),
)  # fmt: skip
"""Adding a fault: a function, a line here, a run of tests/integration/test_cluster_rehearsals.py."""


def cluster_catalogue(inventory: Inventory) -> dict[str, Fault]:
    """`way@service` for every service that allows chaos and declares what the way would break. Raises ChaosError."""
    faults = [
        ClusterFault(spec=_spec(way, service), plan=way.plan)
        for service in breakable(inventory)
        for way in WAYS
        if way.applies(needs_of(service))
    ]
    return {fault.spec.name: fault for fault in faults}


def _spec(way: Way, service: Service) -> FaultSpec:
    return FaultSpec(
        name=f"{way.name}@{service.name}",
        family=way.family,
        service=service.name,
        summary=way.summary.format(service.name),
        parameters=NoParameters,
        ladder={},
        durability=Durability.STEADY,
    )


async def _thing(cluster: Cluster, kind: str, name: str) -> Object:
    found = await cluster.get(kind, name)
    if found is None:
        raise ChaosError("there is nothing to break", expected=f"{kind} {name}", found="none")
    return found


async def _edit(cluster: Cluster, kind: str, name: str, path: tuple[str | int, ...], new: Any) -> Edit:
    return _edited(await _thing(cluster, kind, name), path, new)


def _edited(thing: Object, path: tuple[str | int, ...], new: Any) -> Edit:
    return Edit(kind=thing["kind"], name=thing["metadata"]["name"], path=path, old=value_at(thing, path), new=new)


def _untagged(thing: Object, path: tuple[str | int, ...]) -> Edit:
    """The same repository with a tag that is not there, as a typing error would have it."""
    head, mark, tail = str(value_at(thing, path)).partition("@")[0].rpartition(":")
    repository = head if mark and "/" not in tail else f"{head}{mark}{tail}"
    return _edited(thing, path, f"{repository}:{NO_TAG}")


def _about(policy: Object, labels: dict[str, str]) -> bool:
    wanted = value_at(policy, ("spec", "podSelector", "matchLabels")) or {}
    return all(labels.get(key) == value for key, value in wanted.items())
