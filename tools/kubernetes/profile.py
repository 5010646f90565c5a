"""What a cluster is and what we may do in one namespace of it; asks, and changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, TypeVar

from domain.clock import Clock
from domain.errors import FirebreakError
from domain.redaction import redact
from domain.runner import Profile
from tools.kubernetes.client import ClusterClient
from tools.kubernetes.kinds import KINDS

T = TypeVar("T")

BUILT_IN = ("", "apps", "batch", "autoscaling", "policy", "events", "extensions")
"""API groups without a dot that a cluster has by itself; those that end in `.k8s.io` are too."""


READING = "kubectl"
"""The tool whose reading part is answered here, without the program."""


async def profile_of(cluster: ClusterClient, name: str, clock: Clock) -> Profile:
    """One look. What cannot be seen stands under `problems`."""
    problems: list[str] = []
    version = await _or(cluster.read("/version"), {}, problems)
    if not version:
        return Profile(target=name, runner="kubernetes", reachable=False, problems=problems, taken_at=clock.now())
    rules = await _or(cluster.review("SelfSubjectRulesReview", {"namespace": cluster.namespace}), {}, problems)
    resources = await _or(_resources(cluster), [], problems)
    nodes = await _nodes(cluster, problems)
    permissions = sorted(set(_permissions(rules.get("resourceRules") or [])))
    if not permissions:
        problems.append(f"the credential may do nothing in namespace {cluster.namespace}; give it a role there")
    return Profile(
        target=name,
        runner="kubernetes",
        reachable=True,
        tools={READING: "reads, by Firebreak itself"},
        permissions=permissions,
        api_resources=sorted(resources),
        custom_resources=sorted(r for r in resources if _custom(r)),
        versions={"kubernetes": str(version.get("gitVersion", ""))},
        nodes=nodes,
        problems=problems,
        taken_at=clock.now(),
    )


async def _or(asked: Awaitable[T], otherwise: T, problems: list[str]) -> T:
    """The answer, or the other value and one more problem."""
    try:
        return await asked
    except FirebreakError as error:
        problems.append(redact("; ".join(error.lines())))
        return otherwise


async def _nodes(cluster: ClusterClient, problems: list[str]) -> list[str]:
    """Names of nodes where we may list them; that we may not is no problem within a namespace."""
    if not await _or(cluster.may("list", KINDS["Node"]), False, problems):
        return []
    return [str(n["metadata"]["name"]) for n in await _or(cluster.list(KINDS["Node"]), [], problems)]


async def _resources(cluster: ClusterClient) -> list[str]:
    """`pods`, `deployments.apps`, … of all groups in the version that the server prefers."""
    groups = (await cluster.read("/apis")).get("groups") or []
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    found: list[str] = []
    for path in paths:
        listed = await cluster.read(path)
        group = str(listed.get("groupVersion", "")).rpartition("/")[0]
        names = [str(r["name"]) for r in listed.get("resources") or [] if "/" not in str(r["name"])]
        found += [f"{name}.{group}" if group else name for name in names]
    return found


def _custom(resource: str) -> bool:
    group = resource.partition(".")[2]
    return group not in BUILT_IN and not group.endswith(".k8s.io")


def _permissions(rules: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """`patch deployments.apps`, `get configmaps/settings` for one that only holds for a name."""
    for rule in rules:
        for verb in rule.get("verbs") or []:
            for resource in rule.get("resources") or []:
                for group in rule.get("apiGroups") or [""]:
                    key = f"{resource}.{group}" if group else str(resource)
                    yield from (f"{verb} {key}/{name}" for name in rule.get("resourceNames") or ())
                    if not rule.get("resourceNames"):
                        yield f"{verb} {key}"
