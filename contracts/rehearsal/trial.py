"""One trial of a contract's way back, as it is remembered between two steps: who takes it over knows what to take back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from contracts.negotiation import Rehearsal
from domain.action import ActionCall, Outcome
from domain.contract import SchemaCompatibility
from domain.value import UtcTime, Value


class Leg(StrEnum):
    """What is done or looked at, in this order."""

    BEFORE = "before"
    NEW_ON_OLD = "new_code_on_old_schema"
    MIGRATE_UP = "migrate_up"
    OLD_ON_NEW = "old_code_on_new_schema"
    RELEASE = "release"
    TAKE_BACK = "take_back"
    MIGRATE_DOWN = "migrate_down"
    RESTORE_CONFIG = "restore_config"
    FLUSH_CACHE = "flush_cache"
    VERIFY = "verify"
    CLEAN_UP = "clean_up"
    """The new schema goes, although the plan would leave it: the environment is given back as it was."""


class TrialStatus(StrEnum):
    """Where it stands."""

    RUNNING = "running"
    WAITING = "waiting"
    """A person must answer the guard's question before it goes on."""
    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its process died; whoever came next took everything back."""

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self in (TrialStatus.PASSED, TrialStatus.FAILED, TrialStatus.INTERRUPTED)


class Row(Value):
    """One leg. `works` says what was seen of users, None when nobody could tell."""

    leg: Leg
    plan: str = ""
    """The guard's plan of a change; empty for a look."""
    call: ActionCall | None = None
    outcome: Outcome | None = None
    """None of a change: it was asked for, and nobody knows what came of it."""
    works: bool | None = None
    seconds: float = 0.0
    said: str = ""
    approval: str = ""
    undone: bool = False


class State(Value):
    """The witness: everything that has to be as before when the release was taken back."""

    version: str = ""
    weights: dict[str, float] = {}
    revision: str = ""
    """Of the database; empty where the service has none."""
    configuration: str = ""
    """Digest of the configuration file; empty where it cannot be read."""
    columns: dict[str, str] = {}
    """`table.column` → what it is and which object of the database it is, so that one made again is another one."""
    rules: dict[str, str] = {}
    """Constraints and indexes by name → definition."""
    rows: dict[str, int] = {}
    """Table → about how many rows it has."""
    unread: list[str] = []
    """What could not be read, and so is not compared."""


class Wish(Value):
    """How it is rehearsed; what is not said follows from the contract and the environment."""

    on: Annotated[str, Field(max_length=63)] = ""
    """Service of the inventory that stands for the contract's, in a sandbox or in staging; empty: the contract's own."""
    version: Annotated[str, Field(max_length=64)] = ""
    revision: Annotated[str, Field(max_length=64)] = ""
    """Schema revision that the release needs; empty: the next one that the environment has to run."""
    watch_s: Annotated[float, Field(ge=0, le=600)] = 8.0
    """Seconds for which users' requests are watched after each change."""


class Trial(Value):
    """Everything about one trial."""

    id: str
    contract: str
    context: str
    """State of the change that it speaks of, as in the contract."""
    service: str
    version: str
    former: str
    revision: str = ""
    """Schema revision that is tried; empty: the schema is not touched."""
    downs: bool = False
    """Whether the contract's plan runs the migration down; otherwise the old code has to live with the new schema."""
    flushes: str = ""
    """Service whose cache the plan flushes."""
    error_limit: float = 0.01
    """Share of a version's requests that may fail while it is watched."""
    watch_s: float = 8.0
    by: str
    status: TrialStatus = TrialStatus.RUNNING
    rows: list[Row] = []
    before: State | None = None
    after: State | None = None
    differences: list[str] = []
    """What is not as before."""
    problems: list[str] = []
    """Why it is no proof."""
    seconds: float = 0.0
    """From the order to take it back until users were served again, without waiting for people."""
    started_at: UtcTime
    ended_at: UtcTime | None = None

    @property
    def restored(self) -> bool:
        """Whether everything was read before and after, and is the same."""
        return self.before is not None and self.after is not None and not self.differences

    @property
    def compatibility(self) -> SchemaCompatibility | None:
        """What was seen of both versions on the other one's schema."""
        if not self.revision:
            return None
        seen = {row.leg: row for row in self.rows}
        old, new = seen.get(Leg.OLD_ON_NEW), seen.get(Leg.NEW_ON_OLD)
        return SchemaCompatibility(
            old_code_new_schema=old.works if old else None,
            new_code_old_schema=new.works if new else None,
            reasons=[f"rehearsed: {row.said}" for row in (old, new) if row is not None],
        )

    def record(self) -> Rehearsal:
        """What a signature rests on."""
        return Rehearsal(
            executed=self.status is TrialStatus.PASSED,
            state_restored=self.restored,
            seconds=self.seconds,
            at=self.ended_at or self.started_at,
            where=f"{self.id} on {self.service}",
            compatibility=self.compatibility,
        )

    def with_row(self, place: int, **changes: Any) -> Trial:
        """One row changed."""
        rows = [row.model_copy(update=changes) if i == place else row for i, row in enumerate(self.rows)]
        return self.model_copy(update={"rows": rows})

    def with_problem(self, problem: str) -> Trial:
        """One reason more why it is no proof."""
        return self.model_copy(update={"problems": [*self.problems, problem]})
