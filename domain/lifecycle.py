"""The lifecycle of a run: phases, runtime statuses, and the one table of what may follow and what may stand together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_RECOVERIES = 3
"""Recoveries of one run; the failure after them ends it as FAILED."""


class Phase(StrEnum):
    """Milestones of one incident's walk."""

    BOOTSTRAP = "BOOTSTRAP"
    PREFLIGHT = "PREFLIGHT"
    PLAN = "PLAN"
    EXECUTE = "EXECUTE"
    VERIFY = "VERIFY"
    PACKAGE = "PACKAGE"
    REPORT = "REPORT"
    EXIT = "EXIT"
    REVOKED = "REVOKED"

    @property
    def terminal(self) -> bool:
        """Nothing follows."""
        return not TABLE[self].next

    @property
    def output(self) -> OutputType:
        """How final an output of this phase is."""
        return TABLE[self].output


class RuntimeStatus(StrEnum):
    """How the agent stands within its phase."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    """The plan is being clarified, or a person is asked. Holds no lock and owes no heartbeat."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REVOKED = "REVOKED"
    RECOVERING = "RECOVERING"
    """From chaos or an error; nobody is charged for it."""

    @property
    def terminal(self) -> bool:
        """The agent does nothing more."""
        return self in {RuntimeStatus.COMPLETED, RuntimeStatus.FAILED, RuntimeStatus.REVOKED}

    @property
    def owes_heartbeat(self) -> bool:
        """Whether silence means something."""
        return self in {RuntimeStatus.STARTING, RuntimeStatus.RUNNING, RuntimeStatus.RECOVERING}


class OutputType(StrEnum):
    """How final an output is."""

    ALPHA = "ALPHA"
    """Draft."""
    BETA = "BETA"
    """Refined."""
    GAMMA = "GAMMA"
    """Final."""


class RunResult(StrEnum):
    """How a run ended. Fields of the record, not exit codes."""

    SUCCESS = "success"
    ERROR = "error"
    CONSENSUS_FAILURE = "consensus_failure"
    """Those who had to agree (people asked, agents at the barrier) did not."""
    ABORTED = "aborted"
    """Stopped before its end; what is known is handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One phase: what may follow, which statuses may stand in it, how final its outputs are."""

    next: frozenset[Phase]
    statuses: frozenset[RuntimeStatus]
    output: OutputType


def _row(next: set[Phase], statuses: set[RuntimeStatus], output: OutputType) -> Row:
    return Row(next=frozenset(next), statuses=frozenset(statuses), output=output)


_AT_WORK = {RuntimeStatus.RUNNING, RuntimeStatus.RECOVERING, RuntimeStatus.FAILED}
_PAUSABLE = _AT_WORK | {RuntimeStatus.PAUSED}
_START = {RuntimeStatus.PENDING, RuntimeStatus.STARTING}

TABLE: dict[Phase, Row] = {
    Phase.BOOTSTRAP: _row({Phase.PREFLIGHT, Phase.REVOKED}, _START | _AT_WORK, OutputType.ALPHA),
    Phase.PREFLIGHT: _row({Phase.PLAN, Phase.PACKAGE, Phase.REVOKED}, _PAUSABLE, OutputType.ALPHA),
    Phase.PLAN: _row({Phase.EXECUTE, Phase.PACKAGE, Phase.REVOKED}, _PAUSABLE, OutputType.BETA),
    Phase.EXECUTE: _row({Phase.VERIFY, Phase.PLAN, Phase.PACKAGE, Phase.REVOKED}, _PAUSABLE, OutputType.BETA),
    Phase.VERIFY: _row({Phase.PACKAGE, Phase.PLAN, Phase.EXECUTE, Phase.REVOKED}, _PAUSABLE, OutputType.GAMMA),
    Phase.PACKAGE: _row({Phase.REPORT, Phase.REVOKED}, _AT_WORK, OutputType.GAMMA),
    Phase.REPORT: _row({Phase.EXIT, Phase.REVOKED}, _AT_WORK, OutputType.GAMMA),
    Phase.EXIT: _row(set(), _AT_WORK | {RuntimeStatus.COMPLETED}, OutputType.GAMMA),
    Phase.REVOKED: _row(set(), {RuntimeStatus.REVOKED}, OutputType.ALPHA),
}
"""The one table. Anything that is not in it is a PROCEDURE_VIOLATION."""

NODE_PHASE: dict[str, Phase] = {
    "intake": Phase.BOOTSTRAP,
    "perceive": Phase.PREFLIGHT,
    "probe": Phase.PREFLIGHT,
    "plan": Phase.PLAN,
    "judge": Phase.PLAN,
    "approve": Phase.PLAN,
    "act": Phase.EXECUTE,
    "verify": Phase.VERIFY,
    "oversee": Phase.VERIFY,
    "clarify": Phase.PLAN,
    "roll_back": Phase.EXECUTE,
    "escalate": Phase.PACKAGE,
    "explain": Phase.REPORT,
    "learn": Phase.EXIT,
}

_RESULTS: dict[str, RunResult] = {
    "mitigated": RunResult.SUCCESS,
    "healthy": RunResult.SUCCESS,
    "external": RunResult.SUCCESS,
    "inconclusive": RunResult.ABORTED,
    "rolled_back": RunResult.ABORTED,
    "escalated": RunResult.ABORTED,
    "taken": RunResult.ABORTED,
    "denied": RunResult.ABORTED,
    "revoked": RunResult.ABORTED,
    "disagreed": RunResult.CONSENSUS_FAILURE,
    "failed": RunResult.ERROR,
}
"""Outcome of an incident → result of its run."""


def may_move(now: Phase, then: Phase) -> bool:
    """Whether `then` may follow `now`; staying is always legal."""
    return then is now or then in TABLE[now].next


def may_stand(phase: Phase, status: RuntimeStatus) -> bool:
    """Whether an agent may have this status in this phase."""
    return status in TABLE[phase].statuses


def run_result(outcome: str, *, revoked: bool = False) -> RunResult:
    """The result of a run with this outcome; an outcome that nobody knows is an error. Who is revoked ends nothing well."""
    return RunResult.ABORTED if revoked else _RESULTS.get(outcome, RunResult.ERROR)
