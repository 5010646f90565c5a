"""The diagnosis as one reading: its verdict, the leading causes, what carries the first, who suffers, and a card to go on with."""

from __future__ import annotations

from typing import Any

from domain.bundle import Reading
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from skills.analyses.analysis import Analysis, Observed, told

TOP_K = 3
SURE = 0.5
"""Below this a cause is one of several."""

NO_CAUSE: dict[str, Any] = {
    "service": "",
    "fault_class": "",
    "confidence": 0.0,
    "statement": "",
    "sure": False,
    "falsify": "",
}
NO_TASK = {"name": "", "intent": "", "workload": "", "fault_domain": "", "diagnosis": ""}
"""Nothing is wrong is an answer too: a check that asks for a cause then does not hold, instead of not being told."""


def diagnosis(observed: Observed, service: str) -> Reading:
    """Values, there whatever the verdict: verdict, confidence, causes (rows), cause (card), evidence, impact, card (task)."""
    found = observed.diagnosis
    fault = found.verdict is DiagnosisVerdict.FAULT
    values: dict[str, Any] = {
        "verdict": found.verdict.value,
        "confidence": found.confidence,
        "causes": [_row(h) for h in found.hypotheses[:TOP_K]] if fault else [],
        "evidence": _evidence(found) if fault else {"items": 0, "sources": [], "independent": 0, "against": 0},
        "impact": _impact(found),
        "blind_spots": len(found.blind_spots),
        "cause": _card(found.top) if fault and found.top is not None else NO_CAUSE,
        "card": _task(found.top) if fault and found.top is not None else NO_TASK,
    }
    text = found.top.statement if fault and found.top is not None else f"verdict: {found.verdict.value}"
    return told("diagnosis", service, observed, ok=not fault, text=text, **values)


def _impact(found: Diagnosis) -> dict[str, Any]:
    services = found.blast_radius.services
    return {"services": services, "count": len(services), "users": found.blast_radius.users or ""}


def _row(one: Hypothesis) -> dict[str, Any]:
    return {
        "service": one.service,
        "fault_class": one.fault_class or "",
        "confidence": round(one.confidence, 3),
        "statement": one.statement[:240],
    }


def _card(top: Hypothesis) -> dict[str, Any]:
    """The root-cause card: what, where, how sure, and what would prove it wrong."""
    return {**_row(top), "sure": top.confidence >= SURE, "falsify": top.falsify[:240], "evidence": top.evidence[:5]}


def _evidence(found: Diagnosis) -> dict[str, Any]:
    """What carries the first cause: different sources count, not repetitions of one."""
    top = found.top
    cited = [e for e in found.evidence if top is not None and e.id in top.evidence]
    sources = sorted({e.source for e in cited})
    against = len(top.against) if top is not None else 0
    return {"items": len(cited), "sources": sources, "independent": len(sources), "against": against}


def _task(top: Hypothesis) -> dict[str, str]:
    """The fields of a task card that the diagnosis can fill; `firebreak skill generate` takes the whole card from a person."""
    kind = (top.fault_class or "unknown").replace("_", "-")
    return {
        "name": f"{kind}-of-{top.service}",
        "intent": f"remove {kind} from {top.service} and see users served",
        "workload": top.service,
        "fault_domain": top.fault_class or "",
        "diagnosis": top.statement[:300],
    }


ANALYSES = (Analysis(name="diagnosis", look=diagnosis),)
