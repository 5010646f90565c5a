"""A contract as a comment on a pull request: one Markdown text with a marker, nothing in it that a stranger's words can start."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from contracts.commands import HELP, SHORTEST
from contracts.negotiation import Negotiation, Round
from domain.contract import Contract, ContractStatus, Guardrail

State = Literal["pending", "success", "failure"]
LONGEST = 60_000
"""GitHub takes 65,536 characters."""
SAID = 6
"""Rounds and answers that are shown, the last ones."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
_STATES: dict[ContractStatus, State] = {
    ContractStatus.DRAFT: "pending",
    ContractStatus.NEGOTIATING: "pending",
    ContractStatus.APPROVED: "success",
    ContractStatus.DEPLOYED: "success",
    ContractStatus.FULFILLED: "success",
    ContractStatus.REJECTED: "failure",
    ContractStatus.EXPIRED: "failure",
    ContractStatus.VIOLATED: "failure",
    ContractStatus.ROLLED_BACK: "failure",
}


def marker_of(service: str) -> str:
    """First line of the comment: one per service and pull request, invisible."""
    return f"<!-- firebreak contract {re.sub(r'[^A-Za-z0-9._]+', '-', service)[:100].strip('-')} -->"


def state_of(contract: Contract) -> State:
    """What the commit's status says."""
    return _STATES[contract.status]


def summary_of(contract: Contract) -> str:
    """One line of at most 140 characters for the commit's status."""
    missing = sum(v.required for v in contract.validators)
    return f"{contract.risk.level.value} risk ({contract.risk.score:.0f}), {missing} proofs asked for, {contract.status.value}"[
        :140
    ]


def comment_of(contract: Contract, talk: Sequence[str] = ()) -> str:
    """The whole comment; `talk` are Markdown lines of our own about how the bargaining stands."""
    text = "\n".join([marker_of(contract.service), *_head(contract), *talk, *_lines(contract)])
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n\n… the rest is in `firebreak contract show`"


def talk_of(table: Negotiation, answers: Sequence[tuple[str, str]] = (), notes: Sequence[str] = ()) -> list[str]:
    """How a contract stands on its table: what is missing, who signed, what was said last.

    `answers`: (login, answer) to commands that made no move; `notes`: what became of the pull request.
    """
    return list(_talk(table, answers, notes))


def _talk(table: Negotiation, answers: Sequence[tuple[str, str]], notes: Sequence[str]) -> Iterator[str]:
    contract = table.contract
    yield from (f"\n**{plain(note)}**" for note in notes)
    if table.rejected_because:
        yield f"\n**Rejected** by {plain(table.rejected_because)}"
    missing = ", ".join(kind.value for kind in table.missing) or "none"
    names = ", ".join(plain(s.by) for s in table.signatures) or "nobody"
    if contract.status in (ContractStatus.DRAFT, ContractStatus.NEGOTIATING):
        yield f"\nProofs missing: {missing}. Signed by {names}, of {table.quorum} needed."
        yield f"\nTo sign exactly these terms: `/firebreak accept {contract.terms_digest()[: SHORTEST + 4]}`. Else {HELP}."
    elif table.signatures:
        yield f"\nSigned by {names}."
    said = [*(_round(row) for row in table.rounds[-SAID:]), *(f"{plain(w)}: {plain(a)}" for w, a in answers[-SAID:])]
    if said:
        yield "\n**Said last**"
        yield from (f"- {line}" for line in said)


def _round(row: Round) -> str:
    what = f"`{row.offer.value}`" if row.offer else plain(row.text[:200]) or "the change"
    gains = f" ({plain('; '.join(row.buys[:6]))})" if row.buys else ""
    return f"{plain(row.by)}: {what}: {plain(row.answer)}{gains}"


def plain(text: str) -> str:
    """A stranger's words as words: no markup, no mention, no link of its own."""
    words = _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("@", "@\u200b").replace("://", ":\u200b//")
    return html.escape(words, quote=False)


def _head(contract: Contract) -> Iterator[str]:
    risk = contract.risk
    yield f"### Deployment contract: {risk.level.value} risk, {risk.score:.1f} of 100"
    yield f"{plain(contract.service)} {plain(contract.version)}, {contract.status.value}, confidence {risk.confidence:.2f}"


def _lines(contract: Contract) -> Iterator[str]:
    risk, back = contract.risk, contract.rollback
    yield from _table(
        ("points", "factor", "why", "where"), [_factor_row(contract, i) for i in range(len(risk.factors))]
    )
    if risk.doubts:
        yield f"\n**Not known:** {plain('; '.join(risk.doubts))}"
    yield from _table(
        ("guardrail", "limit", "why"), [(g.metric.value, _limit(g), plain(g.reason)) for g in contract.guardrails]
    )
    yield f"\n**Canary:** {plain(contract.canary.reason)}"
    yield from _table(
        ("proof", "", "why"),
        [(v.kind.value, "required" if v.required else "recommended", plain(v.reason)) for v in contract.validators],
    )
    word = f"about {back.recovery_s:.0f} s" if back.possible else f"**not possible**: {plain('; '.join(back.reasons))}"
    yield f"\n**Rollback:** {word}; window {back.window_s} s, data loss {back.data_loss_risk.value}"
    yield from (f"{i}. {s.kind.value}: {plain(s.summary)}" for i, s in enumerate(back.steps, 1))
    if contract.suggestions:
        yield "\n**Would help**"
        yield from (f"- `{s.offer.value}`: {plain(s.text)}" for s in contract.suggestions)
    yield f"\nDigest `{contract.terms_digest()}`. A new commit is another contract."


def _factor_row(contract: Contract, at: int) -> tuple[str, str, str, str]:
    factor = contract.risk.factors[at]
    return f"{factor.weight:.1f}", factor.name.value, plain(factor.reason), plain(", ".join(factor.where[:3]))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)


def _limit(guardrail: Guardrail) -> str:
    unit = "%" if guardrail.unit == "percent" else guardrail.unit
    return f"{'no worse than' if guardrail.compare == 'baseline' else '<'} {guardrail.limit:g} {unit}"
