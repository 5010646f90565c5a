"""The cluster of a service, as its `kubernetes` binding reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from domain.cluster import WorkloadName
from domain.errors import ConfigError, ToolError
from tools.kubernetes.workload import Named, workload_named
from tools.remote import Located, as_trouble, load_target
from tools.target import Target

if TYPE_CHECKING:
    from tools.kubernetes.client import ClusterClient

_WORD: TypeAdapter[str] = TypeAdapter(WorkloadName)


@asynccontextmanager
async def cluster_of(target: Target, *, changing: bool = True) -> AsyncIterator[ClusterClient]:
    """A client for the namespace that the binding's TARGET file names. Probes read with its reader: `changing` False."""
    try:
        client = await asyncio.to_thread(_opened, target, changing)
    except ConfigError as error:
        raise as_trouble(error) from error
    try:
        yield client
    finally:
        await client.aclose()


def _opened(target: Target, changing: bool) -> ClusterClient:
    file = target.path(target.binding("kubernetes"))
    return connect(load_target(file), changing=changing, env=target.env)


def connect(located: Located, *, changing: bool, env: Mapping[str, str]) -> ClusterClient:
    """A client for a TARGET file. Reads files and imports the library, so call it in a thread where others wait.

    Raises ToolError when it names no cluster, ConfigError for a wrong kubeconfig.
    """
    from tools.kubernetes.client import ClusterClient  # a quarter of a second of imports

    access = located.target.kubernetes
    if access is None:
        raise ToolError(
            f"{located.file} names no cluster",
            expected="a section `kubernetes`",
            found="none",
            hint="add kubeconfig and namespace to the TARGET file",
            code="tool.no_binding",
        )
    return ClusterClient(access, located.root, changing=changing, env=env)


def is_far(target: Target) -> bool:
    """Whether only an SSH host reaches the target's cluster. Raises ToolError, ConfigError."""
    access = load_target(target.path(target.binding("kubernetes"))).target.kubernetes
    return access is not None and access.through is not None


def workload_of(target: Target, given: str | None = None) -> Named:
    """The workload that is meant: as asked for, or `options.workload` of the binding. Raises ToolError when neither says."""
    found = given or str(target.option(target.binding("kubernetes"), "workload") or "")
    try:
        return workload_named(_WORD.validate_python(found))
    except ValidationError as error:
        raise ToolError(
            f"nothing says which workload {target.name} is",
            expected="argument `workload`, or `options.workload` of its kubernetes binding, as `web` or `statefulset/db`",
            found=repr(found) if found else "neither",
            code="tool.bad_arguments",
        ) from error
