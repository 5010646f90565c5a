"""What the actions on a deployment share: its facts, and how long a rollout may take."""

from __future__ import annotations

from typing import Any

from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import cluster_of, workload_name
from tools.kubernetes.workload import facts_of
from tools.spec import Preview, State, unclear
from tools.target import Target

DEPLOYMENT = KINDS["Deployment"]
ROLLOUT_S = 150.0
"""How long a rollout may take until its pods serve, in seconds."""


async def observed(target: Target, args: Any) -> State:
    """Facts of the deployment; {name, found: False} when there is none."""
    name = workload_name(target, args.workload)
    async with cluster_of(target) as cluster:
        found = await cluster.get(DEPLOYMENT, name)
    return {"found": True, **facts_of(found)} if found else {"found": False, "name": name}


def missing_deployment(state: State) -> Preview | None:
    return None if state["found"] else unclear(f"there is no deployment {state['name']} in the namespace")
