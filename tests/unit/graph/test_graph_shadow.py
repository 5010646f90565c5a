"""Shadow proposals against what people did: same, different, unnecessary, unknown, and a person's word above all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.action import ActionCall, Verdict
from domain.alert import Change, ChangeKind
from domain.clock import ManualClock
from domain.incident import Incident, IncidentStatus
from domain.severity import Severity
from governance.shadow import Agreement, Shadowed
from graph.shadow import compare, report
from tests.fakes.world import alert

T0 = ManualClock().now()


def after(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


def proposal(**more: object) -> Shadowed:
    usual = {
        "id": "plan-1:s1",
        "change": "inc-1",
        "agent": "responder",
        "call": ActionCall(action="set_config", target="api", args={"key": "POOL", "value": "20"}),
        "would": Verdict.ALLOW,
        "summary": "POOL would be 20",
        "at": T0,
    }
    return Shadowed.model_validate({**usual, **more})


def incident(*ended_min: float | None) -> Incident:
    """With one alert per end, in minutes after the proposal."""
    alerts = [
        alert(ended_at=None if end is None else T0 + after(end), episode_id=f"e{n}") for n, end in enumerate(ended_min)
    ]
    facts = {"id": "inc-1", "thread_id": "inc-1", "run_id": "run-1", "title": "down", "severity": Severity.HIGH}
    return Incident.model_validate({**facts, "status": IncidentStatus.ESCALATED, "opened_at": T0, "alerts": alerts})


def change(minutes: float, service: str = "api", kind: ChangeKind = "config") -> Change:
    return Change(
        id=f"c{minutes}", kind=kind, time=T0 + after(minutes), service=service, summary="by hand", author="ada"
    )


@pytest.mark.parametrize(
    ("changes", "known", "wanted"),
    [
        ([change(2)], incident(4), Agreement.SAME),
        ([change(2, kind="deploy")], incident(4), Agreement.DIFFERENT),
        ([change(2, service="postgres")], incident(4), Agreement.DIFFERENT),
        ([], incident(4), Agreement.UNNECESSARY),
        ([change(-5), change(9)], incident(4), Agreement.UNNECESSARY),
        ([change(2)], incident(-1), Agreement.UNNECESSARY),
        ([change(2)], incident(40), Agreement.UNKNOWN),
        ([change(2)], incident(4, None), Agreement.UNKNOWN),
        ([change(2)], incident(), Agreement.UNKNOWN),
        ([change(2)], None, Agreement.UNKNOWN),
    ],
)
def test_what_was_proposed_is_compared_with_what_helped(
    changes: list[Change], known: Incident | None, wanted: Agreement
) -> None:
    """By target and kind of change, between the proposal and the end of the symptoms."""
    found = compare(proposal(), changes, known)
    assert (found.agreement, bool(found.why)) == (wanted, True)


def test_a_persons_word_wins() -> None:
    """Whatever the comparison says; it is counted as such."""
    row = compare(proposal(label=Agreement.DIFFERENT, labelled_by="ada"), [change(2)], incident(4))
    assert (row.agreement, row.why, row.people_did) == (
        Agreement.DIFFERENT,
        "ada says so",
        ["config of api by ada: by hand"],
    )
    counts = report([row, compare(proposal(), [], None)], T0).counts
    assert counts == {"same": 0, "different": 1, "unnecessary": 0, "unknown": 1}
