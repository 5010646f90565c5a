"""Overwatch by rules: is this run still going where it should?"""

from __future__ import annotations

from collections import Counter

from domain.action import Outcome
from domain.reasoning import OverseeAnswer, OverseeQuestion

TOTAL_ERRORS = 8
SAME_ERROR = 3
MAX_SECONDS = 900.0


def oversee(question: OverseeQuestion) -> OverseeAnswer:
    """Revoke on violations or an exhausted error budget, clarify after a failed cure, else continue."""
    failures = [r for r in question.results if r.outcome in (Outcome.FAILED, Outcome.UNKNOWN)]
    same = Counter((r.action, r.target) for r in failures)
    if question.violations:
        return OverseeAnswer(decision="revoke", reason=f"violation: {question.violations[-1]}")
    if len(failures) >= TOTAL_ERRORS:
        return OverseeAnswer(decision="revoke", reason=f"{len(failures)} failed steps, at most {TOTAL_ERRORS} allowed")
    if same and max(same.values()) >= SAME_ERROR:
        (action, target), count = same.most_common(1)[0]
        return OverseeAnswer(decision="revoke", reason=f"{action} on {target} failed {count} times")
    if question.seconds > MAX_SECONDS:
        return OverseeAnswer(
            decision="revoke", reason=f"running for {question.seconds:.0f} s, at most {MAX_SECONDS:.0f} s"
        )
    last = question.verifications[-1] if question.verifications else None
    if last is not None and last.passed:
        return OverseeAnswer(decision="continue", reason="the run keeps its promises")
    if question.alarms:
        return OverseeAnswer(decision="clarify", reason=question.alarms[-1])
    if last is not None and not question.underway:
        return OverseeAnswer(decision="clarify", reason="the last step did not cure it")
    return OverseeAnswer(decision="continue", reason="the run keeps its promises")
