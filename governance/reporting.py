"""What overwatch and the graph saw of an agent: suspicions from outside the guard, attributed and charged like its own."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from domain.errors import GovernanceError
from domain.value import Value
from governance.attribution import Cause, Excuse, Suspicion
from governance.violations import Violation

SUSPICION = "suspicion"
"""The ledger kind with which the agents' process reports one."""

Seen = Literal[
    Violation.PROCEDURE_VIOLATION,
    Violation.MISSING_ARTIFACT,
    Violation.HEARTBEAT_TIMEOUT,
    Violation.LOCK_EXPIRED,
    Violation.ERROR_BUDGET_EXCEEDED,
]
"""What can be seen from where the agents run; everything else the guard sees for itself."""


class Reported(Value):
    """One suspicion."""

    violation: Seen
    agent: Annotated[str, Field(min_length=1, max_length=200)]
    what: Annotated[str, Field(min_length=1, max_length=500)]
    """What was seen, in words."""
    cause: Literal[Cause.INFRASTRUCTURE] | None = None
    """What speaks for another cause than the agent, where something was seen that does. Injections are never claimed here."""
    evidence: Annotated[str, Field(max_length=500)] = ""
    """Why that cause is believed."""

    def suspicion(self, change: str) -> Suspicion:
        """For the charge."""
        excuse = Excuse(cause=self.cause, evidence=self.evidence) if self.cause else None
        return Suspicion(violation=self.violation, agent=self.agent, change=change, what=self.what, excuse=excuse)


def parse_reported(content: dict[str, Any]) -> Reported:
    """Raises GovernanceError for a report that says too little, or of what is not seen there."""
    try:
        return Reported.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise GovernanceError(
            "the suspicion cannot be read",
            expected=f"agent, what, and a violation that is seen where agents run: {', '.join(get_args(Seen))}",
            found=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200],
            code="suspicion.invalid",
        ) from error
