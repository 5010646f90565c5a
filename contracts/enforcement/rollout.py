"""One rollout as it is remembered between two looks: everything that a process which takes it over has to know."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from domain.contract import Contract, ContractStatus
from domain.value import UtcTime, Value


class RolloutStatus(StrEnum):
    """Where it stands."""

    RUNNING = "running"
    WAITING = "waiting"
    """A person must answer before the next share is given. The present share is watched meanwhile."""
    TAKING_BACK = "taking_back"
    FULFILLED = "fulfilled"
    ROLLED_BACK = "rolled_back"
    VIOLATED = "violated"
    """A term was broken and the release could not be taken back: a person must."""

    @property
    def ended(self) -> bool:
        """Whether nothing follows by itself."""
        return self in (RolloutStatus.FULFILLED, RolloutStatus.ROLLED_BACK, RolloutStatus.VIOLATED)

    @property
    def contract(self) -> ContractStatus:
        """What this makes of the contract."""
        return {
            RolloutStatus.FULFILLED: ContractStatus.FULFILLED,
            RolloutStatus.ROLLED_BACK: ContractStatus.ROLLED_BACK,
            RolloutStatus.VIOLATED: ContractStatus.VIOLATED,
        }.get(self, ContractStatus.DEPLOYED)


class StageRow(Value):
    """One stage. Times are seconds on the rollout's own clock."""

    percent: float
    seconds: float
    """0 for the last row, in which the new version has everything: it is watched for the rollback window."""
    sees: list[str] = []
    """What its checks will be able to see, said before the rollout."""
    began_at: float | None = None
    looks: int = 0
    result: str = ""
    """successful, failed, inconclusive; empty while it runs."""
    reasons: list[str] = []
    approval: str = ""
    """The approval that is waited for, or was."""
    ledger: list[int] = []


class Rollout(Value):
    """The whole of it, as JSON."""

    schema_version: Literal["1"] = "1"
    id: str
    contract: Contract
    service: str
    version: str
    former: str
    """Version that serves now and that is gone back to."""
    started_by: str
    exemption: str = ""
    """Why it may go out although the error budget is used up."""
    status: RolloutStatus = RolloutStatus.RUNNING
    stages: list[StageRow]
    stage: int = 0
    reserves: int = 0
    """Looks in reserve that were used."""
    clock: float = 0.0
    """Seconds since the start, by the machine's monotonic clock."""
    monotonic: float
    wall: float
    boot: str
    """Which start of the machine `monotonic` belongs to."""
    read_to: float = 0.0
    """Requests up to here (rollout's clock) were read."""
    judgements: list[dict[str, Any]] = []
    """Every look, oldest first."""
    explanation: list[str] = []
    notes: list[str] = []
    back_at: float | None = None
    """When the former version had everything again."""
    verified: bool | None = None
    """Whether no request reached the new version after it was taken back."""
    exposed: int = 0
    """Requests that the new version answered."""
    budget_lost: float = 0.0
    """Share of the service's error budget of 30 days that the new version cost beyond what the old one would have."""
    started_at: UtcTime
    ended_at: UtcTime | None = None

    def with_stage(self, number: int, **changes: Any) -> Rollout:
        """One row changed."""
        rows = [row.model_copy(update=changes) if place == number else row for place, row in enumerate(self.stages)]
        return self.model_copy(update={"stages": rows})

    def noted(self, note: str) -> Rollout:
        """One note more."""
        return self.model_copy(update={"notes": [*self.notes, note]})

    @property
    def now(self) -> StageRow:
        """The present stage."""
        return self.stages[self.stage]

    @property
    def last(self) -> bool:
        """Whether the present stage is the last one, in which the new version has everything."""
        return self.stage == len(self.stages) - 1
