"""Words of Kubernetes as argument types."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.cluster import WorkloadName

ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A DNS subdomain (RFC 1123)."""
Workload = Annotated[
    WorkloadName | None,
    Field(
        description="Deployment, `statefulset/NAME` or `daemonset/NAME`; None is `options.workload` of the kubernetes binding."
    ),
]
Container = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Image = Annotated[str, Field(pattern=r"^[a-z0-9][a-zA-Z0-9._/:@-]{0,254}$")]
DataKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
Labels = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{1,316}$")],
        Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")],
    ],
    Field(min_length=1, max_length=10),
]
"""At least one label: no label would mean every pod."""
Port = Annotated[int, Field(gt=0, lt=65536)]
Serving = Annotated[
    bool,
    Field(
        description="False: the pods need not serve in the end, as when a repair is taken back to what did not serve."
    ),
]
