"""What the actions on a workload share: its facts, and how long a rollout may take."""

from __future__ import annotations

from typing import Any

from tools.kubernetes.place import cluster_of, workload_of
from tools.kubernetes.workload import facts_of
from tools.spec import Preview, State, unclear
from tools.target import Target

ROLLOUT_S = 150.0
"""How long a rollout may take until its pods serve, in seconds."""


async def observed(target: Target, args: Any) -> State:
    """{found, workload: as arguments name it, what: as people do} and its facts when there is one."""
    meant = workload_of(target, args.workload)
    async with cluster_of(target) as cluster:
        found = await cluster.get(meant.kind, meant.name)
    return {
        "found": found is not None,
        "workload": meant.word,
        "what": str(meant),
        **(facts_of(found) if found else {}),
    }


def missing(state: State) -> Preview | None:
    return None if state["found"] else unclear(f"there is no {state['what']} in the namespace")


def kept_from_pods(state: State) -> Preview | None:
    """Where a new template would not reach the pods."""
    if not state["held"]:
        return None
    return unclear(f"a new template of {state['what']} would not reach all pods: {state['held']}")
