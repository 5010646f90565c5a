"""A pipeline as it is written (YAML) and what one of its stages came to. Field names are those of the published JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from domain.action import Tier
from domain.value import UtcTime, Value

END = "end"
"""Where a jump leads that ends the run."""
_NAME = r"^[a-z][a-z0-9-]*$"
_SEMVER = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Name = Annotated[str, Field(pattern=_NAME, max_length=60)]
Duration = Annotated[str, Field(pattern=r"^\d+[smh]$", max_length=8)]


def seconds(duration: str) -> float:
    """`90s`, `15m`, `2h` in seconds."""
    return float(int(duration[:-1]) * _SECONDS[duration[-1]])


class _Written(Value):
    """Read by the names of the file; our own names work too."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _exactly_one_of(*names: str) -> ConfigDict:
    """The published schema says it too."""
    ways: list[JsonValue] = [{"required": [name], "properties": {name: {"type": "object"}}} for name in names]
    return ConfigDict(frozen=True, extra="forbid", populate_by_name=True, json_schema_extra={"oneOf": ways})


class Metadata(_Written):
    """Who wrote it, when, and how it is found."""

    author: str = ""
    created_at: date | None = None
    tags: list[str] = []


class Input(_Written):
    """One typed input of a run."""

    type: Literal["string", "number", "boolean", "array", "object"]
    required: bool = False
    default: Any = None
    description: str = ""


class AgentStage(_Written):
    """Work of a registered stage template."""

    template: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")
    tier: Tier = Tier.T0
    """The most that this stage may use of the agent's rights."""
    with_: dict[str, Any] = Field(default={}, alias="with")
    """Arguments: literals, or `{cel: "inputs.service"}`."""


class PeopleGate(_Written):
    """A question to people. A reason may be given; no text of a model is ever an answer."""

    question: str
    quorum: int = Field(default=1, ge=1, le=5)
    """Distinct people who must say yes. One no is a no."""


class Reviewer(_Written):
    """A named reviewer: a condition that must hold, and why."""

    name: Name
    approves_if: str
    """CEL over the run's context; what errs is a no."""
    because: str


class ConsensusGate(_Written):
    """Named reviewers vote with reasons. It takes the quorum and more yes than no: a tie fails."""

    question: str
    quorum: int = Field(ge=1)
    reviewers: list[Reviewer] = Field(min_length=1)


class Gate(_Written):
    """Exactly one of the two kinds."""

    model_config = _exactly_one_of("approval", "consensus")

    approval: PeopleGate | None = None
    consensus: ConsensusGate | None = None

    @model_validator(mode="after")
    def _one(self) -> Gate:
        if (self.approval is None) == (self.consensus is None):
            raise ValueError("expected exactly one of approval, consensus")
        return self


class Parallel(_Written):
    """Branches side by side; the next stage waits for all of them."""

    branches: list[list[Stage]] = Field(min_length=2)


class Condition(_Written):
    """Where to go on: inline stages, or the name of a stage (or `end`) to go to."""

    if_: str = Field(alias="if")
    """CEL over the run's context; must give true or false."""
    then: Name | list[Stage]
    else_: Name | list[Stage] = Field(default=[], alias="else")


class OnFailure(_Written):
    """What happens when a stage fails. Without it the run stops there."""

    action: Literal["rollback", "notify", "pause", "continue"]
    notify: list[str] = []
    rollback_to: Name | None = None
    """Everything that was changed after this stage is taken back; without it everything of the run."""


class Stage(_Written):
    """One named stage of exactly one kind."""

    model_config = _exactly_one_of("agent", "gate", "parallel", "condition")

    name: Name
    agent: AgentStage | None = None
    gate: Gate | None = None
    parallel: Parallel | None = None
    condition: Condition | None = None
    set: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], str] = {}
    """Variable → CEL over the context, taken when the stage completed."""
    on_failure: OnFailure | None = None
    timeout: Duration | None = None
    next: Name | None = None
    """Another stage than the following one, or `end`."""

    @model_validator(mode="after")
    def _one_kind(self) -> Stage:
        kinds = [kind for kind in ("agent", "gate", "parallel", "condition") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"expected exactly one of agent, gate, parallel, condition; found {kinds or 'none'}")
        return self

    @property
    def kind(self) -> str:
        """agent, gate, parallel or condition."""
        return next(k for k in ("agent", "gate", "parallel", "condition") if getattr(self, k) is not None)


class Pipeline(_Written):
    """The whole document."""

    name: Name
    version: str = Field(pattern=_SEMVER)
    description: str = Field(min_length=1)
    tier: Tier = Tier.T0
    """The ceiling: no stage may ask for more."""
    metadata: Metadata = Metadata()
    inputs: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Input] = {}
    stages: list[Stage] = Field(min_length=1)

    def every_stage(self) -> Iterator[Stage]:
        """All stages, nested ones too, as they are written."""
        yield from _walk(self.stages)


def inner(stage: Stage) -> list[list[Stage]]:
    """The lists of stages written inside this one."""
    if stage.parallel:
        return stage.parallel.branches
    if stage.condition:
        return [part for part in (stage.condition.then, stage.condition.else_) if isinstance(part, list)]
    return []


def _walk(stages: list[Stage]) -> Iterator[Stage]:
    for stage in stages:
        yield stage
        for nested in inner(stage):
            yield from _walk(nested)


class StageStatus(StrEnum):
    """How a stage stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class StageResult(Value):
    """What one visit of a stage came to."""

    name: str
    visit: int = 1
    """1 for the first time a run comes here, +1 each time it comes again."""
    status: StageStatus
    started_at: UtcTime
    completed_at: UtcTime | None = None
    artifacts: dict[str, Any] = {}
    error: str = ""
    agent_id: str = ""
