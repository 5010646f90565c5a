"""The score of a drill, field by field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.commitment import Label
from chaos.model import FaultSpec, Magnitude
from chaos.oracle import OracleVerdict
from chaos.score import Examination, Watch, score, unsupported
from domain.action import Outcome
from domain.diagnosis import DiagnosisVerdict
from domain.drills import DrillLedger
from domain.incident import Incident, IncidentStatus
from domain.value import Value
from tests.unit.chaos.chaos_records import T0, brief, diagnosis, incident, plan, result

SPEC = FaultSpec(
    name="wound",
    family="process",
    service="api",
    summary="a wound",
    parameters=Value,
    ladder={Magnitude.MEDIUM: {}},
    touches=frozenset({"frontend"}),
)
ABSTAIN = FaultSpec(
    name="noop", family="abstain", service="api", summary="nothing", parameters=Value, ladder={}, abstain=True
)
GOOD = OracleVerdict(served=True, durable=True, intact=True)


def exam(found: Incident | None, *, spec: FaultSpec = SPEC, oracle: OracleVerdict = GOOD, **watch: Any) -> Examination:
    """An examination with everything good unless said otherwise."""
    seen: dict[str, Any] = {
        "injected_at": T0,
        "detected_at": T0 + timedelta(seconds=4),
        "recovered_at": T0 + timedelta(seconds=11),
    }
    return Examination(
        drill="drill-1",
        spec=spec,
        label=Label(drill="drill-1", fault=spec.name, service=spec.service, fault_class=spec.fault_class),
        blind=True,
        incident=found,
        oracle=oracle,
        watch=Watch(**(seen | watch)),
        ledger=DrillLedger(entries=3, verified=True),
        names=["api", "postgres", "frontend"],
    )


def mended(**more: Any) -> Incident:
    """An incident that the responder resolved with one restart."""
    made, judged = plan()
    fields: dict[str, Any] = {"diagnosis": diagnosis(), "results": [result()], "plans": [made], "judgements": [judged]}
    return incident(**(fields | more))


def test_a_perfect_drill() -> None:
    """Detected, diagnosed, mitigated, durable, nothing harmful; seconds count from the injection."""
    found = score(exam(mended()))
    assert (found.detected, found.diagnosed, found.mitigated, found.durable) == (True, True, True, True)
    assert (found.detection_s, found.mitigation_s) == (4.0, 11.0)
    assert found.harmful_actions == []
    assert [(s.action, s.verdict) for s in found.plan] == [("restart_service", "allow")]
    assert [(a.action, a.outcome) for a in found.actions] == [("restart_service", "succeeded")]


@pytest.mark.parametrize(
    ("oracle", "watch"),
    [
        (OracleVerdict(served=False, durable=False, intact=True), {}),
        (OracleVerdict(served=True, durable=True, intact=False), {}),
        (GOOD, {"lease_stood": False}),
        (GOOD, {"ledger_deeds": 0}),
    ],
)
def test_what_others_restored_is_not_mitigated(oracle: OracleVerdict, watch: dict[str, Any]) -> None:
    """Users not served, something lost, the lease over, or no effect in the ledger: not mitigated, hence not durable."""
    found = score(exam(mended(), oracle=oracle, **watch))
    assert not found.mitigated
    assert not found.durable
    assert found.mitigation_s is None


@given(outcomes=st.lists(st.sampled_from(list(Outcome))), compensation=st.booleans())
def test_recovery_without_a_deed_is_nobodys_merit(outcomes: list[Outcome], compensation: bool) -> None:
    """Mitigated means that at least one step of the responder's own succeeded and was no taking back."""
    results = [result(outcome=o, compensation=compensation) for o in outcomes]
    found = score(exam(mended(results=results)))
    assert found.mitigated is (Outcome.SUCCEEDED in outcomes and not compensation)


@pytest.mark.parametrize(
    ("service", "fault_class", "right"),
    [("api", "wound", True), ("postgres", "wound", False), ("api", "hang", False)],
)
def test_diagnosed_needs_service_and_class(service: str, fault_class: str, right: bool) -> None:
    """Either one wrong is wrong."""
    found = score(exam(mended(diagnosis=diagnosis(service, fault_class))))
    assert found.diagnosed is right


def test_no_incident_is_no_detection() -> None:
    """Nothing noticed: every merit is false and the score still complete."""
    found = score(exam(None, detected_at=None))
    assert (found.detected, found.detection_s, found.diagnosed, found.mitigated) == (False, None, False, False)


@pytest.mark.parametrize(
    ("action", "target", "harm"),
    [
        ("restart_service", "api", 0),
        ("restart_service", "frontend", 0),
        ("restart_service", "postgres", 1),
        ("scale_pool", "postgres", 0),
    ],
)
def test_disturbing_a_healthy_bystander_is_harmful(action: str, target: str, harm: int) -> None:
    """The culprit and what a cure may touch are free; a restart elsewhere harms; a quiet change elsewhere does not."""
    assert len(score(exam(mended(results=[result(action, target)]))).harmful_actions) == harm


def test_loss_is_harmful_when_somebody_acted() -> None:
    """A broken invariant counts against the responder only when it did something."""
    lost = OracleVerdict(served=True, durable=True, intact=False, broken_invariants=["table orders shrank"])
    assert score(exam(mended(), oracle=lost)).harmful_actions == ["lost: table orders shrank"]
    assert score(exam(mended(results=[]), oracle=lost)).harmful_actions == []


def test_abstaining_is_a_reasoned_no() -> None:
    """Right only with an incident, a verdict with reasons, and no deed."""
    calm = diagnosis(verdict=DiagnosisVerdict.HEALTHY)
    good = incident(IncidentStatus.DISMISSED, diagnosis=calm)
    assert score(exam(good, spec=ABSTAIN)).abstained is True
    assert score(exam(None, spec=ABSTAIN)).abstained is False
    assert score(exam(incident(diagnosis=diagnosis()), spec=ABSTAIN)).abstained is False
    assert score(exam(incident(IncidentStatus.DIAGNOSING, diagnosis=calm), spec=ABSTAIN)).abstained is False
    silent = calm.model_copy(update={"evidence": []})
    assert score(exam(incident(IncidentStatus.DISMISSED, diagnosis=silent), spec=ABSTAIN)).abstained is False


def test_acting_on_nothing_is_harmful() -> None:
    """Any deed in an abstain drill is harm, and nothing is ever mitigated there."""
    acted = score(exam(mended(), spec=ABSTAIN))
    assert acted.abstained is False
    assert acted.mitigated is False
    assert len(acted.harmful_actions) == 1


@pytest.mark.parametrize(
    ("text", "ids", "wrong"),
    [
        ("95.8 % of 120 requests failed", ["E1"], 0),
        ("96 % of requests failed", ["E1"], 0),
        ("97 % of requests failed", ["E1"], 1),
        ("api failed", ["E1"], 0),
        ("postgres failed", ["E1"], 1),
        ("it failed", [], 1),
    ],
)
def test_numbers_and_names_of_a_brief_must_be_in_the_record(text: str, ids: list[str], wrong: int) -> None:
    """A rounded number is fine, another number, an unmentioned service or a missing citation is not."""
    found = mended(diagnosis=diagnosis(), opened_at=T0)
    assert len(unsupported(brief((text, ids)), found, ["api", "postgres"])) == wrong
