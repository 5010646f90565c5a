"""The runner for a TARGET file: over SSH when it names a host, else against the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.clock import Clock
from domain.inventory import Service
from domain.runner import Profile, Runner
from tools.remote import Located, load_target
from tools.runners.stepwise import StepRunner


def ssh_runner(
    located: Located, env: Mapping[str, str], *, may_change: bool = False, clock: Clock | None = None
) -> StepRunner:
    """Commands on the TARGET's host. `env` holds what key references name. Connects when first used."""
    from tools.runners.ssh import SshTransport  # half a second of imports that most processes never need

    assert located.target.ssh is not None, "the caller looked whether the TARGET names a host"
    transport = SshTransport(located.target.ssh, root=located.root, env=env)
    return StepRunner(transport, name=located.target.name, target=located.target, may_change=may_change, clock=clock)


def cluster_runner(
    located: Located, env: Mapping[str, str], *, changing: bool = False, clock: Clock | None = None
) -> Runner:
    """Reading commands against the TARGET's namespace, as its reader unless `changing`. Raises ConfigError."""
    from tools.kubernetes.place import connect
    from tools.runners.kubernetes import KubernetesRunner

    return KubernetesRunner(connect(located, changing=changing, env=env), name=located.target.name, clock=clock)


def reading_runner(service: Service, env: Mapping[str, str], root: Path) -> Runner | None:
    """The runner for reading commands about a service: on its `host`, else in its cluster; None when it has neither.

    Raises ConfigError for a TARGET file that is wrong.
    """
    if host := service.bindings.get("host"):
        return ssh_runner(load_target(root / host.path), env)
    if cluster := service.bindings.get("kubernetes"):
        return cluster_runner(load_target(root / cluster.path), env)
    return None


async def profiles(located: Located, env: Mapping[str, str]) -> list[Profile]:
    """What can be seen of the TARGET's host and cluster, as its reader and as who may change it. Reads only."""
    found: list[Profile] = []
    runners: list[Runner] = []
    try:
        runners += [ssh_runner(located, env)] if located.target.ssh else []
        if located.target.kubernetes:
            both = (False, True) if located.target.kubernetes.reader else (True,)
            runners += [cluster_runner(located, env, changing=changing) for changing in both]
        for runner in runners:
            found.append(await runner.profile())
    finally:
        for runner in runners:
            await runner.aclose()
    return found
