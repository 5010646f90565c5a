"""Who may: roles that are missing or not bound, and network policies that keep callers out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim, of_log
from agents.perception.platform.objects import (
    Cluster,
    Object,
    claim,
    get,
    matches,
    name_of,
    rows,
    sign,
    space_of,
    table,
    text,
)

_FORBIDDEN = re.compile(r'User "system:serviceaccount:([\w-]+):([\w.-]+)" cannot (\w+) resource "(\w+)"', re.I)


def bindings(cluster: Cluster) -> Iterable[Claim]:
    """A binding to a role, or to an account, that does not exist."""
    for binding in cluster.all("RoleBinding", "ClusterRoleBinding"):
        kind, role = str(get(binding, "roleRef.kind", "")), str(get(binding, "roleRef.name", ""))
        if cluster.listed(kind) and not any(name_of(r) == role for r in cluster.all(kind)):
            for user in _users(cluster, binding):
                yield claim(
                    user,
                    "rbac_denied",
                    0.9,
                    f"{name_of(binding)} binds {kind} {role}, which does not exist: {user} may not do what it needs.",
                    sign(binding, f"roleRef {kind}/{role}", "the role is not there"),
                )


def forbidden(cluster: Cluster) -> Iterable[Claim]:
    """What the API refused, in logs and events."""
    for line in cluster.facts.bundle.logs:
        found = _FORBIDDEN.search(line.message) if "cannot" in line.message else None
        if found:
            service = cluster.service(line.service)
            yield claim(
                service,
                "rbac_denied",
                0.93,
                f"{service} ({found.group(2)}) may not {found.group(3)} {found.group(4)}.",
                of_log(line, "the API refuses it"),
            )
            return
    for event in cluster.events():
        found = _FORBIDDEN.search(str(event.get("message", "")))
        if found:
            service = cluster.service(cluster.subject(event))
            yield claim(
                service,
                "rbac_denied",
                0.9,
                f"{service} may not {found.group(3)} {found.group(4)}.",
                sign(event, str(event.get("message")), "the API refuses it"),
            )


def policies(cluster: Cluster) -> Iterable[Claim]:
    """A policy that lets nobody in, or none of the known callers."""
    for policy in cluster.all("NetworkPolicy"):
        space = space_of(policy)
        chosen = [
            (w, labels)
            for w, _, labels in cluster.templates(space)
            if matches(table(policy, "spec.podSelector"), labels)
        ]
        kinds = get(policy, "spec.policyTypes")
        kinds = kinds if isinstance(kinds, list) else ["Ingress"]
        for workload, labels in chosen:
            service = cluster.service(workload, labels)
            if (
                "Ingress" in kinds
                and not _allowed_elsewhere(cluster, policy, labels)
                and _shut(cluster, policy, service, space)
            ):
                yield claim(
                    service,
                    "network_policy",
                    0.88,
                    f"Network policy {name_of(policy)} keeps the callers of {service} out.",
                    sign(
                        policy,
                        f"podSelector {table(policy, 'spec.podSelector')}, ingress {rows(policy, 'spec.ingress')}"[
                            :240
                        ],
                        "nobody who calls it may connect",
                    ),
                )
            elif "Egress" in kinds and not rows(policy, "spec.egress") and cluster.facts.callees(service):
                yield claim(
                    service,
                    "network_policy",
                    0.86,
                    f"Network policy {name_of(policy)} lets {service} call nobody.",
                    sign(policy, "policyTypes Egress, no egress rule", "it may connect to nothing"),
                )


def _shut(cluster: Cluster, policy: Object, service: str, space: str) -> bool:
    """Does the policy let in none of those who call the service (or nobody at all)?"""
    rules = rows(policy, "spec.ingress")
    if not rules:
        return True
    callers = cluster.facts.callers(service)
    known = {w: labels for w, _, labels in cluster.templates(space)}
    asked = [known[c] for c in callers if c in known]
    return bool(asked) and not any(_lets_in(rule, labels) for rule in rules for labels in asked)


def _lets_in(rule: Object, labels: dict[str, str]) -> bool:
    sources = rows(rule, "from")
    return not sources or any("podSelector" not in s or matches(table(s, "podSelector"), labels) for s in sources)


def _allowed_elsewhere(cluster: Cluster, policy: Object, labels: dict[str, str]) -> bool:
    """Policies add up: another one that selects the pod and has rules may let callers in."""
    others = (p for p in cluster.all("NetworkPolicy") if p is not policy and space_of(p) == space_of(policy))
    return any(rows(p, "spec.ingress") and matches(table(p, "spec.podSelector"), labels) for p in others)


def _users(cluster: Cluster, binding: Object) -> Iterable[str]:
    for subject in rows(binding, "subjects"):
        account = str(subject.get("name", ""))
        using = [
            w
            for w, spec, _ in cluster.templates(str(subject.get("namespace") or space_of(binding)))
            if text(spec, "serviceAccountName") == account
        ]
        yield cluster.service(using[0] if using else account)


CHECKS = (bindings, forbidden, policies)
