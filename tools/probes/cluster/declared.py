"""Probes that compare a namespace with what the inventory declares: endpoints, settings, permissions, paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.bundle import Reading
from domain.cluster import Callers, Need, Permissions, Settings
from domain.errors import ToolError
from domain.inventory import Service
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.needs import binds, declared_of, differing, fits, grants, labels_of, lets_in
from tools.kubernetes.place import workload_of
from tools.kubernetes.workload import workload_named
from tools.probes.probe import Probe, Shared, as_far_as_it_is, reading
from tools.target import Target

STRANGER = {"firebreak.dev/nobody": "nobody"}
"""Labels that no pod carries: where even these are let in, everybody is."""


def _declares(option: str) -> Callable[[Service], bool]:
    return lambda service: bool("kubernetes" in service.bindings and service.bindings["kubernetes"].options.get(option))


def _given(target: Target, option: str) -> ToolError:
    return ToolError(f"{target.name} declares no {option}", expected=f"`options.{option}`", found="none")


async def _endpoints(target: Target, shared: Shared) -> list[Reading]:
    name, workload = declared_of(target).service, workload_of(target)
    cluster = await shared.cluster(target)
    service = await cluster.get(KINDS["Service"], name)
    endpoints = await cluster.get(KINDS["Endpoints"], name)
    labels = labels_of(await cluster.get(workload.kind, workload.name))
    if service is None:
        text = f"there is no service {name}"
        return [reading("service_endpoints", target, ok=False, text=text, name=name, ready=0, selects=False)]
    selector = (service.get("spec") or {}).get("selector") or {}
    ready = sum(len(subset.get("addresses") or []) for subset in (endpoints or {}).get("subsets") or [])
    selects = fits(selector, labels)
    chosen = ", ".join(f"{key}={value}" for key, value in sorted(selector.items())) or "nothing"
    text = f"service {name} selects {chosen}: {ready} ready endpoints"
    text += "" if selects else f", and the pods of {workload.name} are not among them"
    values: dict[str, Any] = {"name": name, "ready": ready, "selects": selects, "selector": selector}
    return [reading("service_endpoints", target, ok=selects and ready > 0, text=text, **values)]


async def _settings(target: Target, shared: Shared) -> list[Reading]:
    wanted = declared_of(target).settings
    if wanted is None:
        raise _given(target, "settings")
    cluster = await shared.cluster(target)
    found = await cluster.get(KINDS["ConfigMap"], wanted.config_map)
    return [reading("workload_settings", target, **_told_settings(wanted, differing(found, wanted.values)))]


def _told_settings(wanted: Settings, keys: list[str]) -> dict[str, Any]:
    """Values are never shown: a configuration may hold secrets."""
    text = f"{', '.join(keys)} of config map {wanted.config_map} {'differs' if len(keys) == 1 else 'differ'} from what is declared"
    fine = f"config map {wanted.config_map} holds what is declared"
    return {"ok": not keys, "text": text if keys else fine, "config_map": wanted.config_map, "keys": keys}


async def _permissions(target: Target, shared: Shared) -> list[Reading]:
    wanted = declared_of(target).permissions
    if wanted is None:
        raise _given(target, "permissions")
    cluster = await shared.cluster(target)
    role = await cluster.get(KINDS["Role"], wanted.role)
    binding = await cluster.get(KINDS["RoleBinding"], wanted.role_binding)
    bound = binds(binding, wanted.role, wanted.service_account)
    lacking = [need for need in wanted.needs if not grants((role or {}).get("rules") or [], need)]
    told = _told_permissions(wanted, lacking, bound)
    return [reading("workload_permissions", target, **told, wildcard="*" in str((role or {}).get("rules") or []))]


def _told_permissions(wanted: Permissions, lacking: list[Need], bound: bool) -> dict[str, Any]:
    """With the arguments of a repair: the first need that is not met, or the first of all where only the binding is gone."""
    need = (lacking or list(wanted.needs))[0].model_dump(mode="json")
    what = f"{', '.join(need['verbs'])} {need['resource']}"
    parts = [f"role {wanted.role} does not allow {what}"] if lacking else []
    parts += [] if bound else [f"{wanted.role_binding} does not give role {wanted.role} to {wanted.service_account}"]
    names = {"role": wanted.role, "role_binding": wanted.role_binding, "service_account": wanted.service_account}
    text = "; ".join(parts) or f"{wanted.service_account} may do all {len(wanted.needs)} things that are declared"
    return {"ok": not parts, "text": text, "lacking": len(lacking), "bound": bound, **names, **need}


async def _paths(target: Target, shared: Shared) -> list[Reading]:
    wanted, workload = declared_of(target).callers, workload_of(target)
    if wanted is None:
        raise _given(target, "callers")
    cluster = await shared.cluster(target)
    policies = await cluster.list(KINDS["NetworkPolicy"])
    found = {
        each: await cluster.get(each.kind, each.name) for each in (workload, *map(workload_named, wanted.workloads))
    }
    if missing := [str(each) for each, there in found.items() if there is None]:
        text = f"there is no {', '.join(missing)}"
        return [reading("network_path", target, ok=None, text=text, gap=text)]
    to = labels_of(found[workload])
    sources = {word: labels_of(found[workload_named(word)]) for word in wanted.workloads}
    shut = [name for name, labels in sources.items() if not lets_in(policies, to, labels, wanted.port)]
    told = _told_paths(wanted, shut, to, sources)
    return [reading("network_path", target, **told, open_to_all=lets_in(policies, to, STRANGER, wanted.port))]


def _told_paths(
    wanted: Callers, shut: list[str], to: dict[str, str], sources: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """With the arguments of a repair of the first path that is shut."""
    first = (shut or list(wanted.workloads))[0]
    text = f"network policies keep {', '.join(shut)} out of port {wanted.port}"
    fine = f"{', '.join(wanted.workloads)} may reach port {wanted.port}"
    path = {
        "network_policy": wanted.network_policy,
        "to_labels": to,
        "from_labels": sources[first],
        "port": wanted.port,
    }
    return {"ok": not shut, "text": text if shut else fine, "shut": shut, **path}


SERVICE_ENDPOINTS = Probe(
    name="service_endpoints", applies=_declares("service"), read=_endpoints, patience_s=as_far_as_it_is
)
WORKLOAD_SETTINGS = Probe(
    name="workload_settings", applies=_declares("settings"), read=_settings, patience_s=as_far_as_it_is
)
WORKLOAD_PERMISSIONS = Probe(
    name="workload_permissions", applies=_declares("permissions"), read=_permissions, patience_s=as_far_as_it_is
)
NETWORK_PATH = Probe(name="network_path", applies=_declares("callers"), read=_paths, patience_s=as_far_as_it_is)
