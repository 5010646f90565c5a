"""Runbook passages that tell a hypothesis apart from its look-alikes."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.claim import EXCERPT, Claim, Sign
from domain.retrieval import Passage

MOST = 2


def tell_apart(claim: Claim, passages: Sequence[Passage]) -> list[Sign]:
    """Passages about this fault class (by document, title or metadata) as signs: what to check before believing it."""
    if not claim.fault_class:
        return []
    slug = claim.fault_class.replace("_", "-")
    names = {claim.fault_class, slug, slug.replace("-", " ")}
    chosen = [p for p in passages if p.kind == "runbook" and _about(p, names)]
    chosen.sort(key=lambda p: ("apart" not in p.heading.lower() and "look" not in p.heading.lower(), -p.score))
    return [
        Sign(
            kind="runbook",
            source=p.document,
            excerpt=p.text[:EXCERPT],
            supports=f"how to tell it apart: {p.title}",
            data={"passage": p.id},
            tainted=True,
        )
        for p in chosen[:MOST]
    ]


def _about(passage: Passage, names: set[str]) -> bool:
    labels = [passage.metadata.get(k, "") for k in ("fault_class", "fault_classes")]
    where = " ".join(map(str, (passage.document, passage.title, *labels))).lower()
    return any(name in where for name in names)
