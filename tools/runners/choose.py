"""The runner for a TARGET file: over SSH when it names a host, else against the cluster."""

from __future__ import annotations

from collections.abc import Mapping

from domain.clock import Clock
from domain.runner import Profile
from tools.remote import Located
from tools.runners.stepwise import StepRunner


def ssh_runner(
    located: Located, env: Mapping[str, str], *, may_change: bool = False, clock: Clock | None = None
) -> StepRunner:
    """Commands on the TARGET's host. `env` holds what key references name. Connects when first used."""
    from tools.runners.ssh import SshTransport  # half a second of imports that most processes never need

    assert located.target.ssh is not None, "the caller looked whether the TARGET names a host"
    transport = SshTransport(located.target.ssh, root=located.root, env=env)
    return StepRunner(transport, name=located.target.name, target=located.target, may_change=may_change, clock=clock)


async def profiles(located: Located, env: Mapping[str, str]) -> list[Profile]:
    """What can be seen of the TARGET's host and cluster. Reads only."""
    found: list[Profile] = []
    if located.target.ssh is not None:
        runner = ssh_runner(located, env)
        found.append(await runner.profile())
        await runner.aclose()
    return found
