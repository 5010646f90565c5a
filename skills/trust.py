"""From draft to trusted, one step at a time, bound to one digest; and out again when the field disagrees."""

from __future__ import annotations

from datetime import datetime

from skills.folder import Package
from skills.rehearsal import Rehearsal
from skills.report import OPINION, Report, RunStatus
from skills.signature import Signature
from skills.store import SkillStore, Standing, Trust

OUTSIDE = "firebreak"
"""Who stands in the record when nobody decided it: the rule itself."""


def trust_of(package: Package, store: SkillStore) -> Trust:
    """Where these very bytes stand; a changed file starts again as a draft."""
    standing = store.standing(package.front.name, package.digest)
    return standing.trust if standing else Trust.DRAFT


def was_rehearsed(package: Package, store: SkillStore) -> bool:
    """Whether a rehearsal has seen this digest mend its fault and being taken back."""
    history = store.history(package.front.name)
    return any(s.digest == package.digest and s.trust is Trust.REHEARSED for s in history)


def after_field_run(report: Report, now: datetime) -> Standing | None:
    """A run that changed something and did not keep its promise takes the skill out of use; None: it may stay.

    What only a model doubted says nothing against the skill.
    """
    broken = report.status in (RunStatus.FAILED, RunStatus.ROLLED_BACK, RunStatus.UNKNOWN)
    if not broken or not report.mutated or report.failure is None or report.rehearsal:
        return None
    if not Signature(report.failure.signature).about_the_skill or report.failure.step == OPINION:
        return None
    return Standing(
        skill=report.order.skill,
        version=report.version,
        digest=report.digest,
        trust=Trust.QUARANTINED,
        by=OUTSIDE,
        reason=f"{report.failure.signature} in run {report.id}: {report.failure.text[:200]}",
        at=now,
        evidence=[*([report.incident] if report.incident else []), report.id],
    )


def after_rehearsal(rehearsal: Rehearsal, store: SkillStore, now: datetime) -> Standing | None:
    """A passed rehearsal makes a draft or validated skill a rehearsed one; what was trusted stays so."""
    known = store.standing(rehearsal.skill, rehearsal.digest)
    if not rehearsal.passed or (known is not None and known.trust in (Trust.TRUSTED, Trust.REHEARSED)):
        return None
    faults = ", ".join(f.fault for f in rehearsal.faults)
    return Standing(
        skill=rehearsal.skill,
        version=rehearsal.version,
        digest=rehearsal.digest,
        trust=Trust.REHEARSED,
        by=OUTSIDE,
        reason=f"rehearsed with {faults}",
        at=now,
        evidence=[rehearsal.id, *(f.run for f in rehearsal.faults if f.run)],
    )
