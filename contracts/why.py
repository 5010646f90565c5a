"""Why a term stands in a contract: its own reasons, found by its name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contracts.offers import heard
from domain.bargaining import WordsQuestion
from domain.contract import Contract
from domain.redaction import redact


def why(contract: Contract, term: str) -> list[str]:
    """The reasons of every term of that name; empty when there is none."""
    wanted = _name(term)
    return [text for name, text in _reasons(contract) if _name(name) == wanted]


def terms(contract: Contract) -> list[str]:
    """Names that can be asked for."""
    return list(dict.fromkeys(name for name, _ in _reasons(contract)))


def asked(contract: Contract, text: str) -> WordsQuestion:
    """Free words as a question: every term with its reason is at hand, and what rules hear in the words."""
    rows = [f"[T{n} {name}] {said}" for n, (name, said) in enumerate(_reasons(contract), 1)]
    return WordsQuestion(contract=contract.id, text=redact(text), terms=rows, heard=heard(text))


def _reasons(contract: Contract) -> Iterator[tuple[str, str]]:
    risk, back = contract.risk, contract.rollback
    yield "risk", f"{risk.score:.1f} of 100 is {risk.level.value}, confidence {risk.confidence:.2f}"
    yield from (("risk", f"{f.weight:.1f} of it: {f.name.value}, {f.reason}") for f in risk.factors)
    yield from (("risk", f"not known: {doubt}") for doubt in risk.doubts)
    for factor in risk.factors:
        places = f" ({', '.join(factor.where[:5])})" if factor.where else ""
        yield factor.name.value, f"{factor.weight:.1f} points: {factor.reason}{places}"
    yield from ((g.metric.value, f"{g.limit:g} {g.unit} over {g.window_s} s: {g.reason}") for g in contract.guardrails)
    yield "canary", contract.canary.reason
    for proof in contract.validators:
        yield proof.kind.value, f"{'required' if proof.required else 'recommended'}: {proof.reason}"
    yield "rollback", f"{'possible' if back.possible else 'not possible'}, about {back.recovery_s:.0f} s"
    yield from (("rollback", reason) for reason in back.reasons)


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
