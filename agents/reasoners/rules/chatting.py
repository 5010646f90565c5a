"""Answers to a person's question by rules: find out what is asked for, then quote the evidence that says it."""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.reasoners.rules import explaining
from domain.action import Verdict
from domain.incident import Incident
from domain.plan import Step
from domain.reasoning import ChatAnswer, ChatQuestion
from domain.report import Sentence

_SUGGESTIONS = ["What broke?", "Why?", "What changed?", "What did you do?", "Who is affected?"]
_WORD = re.compile(r"[a-z][a-z0-9_-]+")


def answer_chat(question: ChatQuestion) -> ChatAnswer:
    """Sentences with their evidence. No incident and no passage: no sentence, only suggestions."""
    if question.incident is None:
        return ChatAnswer(
            sentences=_about_system(question), suggestions=[f"Tell me about {i}" for i in question.incidents[:3]]
        )
    text = question.text.lower()
    tell = next((t for words, t in _INTENTS if any(re.search(w, text) for w in words)), status)
    sentences = tell(question.incident, text)
    return ChatAnswer(sentences=sentences, suggestions=[s for s in _SUGGESTIONS if s.lower() not in text][:3])


def why_not(incident: Incident, text: str) -> list[Sentence]:
    """Why an action was not chosen, or a cause not believed."""
    words = set(_WORD.findall(text))
    sentences = [_judged(incident, step) for step in _steps(incident) if words & _words_of(step.call.action)]
    done = [r for r in incident.results if words & _words_of(r.action)]
    sentences += [explaining.tell_step(r) for r in done]
    if incident.diagnosis and incident.diagnosis.top and not sentences:
        top = incident.diagnosis.top
        sentences.append(Sentence(text=f"The plan rests on this instead: {top.statement}", evidence=top.evidence))
    return sentences + _other_causes(incident)


def _steps(incident: Incident) -> list[Step]:
    return [s for plan in incident.plans for s in plan.steps]


def _judged(incident: Incident, step: Step) -> Sentence:
    verdict = next((j for j in reversed(incident.judgements) if j.step_id == step.id), None)
    if verdict is None or verdict.verdict is Verdict.ALLOW:
        return Sentence(text=f"It was chosen: {step.rationale}", evidence=step.evidence)
    reasons = "; ".join(r.text for r in verdict.reasons if r.verdict is verdict.verdict)
    return Sentence(text=f"{step.call.action} was judged {verdict.verdict.value}: {reasons}", evidence=step.evidence)


def _words_of(action: str) -> set[str]:
    return {action, *action.split("_")} - {"service"}


def _other_causes(incident: Incident) -> list[Sentence]:
    if incident.diagnosis is None:
        return []
    by_id = {e.id: e for e in incident.diagnosis.evidence}
    against = [(h, i) for h in incident.diagnosis.hypotheses[1:3] for i in h.against[:1] if i in by_id]
    return [explaining.quote(by_id[i], f"Against “{h.statement}”: ") for h, i in against]


def changes(incident: Incident, text: str) -> list[Sentence]:
    """What changed around the start."""
    rows = [e for e in (incident.diagnosis.evidence if incident.diagnosis else []) if e.kind == "change"]
    return [explaining.quote(e) for e in rows]


def affected(incident: Incident, text: str) -> list[Sentence]:
    """Who suffers."""
    return explaining.what_broke(incident)


def did(incident: Incident, text: str) -> list[Sentence]:
    """What was done."""
    return explaining.actions_taken(incident)


def cause(incident: Incident, text: str) -> list[Sentence]:
    """Why it broke."""
    return explaining.why(incident)


def broke(incident: Incident, text: str) -> list[Sentence]:
    """What broke."""
    return explaining.what_broke(incident)


def status(incident: Incident, text: str) -> list[Sentence]:
    """Where it stands: the last look at the patient, the last step, the leading cause."""
    return [*explaining.recovery(incident)[:2], *explaining.actions_taken(incident)[-1:], *explaining.why(incident)[:1]]


def _about_system(question: ChatQuestion) -> list[Sentence]:
    rows: list[Sentence] = []
    for passage in question.passages[:3]:
        found = re.match(r"\[(R\d+) ", passage)
        if found:
            rows.append(Sentence(text=passage.partition("]")[2].strip()[:400], evidence=[found.group(1)]))
    return rows


_INTENTS: tuple[tuple[tuple[str, ...], Callable[[Incident, str], list[Sentence]]], ...] = (
    ((r"why (did\w* ?n.t|not)", r"instead of", r"warum nicht"), why_not),
    ((r"\bchang", r"\bdeploy", r"\brelease"), changes),
    ((r"\bwho\b", r"affected", r"impact", r"blast", r"users?\b"), affected),
    ((r"what did you do", r"what (was|were) done", r"\bactions?\b", r"\bsteps?\b", r"\bfix"), did),
    ((r"\bwhy\b", r"\bcause", r"reason"), cause),
    ((r"what (broke|happened|is broken|failed|is wrong)", r"symptom"), broke),
)
