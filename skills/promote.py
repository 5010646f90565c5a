"""One step up, by a person, with what it rests on; or out of use at once."""

from __future__ import annotations

from datetime import datetime

from domain.errors import ConflictError
from skills.folder import Package
from skills.schema import Skill
from skills.store import SkillStore, Standing, Trust
from skills.trust import trust_of
from skills.validate import usable, validate
from skills.vocabulary import Vocabulary


def next_standing(
    package: Package, skill: Skill, words: Vocabulary, store: SkillStore, *, by: str, reason: str, now: datetime
) -> Standing:
    """What a promotion would make of it. Raises ConflictError with what is missing.

    A rehearsal alone makes a skill rehearsed, and only a rehearsed one can be trusted. Out of quarantine it starts again.
    """
    present = trust_of(package, store)
    match present:
        case Trust.DRAFT | Trust.QUARANTINED:
            _must_be_valid(package, words)
            if present is Trust.QUARANTINED and not reason:
                raise ConflictError(
                    f"{skill.name} is in quarantine", expected="a reason to take it out", found="none", hint="--reason"
                )
            return _standing(package, skill, Trust.VALIDATED, by, reason or "the validator has nothing against it", now)
        case Trust.VALIDATED:
            raise ConflictError(
                f"{skill.name} was never rehearsed as it is now",
                expected="a passed rehearsal of this digest",
                found="none",
                hint=f"firebreak skill rehearse {skill.name}",
            )
        case Trust.REHEARSED:
            _must_be_valid(package, words)
            evidence = next(s.evidence for s in reversed(store.history(skill.name)) if s.digest == package.digest)
            found = _standing(package, skill, Trust.TRUSTED, by, reason or "rehearsed", now)
            return found.model_copy(update={"evidence": evidence})
        case Trust.TRUSTED:
            raise ConflictError(f"{skill.name} is trusted already", expected="a lower one", found="trusted")


def quarantined(package: Package, skill: Skill, *, by: str, reason: str, now: datetime) -> Standing:
    """Out of use from now on; dry runs stay possible."""
    return _standing(package, skill, Trust.QUARANTINED, by, reason, now)


def _must_be_valid(package: Package, words: Vocabulary) -> None:
    _, problems = validate(package.folder, words, given=package.skill.parameters if package.skill else ())
    if not usable(problems):
        raise ConflictError(
            f"{package.front.name} is not valid",
            expected="no error of the validator",
            found=problems[0].words(),
            hint="firebreak skill validate names all of them",
        )


def _standing(package: Package, skill: Skill, trust: Trust, by: str, reason: str, now: datetime) -> Standing:
    return Standing(
        skill=skill.name, version=skill.version, digest=package.digest, trust=trust, by=by, reason=reason, at=now
    )
