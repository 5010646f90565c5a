"""From retrieved passages to advice that a brief can cite: the prevention section of the runbook that fits best."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.apart import cite
from domain.diagnosis import Diagnosis, Evidence, Hypothesis
from domain.retrieval import Passage

PREVENTION = "prevention"
"""What such evidence supports."""
_LONGEST = 320
_MARKS = re.compile(r"(\*\*|`|^\s*[-*]\s+|^\s*\d+\.\s+)", re.M)


def advice_query(cause: Hypothesis) -> str:
    """What to look for once the cause is known."""
    return f"{(cause.fault_class or '').replace('_', ' ')} {cause.statement} prevention"


def with_advice(diagnosis: Diagnosis, passages: Sequence[Passage]) -> Diagnosis:
    """The diagnosis with the prevention passage of the best-ranked runbook as further evidence, if there is one."""
    best = passages[0].document if passages else ""
    found = next((p for p in passages if p.document == best and p.heading.lower().startswith(PREVENTION)), None)
    if found is None or any(e.supports == PREVENTION for e in diagnosis.evidence):
        return diagnosis
    advice = Evidence(
        id="E0",
        kind="runbook",
        source=found.document,
        excerpt=plain(found.text),
        supports=PREVENTION,
        data={"passage": found.id},
        tainted=True,
    )
    return cite(diagnosis, advice)[0]


def plain(markdown: str) -> str:
    """Markdown as one line of prose, cut at a sentence."""
    text = " ".join(_MARKS.sub("", markdown).split())
    if len(text) <= _LONGEST:
        return text
    head, dot, _ = text[:_LONGEST].rpartition(". ")
    return f"{head}{dot}".strip() or text[:_LONGEST]
