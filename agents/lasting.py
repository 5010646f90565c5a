"""Whether a cure lasts: while users were watched, the process was not started again and its condition did not return.

Only looking: the process as it stood when users began to be served is compared with the process some seconds later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.bundle import Reading
from domain.conditions import Finding, findings
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
    now = next((r for r in readings if (r.probe, r.service) == (PROCESS_PROBE, service)), None)
    again = started_again(settled.get(service), now)
    ok = False if again else cause.ok
    cited = ids.get((f"probe:{PROCESS_PROBE}", service, ""))
    return Check(
        name=f"durable {finding.condition.value} at {finding.service}",
        kind="durable",
        ok=ok,
        text=_words(ok, again),
        evidence=[cited] if cited and again is not None else list(cause.evidence),
    )


def started_again(before: Reading | None, after: Reading | None) -> bool | None:
    """Whether the process was started between two readings; None when one of them could not tell."""
    if before is None or after is None:
        return None
    counts = [reading.values.get("restarts") for reading in (before, after)]
    if all(isinstance(n, int) for n in counts):
        return bool(counts[1] > counts[0])
    pids = [reading.values.get("pid") for reading in (before, after)]
    return pids[0] != pids[1] if all(isinstance(n, int) for n in pids) else None


def _words(ok: bool | None, again: bool | None) -> str:
    if again:
        return "did not last: the process was started again while users were watched"
    if ok is None:
        return "could not be judged"
    if not ok:
        return "did not last: it is read again"
    return "did not return" + (
        "" if again is None else ", and the process was not started again while users were watched"
    )
