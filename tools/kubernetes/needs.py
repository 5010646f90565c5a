"""Declared needs against objects as they stand: selectors, paths through network policies, permissions, settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from domain.cluster import Declared, Need, declared
from domain.errors import ToolError
from tools.target import Target

Object = Mapping[str, Any]


def declared_of(target: Target) -> Declared:
    """The declarations of a target's binding. Raises ToolError that names the option."""
    try:
        return declared(target.binding("kubernetes"))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ToolError(
            f"the kubernetes binding of {target.name} cannot be read",
            expected="options as docs/how-to/run-on-a-remote-host-or-cluster.md describes them",
            found=f"options.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            hint="correct firebreak.yaml",
            code="tool.bad_binding",
        ) from error


def labels_of(workload: Object | None) -> dict[str, str]:
    """The labels of a workload's pods."""
    template = ((workload or {}).get("spec") or {}).get("template") or {}
    return dict((template.get("metadata") or {}).get("labels") or {})


def fits(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a plain selector finds these labels; an empty one finds nothing here."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def lets_in(policies: Iterable[Object], to: Mapping[str, str], source: Mapping[str, str], port: int) -> bool:
    """Whether network policies let pods with labels `source` reach pods with labels `to`: policies add up, none means open.

    Peers by namespace or address are not judged: a rule that has only such counts as open, so that nothing is repaired on
    a guess.
    """
    about = [p for p in policies if _selects(p, to)]
    return not about or any(_opens(rule, source, port) for p in about for rule in p["spec"].get("ingress") or [])


def _selects(policy: Object, labels: Mapping[str, str]) -> bool:
    spec = policy.get("spec") or {}
    wanted = (spec.get("podSelector") or {}).get("matchLabels") or {}
    closes = "Ingress" in (spec.get("policyTypes") or ["Ingress"])
    return closes and all(labels.get(key) == value for key, value in wanted.items())


def _opens(rule: Object, source: Mapping[str, str], port: int) -> bool:
    peers, ports = rule.get("from") or [], rule.get("ports") or []
    known = any(_peer(peer, source) for peer in peers)
    return (not peers or known) and (not ports or any(row.get("port") == port for row in ports))


def _peer(peer: Object, source: Mapping[str, str]) -> bool:
    if "podSelector" not in peer or "namespaceSelector" in peer:
        return True
    wanted = (peer["podSelector"] or {}).get("matchLabels") or {}
    return all(source.get(key) == value for key, value in wanted.items())


def grants(rules: Sequence[Object], need: Need) -> bool:
    """Whether every verb is allowed on every object of the resource."""
    fitting = [
        r for r in rules
        if not r.get("resourceNames")
        and {need.api_group, "*"} & set(r.get("apiGroups") or [])
        and {need.resource, "*"} & set(r.get("resources") or [])
    ]  # fmt: skip
    verbs = {verb for r in fitting for verb in r.get("verbs") or []}
    return "*" in verbs or set(need.verbs) <= verbs


def binds(binding: Object | None, role: str, account: str) -> bool:
    """Whether a role binding gives this role to this service account."""
    reference = (binding or {}).get("roleRef") or {}
    names = [s.get("name") for s in (binding or {}).get("subjects") or [] if s.get("kind") == "ServiceAccount"]
    return (reference.get("kind"), reference.get("name")) == ("Role", role) and account in names


def differing(config_map: Object | None, values: Mapping[str, str]) -> list[str]:
    """Keys that have another value than declared, or none."""
    data = (config_map or {}).get("data") or {}
    return sorted(key for key, value in values.items() if data.get(key) != value)
