"""What a service of a cluster is declared to need: `options` of its `kubernetes` binding, as values.

A repair is only as safe as the source that says what is right. Logs and events are written by whoever is ill; the inventory
is written by its owner. So probes compare the cluster with these declarations, and repairs take their arguments from them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from domain.inventory import Binding
from domain.value import Value

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A DNS subdomain (RFC 1123)."""


WorkloadName = Annotated[
    str, Field(pattern=r"^((deployment|statefulset|daemonset)/)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
]
"""As kubectl names it: `statefulset/db`, `daemonset/agent`; without a kind a deployment is meant."""


class Settings(Value):
    """Keys of a config map without which the workload does not do its work."""

    config_map: Name
    values: Annotated[dict[str, str], Field(min_length=1, max_length=50)]


class Need(Value):
    """One kind of request that the workload must be allowed to make."""

    api_group: str = ""
    resource: Annotated[str, Field(min_length=1, max_length=100)]
    verbs: Annotated[tuple[str, ...], Field(min_length=1, max_length=6)]


class Permissions(Value):
    """Who asks, through which role and binding, and what for."""

    service_account: Name
    role: Name
    role_binding: Name
    needs: Annotated[tuple[Need, ...], Field(min_length=1, max_length=20)]


class Callers(Value):
    """Workloads of the same namespace that must reach this one on a port."""

    network_policy: Name
    """The policy that lets them in; made anew where it is gone."""
    port: Annotated[int, Field(gt=0, lt=65536)]
    workloads: Annotated[tuple[WorkloadName, ...], Field(min_length=1, max_length=20)]


class Declared(Value):
    """The part of the options that says what is right."""

    model_config = ConfigDict(extra="ignore")

    workload: str = ""
    service: str = ""
    """Name of the Kubernetes service in front of it; empty: there is none to look at."""
    settings: Settings | None = None
    permissions: Permissions | None = None
    callers: Callers | None = None


def declared(binding: Binding) -> Declared:
    """Raises pydantic.ValidationError, which names the option."""
    return Declared.model_validate(binding.options)
