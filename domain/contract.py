"""A deployment as a contract: what is promised, how it is watched, how it is taken back, who may say yes (spec: contracts)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from domain.baseline import Baseline
from domain.inventory import Environment
from domain.risk import Risk
from domain.value import Json, UtcTime, Value, digest


class ContractStatus(StrEnum):
    """Where a contract stands. `next` is the whole table of legal moves."""

    DRAFT = "draft"
    NEGOTIATING = "negotiating"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DEPLOYED = "deployed"
    VIOLATED = "violated"
    ROLLED_BACK = "rolled_back"
    FULFILLED = "fulfilled"

    @property
    def next(self) -> frozenset[ContractStatus]:
        """Where it may go from here; empty for the terminal ones."""
        return _MOVES.get(self, frozenset())

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return not self.next


_MOVES: dict[ContractStatus, frozenset[ContractStatus]] = {
    ContractStatus.DRAFT: frozenset({ContractStatus.NEGOTIATING, ContractStatus.EXPIRED}),
    ContractStatus.NEGOTIATING: frozenset({ContractStatus.APPROVED, ContractStatus.REJECTED, ContractStatus.EXPIRED}),
    ContractStatus.APPROVED: frozenset({ContractStatus.NEGOTIATING, ContractStatus.DEPLOYED, ContractStatus.EXPIRED}),
    ContractStatus.DEPLOYED: frozenset({ContractStatus.VIOLATED, ContractStatus.ROLLED_BACK, ContractStatus.FULFILLED}),
    ContractStatus.VIOLATED: frozenset({ContractStatus.ROLLED_BACK}),
}
"""approved → negotiating: a new commit or a new risk takes the approval away. deployed → rolled_back: a person took it back."""


class Metric(StrEnum):
    """What a guardrail watches. Every limit is an upper one."""

    ERROR_RATE = "error_rate"
    LATENCY_P95 = "latency_p95"
    LATENCY_P99 = "latency_p99"
    TRAFFIC_RAMP = "traffic_ramp"
    CPU = "cpu"
    MEMORY = "memory"

    @property
    def unit(self) -> str:
        """Unit of its limit. ramp: percentage points of the traffic that one stage may add; cpu, memory: of the limit."""
        return "ms" if self in (Metric.LATENCY_P95, Metric.LATENCY_P99) else "percent"


class Guardrail(Value):
    """One promise that is watched while the release is rolled out."""

    metric: Metric
    limit: Annotated[float, Field(ge=0)]
    unit: str
    window_s: Annotated[int, Field(gt=0)]
    """Seconds over which it is judged."""
    reason: str
    compare: Literal["absolute", "baseline"] = "absolute"
    """baseline: the service was already above every limit, so the judge asks for `no worse than baseline`; `limit` is that
    baseline, and a person must have approved it."""


class Stage(Value):
    """One step of the rollout: this share of the traffic for at least this long."""

    percent: Annotated[float, Field(gt=0, le=100)]
    seconds: Annotated[int, Field(gt=0)]


class Canary(Value):
    """How the traffic moves to the new version."""

    required: bool
    """False with stages: recommended."""
    stages: list[Stage] = []
    reason: str = ""


class ValidatorKind(StrEnum):
    """Proofs that a contract may ask for."""

    TESTS = "tests"
    CANARY = "canary"
    ROLLBACK_PLAN = "rollback_plan"
    ROLLBACK_REHEARSAL = "rollback_rehearsal"
    FEATURE_FLAG = "feature_flag"
    SECOND_REVIEWER = "second_reviewer"
    LOAD_TEST = "load_test"
    MANUAL_APPROVAL = "manual_approval"


class Validator(Value):
    """One proof, asked for or only recommended."""

    kind: ValidatorKind
    required: bool
    reason: str


class RollbackKind(StrEnum):
    """What one step of taking a release back does."""

    SHIFT_TRAFFIC = "shift_traffic"
    UNDO_RELEASE = "undo_release"
    UNDO_ROLLOUT = "undo_rollout"
    TURN_FLAG_OFF = "turn_flag_off"
    RESTORE_CONFIG = "restore_config"
    FLUSH_CACHE = "flush_cache"
    MIGRATE_DOWN = "migrate_down"
    RESTORE_INFRASTRUCTURE = "restore_infrastructure"
    VERIFY = "verify"


class RollbackStep(Value):
    """One typed step, in the order in which it is done."""

    kind: RollbackKind
    target: str
    """Service, file, revision or key range it is done to."""
    summary: str
    seconds: Annotated[float, Field(ge=0)]
    """Estimated duration."""


class DataLoss(StrEnum):
    """What taking it back costs in data, mildest first."""

    NONE = "none"
    POSSIBLE = "possible"
    CERTAIN = "certain"


class SchemaCompatibility(Value):
    """Whether each version of the code can live with the other version of the schema. None: cannot be told."""

    old_code_new_schema: bool | None
    new_code_old_schema: bool | None
    reasons: list[str] = []


class Rollback(Value):
    """How the release is taken back."""

    possible: bool
    window_s: Annotated[int, Field(gt=0)]
    """Seconds after the last stage during which a breach still takes it back by itself."""
    steps: list[RollbackStep] = []
    data_loss_risk: DataLoss
    rehearsed_at: UtcTime | None = None
    recovery_s: Annotated[float, Field(ge=0)] = 0.0
    """Estimated seconds until users have the old version."""
    disruption_s: Annotated[float, Field(ge=0)] = 0.0
    """Estimated seconds of those in which users notice."""
    schema_compatibility: SchemaCompatibility | None = None
    """None: the schema is not touched."""
    reasons: list[str] = []
    """Why it is not possible, or what speaks against relying on it."""


class OfferKind(StrEnum):
    """What a developer can put on the table. Each is checked against the change, never believed."""

    SPLIT_CHANGE = "split_change"
    ADD_FLAG = "add_flag"
    ADD_CANARY_STAGE = "add_canary_stage"
    INDEX_CONCURRENTLY = "index_concurrently"
    ADD_DOWN_MIGRATION = "add_down_migration"
    LOWER_RAMP = "lower_ramp"
    EXPAND_THEN_CONTRACT = "expand_then_contract"
    RESTORE_TESTS = "restore_tests"
    RESTORE_OBSERVABILITY = "restore_observability"
    PIN_DEPENDENCY = "pin_dependency"
    ADD_REVIEWER = "add_reviewer"


class Suggestion(Value):
    """What would make the change safer."""

    offer: OfferKind
    text: str
    where: list[str] = []


class Contract(Value):
    """One deployment's terms, bound to exactly one state of the change."""

    id: str
    revision: Annotated[int, Field(ge=1)] = 1
    """+1 with every new evaluation of the same deployment."""
    status: ContractStatus = ContractStatus.DRAFT
    deployment: str
    service: str
    environment: Environment = Environment.PRODUCTION
    version: str = ""
    head: str = ""
    """Commit that was looked at; empty for a context that was only described."""
    context: str
    """SHA-256 of the context that the terms were made from: another change, another contract."""
    risk: Risk
    guardrails: list[Guardrail]
    canary: Canary
    validators: list[Validator]
    rollback: Rollback
    suggestions: list[Suggestion] = []
    baseline: Baseline | None = None
    """What was measured of the service when it was drafted, by whom and when."""
    created_at: UtcTime
    expires_at: UtcTime

    def terms_digest(self) -> str:
        """What an approval is bound to: everything but the status and the times."""
        return digest(self.model_dump(mode="json", exclude={"status", "created_at", "expires_at"}))

    def document(self) -> dict[str, Json]:
        """As `--json` and the API print it (without `schema_version`)."""
        plain: dict[str, Json] = self.model_dump(mode="json")
        return {**plain, "digest": self.terms_digest()}
