"""Second opinions, overwatch and fall back: stricter is allowed, laxer never; failures are visible."""

from __future__ import annotations

import re

import pytest

from agents.asking import ask
from agents.opinions import hear
from agents.overwatch import Overwatch
from agents.perceiver import Perceiver, keep_ids
from agents.prompts import prompt, version
from agents.reasoners.fallback import FallbackReasoner
from agents.reasoners.rules import RulesReasoner
from agents.reasoners.scripted import ScriptedReasoner
from agents.verifier import Watch, served
from domain.action import Outcome
from domain.bundle import Reading
from domain.clock import ManualClock
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.errors import ModelError, ModelUnavailableError
from domain.plan import StepResult
from domain.reasoning import Opinion, OverseeAnswer, OverseeQuestion, PerceiveAnswer, ProbeWish, Question
from domain.report import Verification
from domain.value import Value

NOW = ManualClock().now()


def evidence(number: int, excerpt: str = "") -> Evidence:
    return Evidence(id=f"E{number}", kind="reading", source="probe:x", service="api", excerpt=excerpt or f"e{number}")


def diagnosed(*confidences: float) -> Diagnosis:
    hypotheses = [
        Hypothesis(rank=n, service="api", fault_class=f"f{n}", confidence=c, statement=f"h{n}", evidence=["E1"])
        for n, c in enumerate(confidences, 1)
    ]
    return Diagnosis(
        incident="i",
        verdict=DiagnosisVerdict.FAULT,
        confidence=confidences[0],
        hypotheses=hypotheses,
        evidence=[evidence(1), evidence(2)],
    )


def opinion(fault: str, confidence: float, cited: list[str] | None = None, service: str = "api") -> Opinion:
    return Opinion(
        service=service, fault_class=fault, statement="mine", confidence=confidence, evidence=cited or ["E1"]
    )


@pytest.mark.parametrize(("said", "becomes"), [(0.99, 0.8), (0.7, 0.7), (0.01, 0.48)])
def test_opinions_may_lower_a_little_and_never_raise(said: float, becomes: float) -> None:
    """Readings outweigh opinions: at most forty percent is taken away."""
    heard = hear(diagnosed(0.8), [opinion("f1", said)], ["api"]).diagnosis
    assert heard.hypotheses[0].confidence == pytest.approx(becomes)


def test_added_causes_stay_low_and_need_evidence() -> None:
    """An idea with existing evidence is listed below; without, or about strangers, it is dropped."""
    opinions = [opinion("hang", 0.99), opinion("bare", 0.99, ["E9"]), opinion("far", 0.9, service="moon")]
    heard = hear(diagnosed(0.8), opinions, ["api"]).diagnosis
    assert [(h.fault_class, h.confidence, h.rank) for h in heard.hypotheses] == [("f1", 0.8, 1), ("hang", 0.3, 2)]


def test_a_verdict_other_than_a_fault_is_not_argued_with() -> None:
    """Opinions create no fault where perception sees none."""
    healthy = diagnosed(0.8).model_copy(update={"verdict": DiagnosisVerdict.HEALTHY})
    assert hear(healthy, [opinion("hang", 0.9)], ["api"]).diagnosis == healthy


async def test_wishes_for_unknown_probes_are_dropped() -> None:
    """Only probes and services that exist are looked at."""
    wishes = [ProbeWish(probe=p, service=s, why="") for p, s in (("x", "api"), ("rm", "api"), ("x", "moon"))]
    mind = ScriptedReasoner({"perception": [PerceiveAnswer(probes=wishes)]})
    unclear = diagnosed(0.4).model_copy(update={"verdict": DiagnosisVerdict.INCONCLUSIVE})
    seen = await Perceiver(mind).consider(unclear, ["x"], ["api"])
    assert seen.wishes == wishes[:1]


def test_evidence_keeps_its_id() -> None:
    """The same evidence found again keeps its id; new evidence gets the next free one; citations follow."""
    fresh = diagnosed(0.9).model_copy(update={"evidence": [evidence(1, "new"), evidence(2, "e1")]})
    kept = keep_ids(diagnosed(0.8), fresh)
    assert [(e.id, e.excerpt) for e in kept.evidence] == [("E1", "e1"), ("E2", "e2"), ("E3", "new")]
    assert kept.hypotheses[0].evidence == ["E3"]
    assert keep_ids(None, fresh) == fresh


def overseen(*outcomes: Outcome, passed: bool = True, seconds: float = 1.0) -> OverseeQuestion:
    results = [
        StepResult(step_id=f"s{n}", action="a", target="t", outcome=o, summary="", at=NOW)
        for n, o in enumerate(outcomes)
    ]
    check = Verification(step_id="s", symptoms_relieved=passed, cause_repaired=None, at=NOW)
    return OverseeQuestion(
        incident="i", replans=0, max_replans=2, results=results, verifications=[check], seconds=seconds
    )


@pytest.mark.parametrize(
    ("question", "decision"),
    [
        (overseen(Outcome.SUCCEEDED), "continue"),
        (overseen(Outcome.SUCCEEDED, passed=False), "clarify"),
        (overseen(*[Outcome.FAILED] * 3), "revoke"),
        (overseen(seconds=10_000), "revoke"),
        (overseen().model_copy(update={"violations": ["SCOPE_VIOLATION"]}), "revoke"),
    ],
)
async def test_overwatch_by_rules_and_never_laxer(question: OverseeQuestion, decision: str) -> None:
    """A model that says continue does not overrule; one that says revoke does."""
    lax = ScriptedReasoner({"overwatch": [OverseeAnswer(decision="continue", reason="all is well")]})
    strict = ScriptedReasoner({"overwatch": [OverseeAnswer(decision="revoke", reason="stop")]})
    assert (await Overwatch(lax).oversee(question)).answer.decision == decision
    assert (await Overwatch(strict).oversee(question)).answer.decision == "revoke"


async def test_fall_back_is_visible_and_ends() -> None:
    """The reason stands in the answer and in the name, until the first mind answers again."""
    first = ScriptedReasoner(
        {"overwatch": [ModelUnavailableError("gone"), OverseeAnswer(decision="continue", reason="")]}
    )
    mind = FallbackReasoner(first, RulesReasoner())
    answered = await ask(mind, overseen())
    assert (answered.by, answered.fell_back) == ("rules", "scripted: gone")
    assert mind.name == "scripted (fell back to rules: gone)"
    assert (await ask(mind, overseen())).by == "scripted"
    assert mind.name == "scripted"
    assert (await mind.answer(overseen())).decision == "continue"


async def test_rules_know_their_roles() -> None:
    """A question of no known role is refused, not guessed."""
    with pytest.raises(ModelError):
        await RulesReasoner().answer(Question[Value]())


@pytest.mark.parametrize(
    "role",
    [
        "perception",
        "planner",
        "verifier",
        "overwatch",
        "explainer",
        "chat",
        "argue_for",
        "argue_against",
        "diffs",
        "negotiator",
    ],
)
def test_every_role_has_a_versioned_prompt(role: str) -> None:
    """The frame for untrusted text is in each; version marks are not."""
    assert "<untrusted>" in prompt(role)
    assert "version:" not in prompt(role)
    assert re.fullmatch(rf"{role}/\d+", version(role))


def test_nothing_read_is_not_health() -> None:
    """Users count as served only when a check says so; one that could not tell does not."""
    good = Reading(probe="http_health", service="a", time=0.0, ok=True, values={"user_facing": True})
    blind = Reading(probe="http_health", service="a", time=0.0, ok=None, values={"user_facing": True})
    assert (served([]), served([good]), served([good, blind])) == (False, True, False)
    assert not Watch(held_s=1.0, wanted_s=6.0, readings=(good,)).good
