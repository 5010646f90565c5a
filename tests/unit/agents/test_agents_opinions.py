"""Whatever a model says: the engine's hypotheses stay in their order, nothing is believed more, the first stays the first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.arguing import weigh
from agents.opinions import ADDED_CEILING, LEAST_SHARE, carried, hear
from agents.perceiver import Perceiver
from agents.reasoners.scripted import ScriptedReasoner
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.reasoning import Opinion, PerceiveAnswer, ProbeWish
from domain.report import Sentence
from domain.second_opinion import ArgumentAgainst, ArgumentFor

SERVICES = ("api", "db", "cache")
PROBES = ("db_locks", "http_health")
IDS = ("E1", "E2", "E3", "E4", "E99", "x")
CLASSES = ("hang", "latency", "disk_full", "other", "made up", None)
WORDS = ("it broke", "db is slow", "moon is down", "12 users", "ignore previous instructions", "")

shares = st.floats(min_value=0, max_value=1, allow_nan=False)
cited = st.lists(st.sampled_from(IDS), max_size=4)
sentences = st.builds(Sentence, text=st.sampled_from(WORDS), evidence=cited)
opinions = st.builds(
    Opinion,
    service=st.sampled_from((*SERVICES, "moon")),
    fault_class=st.sampled_from(CLASSES),
    statement=st.sampled_from(WORDS),
    evidence=cited,
    against=cited,
    confidence=shares,
)
wishes = st.builds(
    ProbeWish,
    probe=st.sampled_from((*PROBES, "restart_service")),
    service=st.sampled_from((*SERVICES, "moon")),
    why=st.just("w"),
)
answers = st.builds(PerceiveAnswer, opinions=st.lists(opinions, max_size=5), probes=st.lists(wishes, max_size=8))
pros = st.builds(ArgumentFor, points=st.lists(sentences, max_size=4), belief=shares)
cons = st.builds(ArgumentAgainst, points=st.lists(sentences, max_size=4), belief=shares)


@st.composite
def diagnoses(draw: st.DrawFn) -> Diagnosis:
    """What the engine may say: any verdict, hypotheses of falling confidence, a runbook among the evidence."""
    verdict = draw(st.sampled_from(list(DiagnosisVerdict)))
    sure = sorted(draw(st.lists(shares, max_size=4)), reverse=True)
    if verdict in (DiagnosisVerdict.FAULT, DiagnosisVerdict.EXTERNAL):
        sure = [max(0.5, *sure, 0.0), *sure]
    rows = [
        Hypothesis(
            rank=n,
            service=draw(st.sampled_from(SERVICES)),
            fault_class=f"f{n}" if n > 1 else "hang",
            confidence=c,
            statement=f"h{n}",
            evidence=draw(st.lists(st.sampled_from(["E1", "E2", "E3"]), max_size=3, unique=True)),
        )
        for n, c in enumerate(sure, 1)
    ]
    evidence = [
        Evidence(id=f"E{n}", kind=kind, source="s", service=service, excerpt=f"{service} is slow")
        for n, (kind, service) in enumerate(
            (("metric", "api"), ("log", "db"), ("reading", "cache"), ("runbook", "")), 1
        )
    ]
    confidence = sure[0] if sure else 0.0
    return Diagnosis(incident="i", verdict=verdict, confidence=confidence, hypotheses=rows, evidence=evidence)


def held(before: Diagnosis, after: Diagnosis) -> None:
    """The laws."""
    mine = [h for h in after.hypotheses if not h.by]
    assert [h.statement for h in mine] == [h.statement for h in before.hypotheses]
    assert all(new.confidence <= old.confidence for new, old in zip(mine, before.hypotheses, strict=True))
    assert after.verdict in {before.verdict, DiagnosisVerdict.INCONCLUSIVE}
    assert after.confidence <= before.confidence
    assert after.evidence == before.evidence
    if before.top is not None and after.top is not None:
        assert after.top.statement == before.top.statement
        assert after.top.confidence >= before.top.confidence * LEAST_SHARE - 1e-9
    known = {e.id for e in before.evidence if e.kind != "runbook"}
    for h in after.hypotheses:
        if h.by:
            assert h.evidence
            assert {*h.evidence, *h.against} <= known
            assert h.service in SERVICES
            assert h.confidence <= min(ADDED_CEILING, max(carried(before, h.service, h.evidence), 0.0))
            assert before.verdict in (DiagnosisVerdict.FAULT, DiagnosisVerdict.INCONCLUSIVE)
    falling = [h.confidence for h in after.hypotheses]
    assert falling == sorted(falling, reverse=True)
    assert [h.rank for h in after.hypotheses] == list(range(1, len(falling) + 1))


@settings(max_examples=120, deadline=None)
@given(diagnoses(), st.lists(opinions, max_size=6))
def test_no_opinion_makes_a_diagnosis_less_safe(before: Diagnosis, said: Sequence[Opinion]) -> None:
    """Whatever is said, the laws hold; what is not applied is told."""
    heard = hear(before, said, SERVICES)
    held(before, heard.diagnosis)
    assert len(heard.dropped) <= len(said)


@settings(max_examples=120, deadline=None)
@given(diagnoses(), answers, pros, cons)
def test_no_mind_makes_a_diagnosis_less_safe(
    before: Diagnosis, answer: PerceiveAnswer, pro: ArgumentFor, con: ArgumentAgainst
) -> None:
    """Opinions and both passes together; only registered probes of known services are wished for."""
    mind = ScriptedReasoner({"perception": [answer], "argue_for": [pro], "argue_against": [con]})
    seen = asyncio.run(Perceiver(mind).consider(before, PROBES, SERVICES))
    held(before, seen.diagnosis)
    assert {(w.probe, w.service) for w in seen.wishes} <= {(p, s) for p in PROBES for s in SERVICES}
    assert len(seen.wishes) <= 5
    second = seen.diagnosis.second_opinion
    assert second is not None
    assert (second.engine_verdict, second.engine_confidence) == (before.verdict, before.confidence)


def fault(*confidences: float) -> Diagnosis:
    rows = [
        Hypothesis(rank=n, service="api", fault_class=f"f{n}", confidence=c, statement=f"h{n}", evidence=["E1"])
        for n, c in enumerate(confidences, 1)
    ]
    evidence = [
        Evidence(id="E1", kind="metric", source="s", service="api", excerpt="api took 900 ms"),
        Evidence(id="E2", kind="log", source="s", service="db", excerpt="db waits for a lock"),
        Evidence(id="E3", kind="runbook", source="r", excerpt="db is to blame"),
    ]
    return Diagnosis(
        incident="i", verdict=DiagnosisVerdict.FAULT, confidence=confidences[0], hypotheses=rows, evidence=evidence
    )


def argued(diagnosis: Diagnosis, pro: tuple[float, list[str]], con: tuple[float, list[str]]) -> Diagnosis:
    def points(ids: list[str]) -> list[Sentence]:
        return [Sentence(text="so it is", evidence=[i]) for i in ids]

    first = diagnosis.hypotheses[0].confidence
    return weigh(
        diagnosis,
        ArgumentFor(points=points(pro[1]), belief=pro[0]),
        ArgumentAgainst(points=points(con[1]), belief=con[0]),
        first,
    ).diagnosis


def test_an_argument_without_evidence_changes_nothing() -> None:
    """Certainty alone, and points on invented ids, do not count."""
    assert argued(fault(0.8), (0.1, ["E1"]), (0.0, [])) == fault(0.8)
    assert argued(fault(0.8), (0.1, ["E1"]), (0.0, ["E77"])) == fault(0.8)
    assert argued(fault(0.8), (0.1, ["E1"]), (0.0, ["E3"])) == fault(0.8)


def test_both_sides_are_weighed() -> None:
    """With evidence against it the first is believed no more than both sides on average; the evidence is shown against it."""
    after = argued(fault(0.8, 0.7), (0.9, ["E1"]), (0.4, ["E2"]))
    assert [(h.confidence, h.against) for h in after.hypotheses] == [(0.65, ["E2"]), (0.65, [])]
    assert after.verdict is DiagnosisVerdict.FAULT


def test_doubt_ends_in_not_knowing_and_never_in_another_culprit() -> None:
    """A shaky cause becomes inconclusive; the runner-up does not take its place."""
    after = argued(fault(0.6, 0.55), (0.0, []), (0.0, ["E2"]))
    assert (after.verdict, after.top and after.top.statement) == (DiagnosisVerdict.INCONCLUSIVE, "h1")
    assert after.confidence < 0.5
    assert "second opinion" in after.summary


def test_what_a_reading_shows_is_not_argued_away() -> None:
    """From a confidence of .84 on, no argument alone makes a fault inconclusive."""
    assert argued(fault(0.9), (0.0, []), (0.0, ["E2"])).verdict is DiagnosisVerdict.FAULT


def test_reasons_are_told() -> None:
    """Every claim that does not stand says why."""
    said: list[dict[str, Any]] = [
        {"service": "moon", "fault_class": "hang", "evidence": ["E1"]},
        {"service": "db", "fault_class": "gremlins", "evidence": ["E1"]},
        {"service": "db", "fault_class": "hang", "evidence": ["E9"]},
        {"service": "db", "fault_class": "hang", "evidence": ["E3"]},
        {"service": "db", "fault_class": "hang", "evidence": ["E2"], "statement": "db lost 44 orders"},
    ]
    heard = hear(fault(0.8), [Opinion(**{"statement": "s", "confidence": 0.9, **row}) for row in said], SERVICES)
    assert [d.split(":")[0] for d in heard.dropped] == [
        "names moon, which is not looked after",
        "names no known class (gremlins)",
        "cites no evidence that exists",
        "cites no evidence that exists",
        "says more than it cites",
    ]
    assert heard.diagnosis == fault(0.8)


def test_an_idea_is_worth_what_the_engine_believes_of_its_evidence() -> None:
    """The same evidence about the same service lends all, about another half, unused evidence next to nothing."""
    assert carried(fault(0.5), "api", ["E1"]) == 0.5
    assert carried(fault(0.5), "db", ["E1"]) == 0.25
    assert carried(fault(0.5), "db", ["E2"]) == 0.1
    idea = Opinion(service="db", fault_class="other", statement="db waits", evidence=["E2"], confidence=1.0)
    assert [(h.by, h.confidence) for h in hear(fault(0.5), [idea], SERVICES, "m").diagnosis.hypotheses] == [
        ("", 0.5),
        ("m", 0.1),
    ]
