"""Evidence or silence: what may be cited, and whether a sentence says more than what it cites."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.diagnosis import Diagnosis, Evidence
from domain.incident import Incident
from domain.plan import Plan, StepResult
from domain.report import Sentence

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]*-)")
_REFERENCE = re.compile(r"\[?\b[ELR]\d+\b\]?")
_TOKEN = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")

AFTER_STEP = "how it looks after the step"
"""What evidence that was read after a step speaks for; it tells of recovery, never of what broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounded:
    """Sentences that stand, and the texts of those that nothing carries."""

    kept: list[Sentence]
    dropped: list[str]


def citable(incident: Incident) -> dict[str, str]:
    """Id → everything that the cited thing says, as text: `E…` evidence, `L…` ledger entries of the steps."""
    sources = {e.id: evidence_text(e) for e in (incident.diagnosis.evidence if incident.diagnosis else [])}
    for result in incident.results:
        plan = plan_behind(incident, result)
        said = json.dumps(result.model_dump(mode="json")) + (f" {plan.source} {plan.summary}" if plan else "")
        for seq in result.ledger:
            sources[f"L{seq}"] = sources.get(f"L{seq}", "") + said
    return sources


def plan_behind(incident: Incident, result: StepResult) -> Plan | None:
    """The newest plan that has this step."""
    return next(
        (
            plan
            for plan in reversed(incident.plans)
            for step in plan.steps
            if (step.id, step.call.action, step.call.target) == (result.step_id, result.action, result.target)
        ),
        None,
    )


def observations(diagnosis: Diagnosis) -> dict[str, str]:
    """Id → text of everything that was observed. What runbooks and past cases say is no observation of this incident."""
    return {e.id: evidence_text(e) for e in diagnosis.evidence if e.kind not in ("runbook", "case")}


def evidence_text(evidence: Evidence) -> str:
    """Excerpt, where and when it was read, what it speaks for and the numbers behind it."""
    parts = [evidence.excerpt, evidence.service, evidence.source, evidence.kind, json.dumps(evidence.data, default=str)]
    return " ".join(parts)


def names_of(incident: Incident) -> set[str]:
    """Names that a sentence may not drop casually: services and actions of this incident."""
    names = {incident.service} | {a.service for a in incident.alerts}
    if incident.diagnosis is not None:
        names |= {e.service for e in incident.diagnosis.evidence} | {h.service for h in incident.diagnosis.hypotheses}
    names |= {r.target for r in incident.results} | {r.action for r in incident.results}
    return names - {""}


def ground(sentences: Iterable[Sentence], sources: Mapping[str, str], names: Iterable[str]) -> Grounded:
    """Keep what is carried: at least one known citation, every number and every known name found in what is cited."""
    known = set(names)
    kept: list[Sentence] = []
    dropped: list[str] = []
    for sentence in sentences:
        cited = [e for e in sentence.evidence if e in sources]
        if cited and says_no_more(sentence.text, " ".join(sources[e] for e in cited), known):
            kept.append(Sentence(text=sentence.text, evidence=cited))
        else:
            dropped.append(sentence.text)
    return Grounded(kept=kept, dropped=dropped)


def says_no_more(text: str, source: str, names: set[str]) -> bool:
    """Whether all numbers and known names of `text` occur in `source`."""
    plain = _REFERENCE.sub(" ", text)
    found = {float(n) for n in re.findall(r"\d+(?:\.\d+)?", source)}
    numbers_hold = all(_occurs(n, found) for n in _NUMBER.findall(plain))
    mentioned = {t for t in _TOKEN.findall(plain.lower()) if t in names}
    return numbers_hold and all(name in source.lower() for name in mentioned)


def _occurs(written: str, found: set[float]) -> bool:
    """The number itself, rounded as written, or as a percentage or in seconds instead of milliseconds."""
    digits = len(written.partition(".")[2])
    value = float(written)
    scales = (1.0, 100.0, 0.001)
    return any(abs(round(f * scale, digits) - value) < 10 ** -(digits + 6) for f in found for scale in scales)
