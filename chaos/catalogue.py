"""The one place where faults are registered. Adding one: a file in `faults/`, a line here, a conformance run."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.faults.crash_loop import CrashLoop
from chaos.faults.credential_revoked import CredentialRevoked
from chaos.faults.disk_full import DiskFull
from chaos.faults.failed_migration import FailedMigration
from chaos.faults.hang import Hang
from chaos.faults.latency import Latency
from chaos.faults.long_transactions import LongTransactions
from chaos.faults.missing_env import MissingEnv
from chaos.faults.noop import Noop
from chaos.faults.pool_exhaustion import PoolExhaustion
from chaos.faults.red_herring_deploy import RedHerringDeploy
from chaos.faults.upstream_429 import Upstream429
from chaos.model import Fault
from domain.value import Value


class FaultSummary(Value):
    """A fault as it is listed."""

    name: str
    title: str
    family: str
    service: str
    abstain: bool = False
    magnitudes: list[str] = []
    parameters: dict[str, object] = {}
    """JSON Schema."""


def catalogue() -> dict[str, Fault]:
    """Every fault by name."""
    faults: tuple[Fault, ...] = (
        CrashLoop(),
        Hang(),
        PoolExhaustion(),
        LongTransactions(),
        MissingEnv(),
        FailedMigration(),
        Upstream429(),
        Latency(),
        CredentialRevoked(),
        DiskFull(),
        Noop(),
        RedHerringDeploy(),
    )
    return {fault.spec.name: fault for fault in faults}


def summaries(faults: Mapping[str, Fault]) -> list[FaultSummary]:
    """The catalogue for people and forms, by name."""
    return [
        FaultSummary(
            name=fault.spec.name,
            title=fault.spec.summary,
            family=fault.spec.family,
            service=fault.spec.service,
            abstain=fault.spec.abstain,
            magnitudes=[rung.value for rung in fault.spec.ladder],
            parameters=fault.spec.parameters.model_json_schema(),
        )
        for _, fault in sorted(faults.items())
    ]
