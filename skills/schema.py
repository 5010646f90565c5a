"""A skill: a named, versioned, typed operations procedure (`assets/skill.yaml`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from domain.action import Effect
from domain.inventory import Environment
from domain.value import Value
from skills.check import Check, Path, Scalar
from skills.words import Argv, Name, Reference, Slug


class Stage(StrEnum):
    """Where in an incident it helps."""

    DETECTION = "detection"
    DIAGNOSIS = "diagnosis"
    RECOVERY = "recovery"


class Category(StrEnum):
    """What it does; only an action may change anything."""

    OBSERVATION = "observation"
    ANALYSIS = "analysis"
    ACTION = "action"


class Risk(StrEnum):
    """How much may go wrong, as its author sees it."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def share(self) -> float:
        """0 to 1, for the risk budget."""
        return {"none": 0.0, "low": 0.25, "medium": 0.6, "high": 1.0}[self.value]


class ParameterType(StrEnum):
    """What a parameter holds."""

    SERVICE = "service"
    """A name of the inventory."""
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


TYPES: dict[ParameterType, tuple[type, ...]] = {
    ParameterType.SERVICE: (str,),
    ParameterType.STRING: (str,),
    ParameterType.INTEGER: (int,),
    ParameterType.NUMBER: (int, float),
    ParameterType.BOOLEAN: (bool,),
}
"""What a value of each must be in Python."""


class Parameter(Value):
    """One thing that is given when the skill is run."""

    type: ParameterType
    description: Annotated[str, Field(min_length=1, max_length=300)]
    kinds: list[str] = []
    """Inventory kinds that it may name; empty: any. Only for `service`."""
    default: Scalar | None = None
    """None: must be given."""
    pattern: Annotated[str, Field(max_length=200)] = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"
    """What a string must match as a whole."""
    min: float | None = None
    max: float | None = None


class Scope(Value):
    """Where it may be used at all."""

    environments: list[Environment] = Field(default=[Environment.SANDBOX, Environment.STAGING], min_length=1)
    namespace: Annotated[str, Field(max_length=63)] = ""
    """The Kubernetes namespace it stays in; empty: not a Kubernetes skill."""
    cluster_wide: bool = False


class Metadata(Value):
    """How it is found and weighed."""

    stage: Stage
    category: Category
    risk_level: Risk
    mutability: Literal["read_only", "mutating"]
    target_kind: str
    """Inventory kind, or a Kubernetes kind, that it is about."""
    required_tools: list[str] = []
    """Programs that the runner must have."""
    fault_classes: list[str] = []
    """Classes of the diagnosis that it is for."""
    rehearse_with: list[str] = []
    """Faults that a rehearsal injects; empty: those of `fault_classes`."""
    tags: list[str] = []
    owner: str


class FromReading(Value):
    """An argument that only the system can tell, such as a pid: read when the preconditions are checked."""

    check: Name
    """The precondition (with a probe) whose reading it is taken from."""
    path: Path


class Action(Value):
    """One step. Exactly one of `action` (registered) and `command` (remote runner)."""

    name: Name
    action: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    target: Reference
    """A service of the inventory; for a command the host that it runs on."""
    args: dict[str, Any] = {}
    args_from: dict[str, FromReading] = {}
    """Arguments that are read; all values that the path leads to, one alone where the argument is no list."""
    command: Argv | None = None
    effect: Effect
    """As declared; the validator infers it from the action or the command and compares."""
    on_failure: Literal["abort", "rollback"] = "rollback"
    timeout_s: float = Field(default=30.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _one_way(self) -> Action:
        if (self.action is None) == (self.command is None):
            raise ValueError("expected exactly one of `action` and `command`")
        return self


class Compensation(Value):
    """How one action is taken back."""

    undoes: Name
    """Name of the action that it takes back."""
    action: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    """The registered undo; its arguments are captured before the deed, never written here."""
    command: Argv | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Compensation:
        if (self.action is None) == (self.command is None):
            raise ValueError("expected exactly one of `action` and `command`")
        return self


class Skill(Value):
    """The whole procedure, without what only the verifier may know."""

    schema_version: Literal["1"] = "1"
    name: Slug
    version: Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
    """Semantic version."""
    intent: Annotated[str, Field(min_length=10, max_length=500)]
    scope: Scope = Scope()
    parameters: dict[Name, Parameter] = {}
    metadata: Metadata
    preconditions: list[Check] = []
    """All must hold before anything is done."""
    actions: list[Action] = []
    success_criteria: list[Check] = Field(min_length=1)
    rollback: list[Compensation] = []
    irreversible: Annotated[str, Field(max_length=300)] = ""
    """Why what is not in `rollback` cannot be taken back."""

    @property
    def mutating(self) -> bool:
        """Whether any action is declared to change something."""
        return any(action.effect.mutating for action in self.actions)


class HiddenChecks(Value):
    """`assets/hidden.yaml`: what the verifier looks at beside the success criteria.

    A file of its own, so that whoever plans, generates or optimises is handed a `Skill` and cannot aim at these.
    """

    hidden_checks: list[Check] = []
