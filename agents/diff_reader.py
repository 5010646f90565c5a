"""Reading diffs with a mind: what a change could do, through what, to whom. Only what the diff itself carries is kept."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from agents.asking import ask
from agents.perception.attribution import suspects
from agents.perception.facts import Facts
from domain.alert import Change
from domain.bundle import Bundle
from domain.reasoning import Reasoner
from domain.second_opinion import DiffQuestion, DiffReading, DiffText
from domain.value import Value

MOST_CHANGES = 12
"""Changes that are shown, the engine's own suspects first."""
MOST_SYMPTOMS = 12


class DiffsRead(Value):
    """What a mind made of the diffs it was shown; kept from look to look, so that none is shown twice."""

    readings: dict[str, DiffReading] = {}
    """Change id → what it could do."""
    shown: list[str] = []
    dropped: list[str] = []
    """What was said in vain, with the reason."""
    fell_back: str = ""


NOTHING = DiffsRead()


async def read_diffs(reasoner: Reasoner, bundle: Bundle, before: DiffsRead = NOTHING) -> DiffsRead:
    """The grounded readings, with those of `before`, whose diffs are not shown again.

    Nothing new when nobody asks for the change or no diff is known. Raises what the reasoner raises.
    """
    question = diff_question(bundle, before.shown)
    if question is None:
        return before.model_copy(update={"fell_back": ""})
    answered = await ask(reasoner, question)
    read = grounded(answered.answer.readings, question)
    shown = [] if answered.fell_back else [c.change for c in question.changes]
    return DiffsRead(
        readings={**before.readings, **read.readings},
        shown=[*before.shown, *shown],
        dropped=[*before.dropped, *read.dropped],
        fell_back=answered.fell_back,
    )


def diff_question(bundle: Bundle, shown: Container[str] = ()) -> DiffQuestion | None:
    """The suspects' diffs beside what is suffered; None without any that was not `shown` yet.

    A live incident (one with readings) asks by itself, a bundle with `changes_asked`.
    """
    if not (bundle.changes_asked or bundle.readings) or not any(c.diff for c in bundle.changes):
        return None
    facts = Facts(bundle)
    changes = [s.change for s in suspects(facts) if s.change.diff and s.change.id not in shown][:MOST_CHANGES]
    if not changes:
        return None
    symptoms = [
        bundle.alert.summary if bundle.alert else bundle.title,
        *(f"{s.service}: {s.name}" for s in bundle.signals),
        *(f"{r.service}: {r.text}" for r in bundle.readings if r.ok is False and r.text),
    ]
    return DiffQuestion(
        incident=bundle.id,
        symptoms=[s for s in dict.fromkeys(symptoms) if s][:MOST_SYMPTOMS],
        services=list(facts.services),
        changes=[_shown(c) for c in changes],
    )


def grounded(readings: Sequence[DiffReading], question: DiffQuestion) -> DiffsRead:
    """Readings of changes that were shown, about services that exist, through something that really stands there. Pure."""
    shown = {c.change: c for c in question.changes}
    kept: dict[str, DiffReading] = {}
    dropped: list[str] = []
    for reading in readings:
        problem = _problem(reading, shown, question.services)
        if problem:
            dropped.append(f"{problem}: {reading.effect}"[:240])
        else:
            kept.setdefault(reading.change, reading)
    return DiffsRead(readings=kept, dropped=dropped)


def _problem(reading: DiffReading, shown: Mapping[str, DiffText], services: Sequence[str]) -> str:
    change = shown.get(reading.change)
    if change is None:
        return f"reads a change that was not shown ({reading.change[:60]})"
    if reading.service not in services:
        return f"names {reading.service[:60]}, which is not looked after"
    text = "\n".join((change.diff, *change.files, change.summary))
    through = reading.through.strip()
    return (
        "" if len(through) >= 2 and through in text else f"through {through[:60]!r}, which does not stand in the diff"
    )


def _shown(change: Change) -> DiffText:
    return DiffText(
        change=change.id, service=change.service, summary=change.summary, files=list(change.files), diff=change.diff
    )
