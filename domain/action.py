"""What changes things: specifications, calls, outcomes and the port that carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

from pydantic import Field

from domain.value import UtcTime, Value


class Effect(StrEnum):
    """Effect class of an action (spec: governance)."""

    READ = "read"
    TRANSIENT = "transient"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"

    @property
    def mutating(self) -> bool:
        """Whether the world may look different afterwards."""
        return self is not Effect.READ


class Tier(StrEnum):
    """How much autonomy an agent has earned."""

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    T4 = "T4"

    @property
    def level(self) -> int:
        """0 to 4; a higher level includes the lower ones."""
        return int(self.value[1])

    @property
    def below(self) -> Tier:
        """The next lower tier; the lowest is its own."""
        return list(Tier)[max(0, self.level - 1)]


class ActionCall(Value):
    """A registered action with typed arguments on one target of the inventory."""

    action: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    target: str
    args: dict[str, Any] = {}
    """Validated against the action's own argument model by the guard; plain JSON."""


class ActionSpec(Value):
    """What the registry publishes about one action."""

    name: str
    summary: str
    effect: Effect
    target_kinds: list[str] = []
    """Inventory kinds it may be used on; empty means any with the needed binding."""
    binding: str
    """The aspect of the target's bindings that it needs; `cache|warm_cache` when one of several is enough."""
    schema_: dict[str, Any] = Field(alias="schema", serialization_alias="schema")
    """JSON Schema of `args`."""
    undo: str = ""
    """Name of the action that takes it back, or empty."""
    no_undo_reason: str = ""
    """Why there is none (transient or irreversible actions must say)."""
    timeout_s: float = 30.0
    blast_radius: str = ""
    """In words: what users notice while it runs."""
    witness: list[str] = []
    """Fields of the target's state that an approval is bound to."""
    removes: list[str] = []
    """Conditions (domain.conditions) that this action can remove; how the planner finds it. Argument names are fact names."""


class Outcome(StrEnum):
    """How a step ended. Unknown is an outcome: the next thing is a read-back, never a second dispatch."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class DryRun(StrEnum):
    """The three answers of a dry run."""

    WOULD_CHANGE = "would_change"
    NO_CHANGE = "no_change"
    CANNOT_TELL = "cannot_tell"


class DryRunResult(Value):
    """What the action would do, without doing it."""

    answer: DryRun
    summary: str
    """What would change, in words, for a person deciding."""
    witness: dict[str, Any] = {}
    """The declared fields of the target's state, as they are now."""


class ActionResult(Value):
    """What an executor reports."""

    outcome: Outcome
    summary: str
    before: dict[str, Any] = {}
    """Captured pre-state, enough to verify an undo; never a secret."""
    after: dict[str, Any] = {}
    """Read-back: the declared fields after the deed."""
    undo: ActionCall | None = None
    """The call that takes this back, with the arguments captured from the pre-state."""
    seconds: float = 0.0

    def half_done(self, declared: Sequence[str]) -> bool:
        """Whether it failed and yet left something: a declared field, seen afterwards, is not as before."""
        moved = (name in self.after and self.after[name] != self.before.get(name) for name in declared)
        return self.outcome is Outcome.FAILED and any(moved)


class Executor(Protocol):
    """Carries out registered actions. Only the guard calls it; only the action server has one."""

    def spec(self, action: str) -> ActionSpec | None:
        """The action's specification, or None when it is not registered."""
        ...

    def specs(self) -> list[ActionSpec]:
        """Every registered action, by name."""
        ...

    def check(self, call: ActionCall) -> ActionCall:
        """The call with its arguments validated and defaults filled in. Raises ToolError with field and reason."""
        ...

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        """What would happen. Never changes anything."""
        ...

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        """Do it once. The same key never takes effect twice."""
        ...

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        """Look whether the effect is there; resolves UNKNOWN. `result` is what execute returned, if it did."""
        ...


class Verdict(StrEnum):
    """Verdict of governance."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def strictness(self) -> int:
        """allow 0, ask 1, deny 2: verdicts combine by the maximum."""
        return list(Verdict).index(self)


class Reason(Value):
    """One wrapper's word about a step."""

    wrapper: str
    """Name of the guard's wrapper that says so."""
    verdict: Verdict
    text: str
    """Expected, found and what would change it, in words."""


class Judgement(Value):
    """The guard's verdict on one step with all reasons, not just the first."""

    step_id: str
    verdict: Verdict
    reasons: list[Reason] = []
    policy: str = ""
    """Name and revision (digest prefix) of the policy that was pinned."""
    dry_run: DryRunResult | None = None
    approval_id: str | None = None
    """The approval that was opened for it, when the verdict is ask."""
    digest: str = ""
    """What an approval would be bound to."""
    judged_at: UtcTime
