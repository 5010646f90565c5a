"""Each hypothesis with the runbook statements that tell it apart from its look-alikes, as evidence that can be cited."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.passages import Statement, contrast
from domain.diagnosis import Diagnosis, Evidence, Hypothesis
from domain.retrieval import Passage, Retriever

LEADING = 3
"""Hypotheses that get passages."""
CANDIDATES = 12
"""Passages that are read for each of them."""
SUPPORTS = "how to tell it apart"


async def told_apart(diagnosis: Diagnosis, retriever: Retriever) -> Diagnosis:
    """The diagnosis with runbook statements for its leading hypotheses; they speak neither for nor against any."""
    for place, hypothesis in enumerate(diagnosis.hypotheses[:LEADING]):
        rival = look_alike(hypothesis, diagnosis.hypotheses)
        passages = await retriever.search(
            apart_query(hypothesis, rival), limit=CANDIDATES, kinds=("runbook", "document")
        )
        evidence = {e.id: e for e in diagnosis.evidence}
        diagnosis = with_statements(diagnosis, place, rival, contrast(hypothesis, rival, evidence, passages))
    return diagnosis


def look_alike(hypothesis: Hypothesis, hypotheses: Sequence[Hypothesis]) -> Hypothesis | None:
    """The best other hypothesis of another class: what it would be mistaken for."""
    return next((h for h in hypotheses if h.fault_class != hypothesis.fault_class and h is not hypothesis), None)


def apart_query(hypothesis: Hypothesis, rival: Hypothesis | None) -> str:
    """What to look for: both classes by name, and how they differ."""
    classes = [h.fault_class for h in (hypothesis, rival) if h is not None and h.fault_class]
    spoken = [c.replace("_", " ") for c in classes]
    return f"{' '.join([*classes, *spoken])} how to tell it apart {hypothesis.statement}"[:600]


def with_statements(
    diagnosis: Diagnosis, place: int, rival: Hypothesis | None, statements: Sequence[Statement]
) -> Diagnosis:
    """The statements cited by the hypothesis at `place`; known ones keep their id. Pure."""
    against = f" from {(rival.fault_class or '').replace('_', ' ')}" if rival and rival.fault_class else ""
    cited = diagnosis
    ids: list[str] = []
    for statement in statements:
        cited, name = cite(cited, _evidence(statement.passage, statement.text, f"{SUPPORTS}{against}"))
        ids.append(name)
    hypotheses = list(cited.hypotheses)
    hypotheses[place] = hypotheses[place].model_copy(update={"apart": ids})
    return cited.model_copy(update={"hypotheses": hypotheses})


def cite(diagnosis: Diagnosis, entry: Evidence) -> tuple[Diagnosis, str]:
    """The diagnosis with one more piece of evidence under the next free id, or the id it has there already."""
    for known in diagnosis.evidence:
        if (known.kind, known.source, known.excerpt) == (entry.kind, entry.source, entry.excerpt):
            return diagnosis, known.id
    number = max((int(e.id[1:]) for e in diagnosis.evidence if e.id[1:].isdigit()), default=0) + 1
    named = entry.model_copy(update={"id": f"E{number}"})
    return diagnosis.model_copy(update={"evidence": [*diagnosis.evidence, named]}), named.id


def _evidence(passage: Passage, text: str, supports: str) -> Evidence:
    return Evidence(
        id="E0",
        kind="runbook",
        source=passage.document,
        excerpt=text.replace("**", ""),
        supports=supports,
        data={"passage": passage.id},
        tainted=True,
    )
