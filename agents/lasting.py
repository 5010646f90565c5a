"""Whether a cure lasts: while users were watched, the process was not started again and its condition did not return.

Only looking: the process as it stood when users began to be served is compared with the process some seconds later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.bundle import Reading
from domain.conditions import Condition, Finding, findings
from domain.diagnosis import Hypothesis
from domain.report import Check

PROCESS_PROBE = "process_state"
_FRAGILE = ("process.", "config.", "local_state.")
"""Conditions that come back with the next start of a process."""


def fragile(finding: Finding) -> bool:
    """Whether this condition may hide until the process starts again."""
    return finding.condition.value.startswith(_FRAGILE)


def process_of(finding: Finding) -> str:
    """The service whose process the condition is about."""
    return finding.target or finding.service


def processes_to_watch(hypothesis: Hypothesis) -> list[str]:
    """Services whose restarts tell whether the cure lasts; none when no process or configuration is at fault."""
    seen = findings(hypothesis.details, hypothesis.service)
    return list(dict.fromkeys(process_of(f) for f in seen if fragile(f)))


def durable(
    finding: Finding,
    cause: Check,
    settled: Mapping[str, Reading],
    readings: Sequence[Reading],
    ids: Mapping[tuple[str, str, str], str],
) -> Check:
    """The check of one fragile condition. `cause` says whether it is there now, `settled` how the processes stood before."""
    service = process_of(finding)
    again = started_again(settled.get(service), process_now(finding, readings))
    ok = False if again else True if again is False and cause.ok is None else cause.ok
    cited = ids.get((f"probe:{PROCESS_PROBE}", service, ""))
    return Check(
        name=f"durable {finding.condition.value} at {finding.service}",
        kind="durable",
        ok=ok,
        text=_words(cause.ok, again),
        evidence=[cited] if cited and again is not None else list(cause.evidence),
    )


def started_again(before: Reading | None, after: Reading | None) -> bool | None:
    """Whether the process was started between two readings; None when one of them could not tell."""
    if before is None or after is None:
        return None
    one, other = before.values.get("restarts"), after.values.get("restarts")
    if isinstance(one, int) and isinstance(other, int):
        return other > one
    one, other = before.values.get("pid"), after.values.get("pid")
    return one != other if isinstance(one, int) and isinstance(other, int) else None


def holds_steady(finding: Finding, settled: Mapping[str, Reading], readings: Sequence[Reading]) -> bool:
    """A loop of crashes that stopped: the process runs and was not started again. Its old count still looks like a loop."""
    if finding.condition is not Condition.PROCESS_CRASH_LOOPING:
        return False
    now = process_now(finding, readings)
    return now is not None and bool(now.ok) and started_again(settled.get(process_of(finding)), now) is False


def process_now(finding: Finding, readings: Sequence[Reading]) -> Reading | None:
    """How the process stands after the watch."""
    wanted = (PROCESS_PROBE, process_of(finding))
    return next((r for r in readings if (r.probe, r.service) == wanted), None)


def _words(gone: bool | None, again: bool | None) -> str:
    if again:
        return "did not last: the process was started again while users were watched"
    if gone is False:
        return "did not last: it is read again"
    steady = "the process was not started again while users were watched" if again is False else ""
    if gone is None:
        return steady or "could not be judged"
    return f"did not return, and {steady}" if steady else "did not return"
