"""Shadow proposals against what people did and when the symptoms ended. Pure; a person's label wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.alert import Change
from domain.incident import Incident
from domain.value import UtcTime, Value
from governance.shadow import Agreement, Shadowed

HELPED_WITHIN = timedelta(minutes=15)
"""A change counts as what ended the symptoms when they end at most so long after it."""
LIKE: dict[str, tuple[str, ...]] = {
    "set_config": ("config", "flag"),
    "restore_config": ("config", "flag"),
    "rotate_credential": ("config",),
    "scale_pool": ("config",),
    "rollback_release": ("deploy", "commit"),
    "migrate": ("migration",),
}
"""Kinds of change by which a person does what an action would have done; others leave no trace that tells."""


class Compared(Value):
    """One proposal with what is known of the outcome."""

    proposal: Shadowed
    agreement: Agreement
    why: str
    people_did: list[str] = []
    symptoms_ended_at: UtcTime | None = None


class ShadowReport(Value):
    """All proposals since then; the counts per agreement."""

    schema_version: str = "1"
    since: UtcTime
    counts: dict[str, int]
    proposals: list[Compared]


def compare(proposal: Shadowed, changes: Sequence[Change], incident: Incident | None) -> Compared:
    """What people changed after the proposal, and whether the symptoms ended with it."""
    ended = symptoms_ended(incident)
    later = [c for c in changes if c.time > proposal.at and (ended is None or c.time <= ended)]
    told = [
        f"{c.kind} of {c.service or 'the system'}{' by ' + c.author if c.author else ''}: {c.summary}" for c in later
    ]
    agreement, why = _judged(proposal, later, ended)
    return Compared(proposal=proposal, agreement=agreement, why=why, people_did=told[:10], symptoms_ended_at=ended)


def report(rows: Sequence[Compared], since: datetime) -> ShadowReport:
    """Counted per agreement, every one named."""
    counts = {agreement.value: sum(row.agreement is agreement for row in rows) for agreement in Agreement}
    return ShadowReport(since=since, counts=counts, proposals=list(rows))


def symptoms_ended(incident: Incident | None) -> datetime | None:
    """When the last alert of the incident was resolved; None while one fires or when nobody knows."""
    ends = [alert.ended_at for alert in incident.alerts] if incident else []
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _judged(proposal: Shadowed, later: Sequence[Change], ended: datetime | None) -> tuple[Agreement, str]:
    if proposal.label is not None:
        return proposal.label, f"{proposal.labelled_by} says so"
    if ended is None:
        return Agreement.UNKNOWN, "nobody knows yet when the symptoms ended"
    if ended <= proposal.at:
        return Agreement.UNNECESSARY, "the symptoms had ended before it was proposed"
    helped = [c for c in later if ended - c.time <= HELPED_WITHIN]
    kinds = LIKE.get(proposal.call.action, ())
    if any(c.service == proposal.call.target and c.kind in kinds for c in helped):
        return Agreement.SAME, "people changed the same thing, and the symptoms ended"
    if helped:
        return Agreement.DIFFERENT, "people changed something else, and the symptoms ended"
    if not later:
        return Agreement.UNNECESSARY, "the symptoms ended, and nobody is known to have changed anything"
    return Agreement.UNKNOWN, "what people changed was too long before the symptoms ended to tell"
