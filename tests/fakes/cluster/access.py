"""Who may do what: RBAC over the roles and bindings in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.cluster.store import Store


@dataclass(frozen=True)
class User:
    """Whoever a token stands for; `admin` may do everything."""

    name: str
    admin: bool = False


def service_account(namespace: str, name: str) -> User:
    """As Kubernetes names one."""
    return User(f"system:serviceaccount:{namespace}:{name}")


def rules_of(store: Store, user: User, namespace: str) -> Iterator[dict[str, Any]]:
    """All rules that hold for the user in the namespace."""
    if user.admin:
        yield {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        return
    for binding in [*store.all("RoleBinding", namespace), *store.all("ClusterRoleBinding")]:
        if any(_names(subject, user, namespace) for subject in binding.get("subjects") or []):
            reference = binding["roleRef"]
            role = store.find(reference["kind"], namespace, reference["name"])
            yield from (role or {}).get("rules") or []


def _names(subject: dict[str, Any], user: User, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        return service_account(subject.get("namespace") or namespace, subject["name"]) == user
    return bool(subject["kind"] == "User" and subject["name"] == user.name)


def may(store: Store, user: User, verb: str, group: str, resource: str, namespace: str, name: str = "") -> bool:
    """Whether one of the rules allows it. `resource` may be `pods/log`."""
    return any(
        _has(rule.get("verbs"), verb)
        and _has(rule.get("apiGroups"), group)
        and _has(rule.get("resources"), resource)
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
        for rule in rules_of(store, user, namespace)
    )


def _has(values: list[str] | None, wanted: str) -> bool:
    return bool(values) and ("*" in values or wanted in values)  # type: ignore[operator]


def escalates(store: Store, user: User, namespace: str, rules: list[dict[str, Any]]) -> bool:
    """Whether a role would give more than the user has, which the real server refuses without `escalate`."""
    return not all(
        may(store, user, verb, group, resource, namespace)
        for rule in rules
        for verb in rule.get("verbs") or []
        for group in rule.get("apiGroups") or []
        for resource in rule.get("resources") or []
    )
