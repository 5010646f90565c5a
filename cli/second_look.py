"""One labelled case without and with a model, side by side, and what the model cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.asking import spent
from agents.investigator import Investigator
from agents.perception.evaluate import Outcome, outcome
from agents.perception.history import History
from domain.bundle import Bundle
from domain.reasoning import Reasoner
from domain.usage import Usage
from rag.leaflet import Leaflet
from tools.probes.runner import PROBES

WITH_MODEL = "firebreak + model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What was said without and with the model, and what the case cost."""

    before: Outcome
    after: Outcome
    usage: Usage
    dropped: int
    fell_back: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "case": self.before.case,
            "without": _said(self.before),
            "with": _said(self.after),
            "dropped": self.dropped,
            "fell_back": self.fell_back,
            "usage": self.usage.model_dump(mode="json"),
        }


class SecondLook:
    """Cases again with the model asked, all in one event loop: a client's connections do not outlive theirs."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._runner = asyncio.Runner()

    def look(self, name: str, bundle: Bundle, before: Outcome, known: History | None) -> Beside:
        """One case. Runbooks are left out, they tell a reader and not the engine."""
        probes = tuple(p.name for p in PROBES)
        asked = Investigator(retriever=Leaflet(()), reasoner=self._reasoner, probes=probes, history=known)
        found = self._runner.run(asked.look(bundle))
        second = found.second_opinion
        return Beside(
            before=before,
            after=outcome(name, found, before.truth),
            usage=spent(self._reasoner, bundle.id),
            dropped=len(second.dropped) if second else 0,
            fell_back=second.fell_back if second else "",
        )

    def close(self) -> None:
        """End the loop."""
        self._runner.close()


def beside_lines(rows: Sequence[Beside]) -> list[str]:
    """A row per case, and the sum."""
    width = max(len(r.before.case) for r in rows)
    lines = ["without and with the model: place of the true service, confidence; what the case cost"]
    for r in rows:
        sure = f"{r.before.confidence:.2f} → {r.after.confidence:.2f}"
        fell = "  rules stood in" if r.fell_back else ""
        lines.append(
            f"  {r.before.case:<{width}}  {r.before.place:>2} → {r.after.place:>2}  {sure}  {r.usage.words()}{fell}"
        )
    total = Usage()
    for r in rows:
        total = total.plus(r.usage)
    mean = f"{total.tokens / len(rows):,.0f} tokens, {total.seconds / len(rows):.1f} s"
    price = f", {total.cost / len(rows):.4f} {total.currency}" if total.currency else ""
    changed = sum(r.before.ranking[:1] != r.after.ranking[:1] for r in rows)
    lower = sum(r.after.confidence < r.before.confidence for r in rows)
    return [
        *lines,
        f"  a case costs {mean}{price} on average; all: {total.words()}",
        f"  another first service in {changed}, less confidence in {lower}, {sum(r.dropped for r in rows)} claims dropped",
    ]


def _said(found: Outcome) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "named": found.ranking[0] if found.ranking else None,
        "place": found.place,
        "confidence": found.confidence,
        "change": found.change,
    }
