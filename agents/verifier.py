"""The verifier: looks at the patient after a step and says whether the cure holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agents.asking import Answered, ask
from agents.citing import AFTER_STEP
from agents.lasting import durable, fragile, holds_steady
from domain.bundle import Reading
from domain.conditions import Condition, Finding, findings
from domain.diagnosis import Diagnosis, Evidence, Hypothesis
from domain.plan import Plan
from domain.reasoning import Reasoner, VerifyQuestion
from domain.report import Check, Verification

HEALTH_PROBES = ("http_health", "tcp_health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a look at users over some seconds saw."""

    held_s: float
    """How long all user-facing checks have been good without a break, up to the end of the look."""
    wanted_s: float
    readings: tuple[Reading, ...]
    """The last round of health readings."""
    settled: Mapping[str, Reading] = field(default_factory=dict)
    """Service → how its process stood when users began to be served; the later reading is compared with it."""

    @property
    def good(self) -> bool:
        """Users were served long enough, as checked from outside."""
        return self.held_s >= self.wanted_s and all(r.ok for r in user_facing(self.readings))


def user_facing(readings: Sequence[Reading]) -> list[Reading]:
    """Readings that do what a user does; all health readings when the inventory names none as such."""
    health = [r for r in readings if r.probe in HEALTH_PROBES]
    return [r for r in health if r.values.get("user_facing")] or health


def served(readings: Sequence[Reading]) -> bool:
    """Whether users are served right now. Nothing to read is not health."""
    rows = user_facing(readings)
    return bool(rows) and all(r.ok for r in rows)


def health_of(readings: Sequence[Reading]) -> dict[str, bool | None]:
    """Health check → ok, the before and after of a regression check."""
    return {_check_name(r): r.ok for r in readings if r.probe in HEALTH_PROBES}


def verify(
    *,
    step_id: str | None,
    watch: Watch,
    before: Mapping[str, bool | None],
    hypothesis: Hypothesis,
    fresh: Diagnosis,
    readings: Sequence[Reading],
    evidence: Sequence[Evidence],
    changed: Sequence[str],
    now: datetime,
) -> Verification:
    """The verdict on one step.

    `readings` are what the probes say after it, `evidence` the same as citable evidence. `changed` are the targets of the
    plan's steps: a cause elsewhere may still be there when the step leads around it.
    """
    ids = {(e.source, e.service, str(e.data.get("name", ""))): e.id for e in evidence}
    symptom = [_symptom(r, watch, ids) for r in user_facing(watch.readings)]
    seen = findings(hypothesis.details, hypothesis.service)
    steady = [f for f in seen if watch.good and holds_steady(f, watch.settled, readings)]
    cause = [_cause(f, fresh, readings, ids, changed, steady=f in steady) for f in seen]
    fragiles = [(f, c) for f, c in zip(seen, cause, strict=True) if fragile(f)] if watch.good else []
    lasting = [durable(f, c, watch.settled, readings, ids) for f, c in fragiles]
    after = health_of(watch.readings)
    worse = sorted(n for n, ok in after.items() if ok is False and before.get(n) is True)
    checks = [
        *symptom,
        *cause,
        *lasting,
        *[Check(name=n, kind="regression", ok=False, text="was good before the step") for n in worse],
    ]
    known = [c.ok for c in cause if c.ok is not None]
    return Verification(
        step_id=step_id,
        symptoms_relieved=bool(symptom) and watch.good,
        cause_repaired=all(known) if known else None,
        regressed=bool(worse),
        checks=checks,
        before=dict(before),
        after=dict(after),
        at=now,
    )


def _check_name(reading: Reading) -> str:
    return f"{reading.service}/{reading.values.get('name', reading.probe)}"


def _symptom(reading: Reading, watch: Watch, ids: Mapping[tuple[str, str, str], str]) -> Check:
    cited = ids.get((f"probe:{reading.probe}", reading.service, str(reading.values.get("name", ""))))
    return Check(
        name=f"user check {_check_name(reading)}",
        kind="symptom",
        ok=reading.ok,
        text=reading.text or ("answers" if reading.ok else "does not answer as it should"),
        evidence=[cited] if cited else [],
    )


def _cause(
    finding: Finding,
    fresh: Diagnosis,
    readings: Sequence[Reading],
    ids: Mapping[tuple[str, str, str], str],
    changed: Sequence[str],
    *,
    steady: bool,
) -> Check:
    still = condition_seen(finding, fresh)
    could_read = any(r.service in (finding.service, finding.target) and r.ok is not None for r in readings)
    around = still and finding.service not in changed
    ok = None if around or (still and steady) or not (still or could_read) else not still
    text = "is still there, the step leads around it" if around else _CAUSE_WORDS[ok]
    text = "it was started often, and runs now" if still and steady else text
    cited = [
        i for (source, service, _), i in ids.items() if service == finding.service and source not in _HEALTH_SOURCES
    ]
    return Check(
        name=f"cause {finding.condition.value} at {finding.service}", kind="cause", ok=ok, text=text, evidence=cited[:2]
    )


_CAUSE_WORDS = {True: "is gone", False: "is still there", None: "could not be read"}


TOLD_APART_BY: Mapping[Condition, str] = {Condition.RELEASE_REGRESSED: "version"}
"""The fact that makes two such conditions at one place two: after a rollback the former version is another release."""


def condition_seen(finding: Finding, diagnosis: Diagnosis) -> bool:
    """Whether a diagnosis still reads this condition at this place."""
    seen = [f for h in diagnosis.hypotheses for f in findings(h.details, h.service)]
    return any(_same(finding, f) for f in seen)


def _same(one: Finding, other: Finding) -> bool:
    if (one.condition, one.service) != (other.condition, other.service):
        return False
    fact = TOLD_APART_BY.get(one.condition, "")
    known = {f.facts[fact] for f in (one, other) if fact in f.facts}
    return len(known) < 2


_HEALTH_SOURCES = tuple(f"probe:{p}" for p in HEALTH_PROBES)


def as_evidence(readings: Sequence[Reading], taken: Sequence[str]) -> list[Evidence]:
    """Readings as evidence with fresh ids after those taken."""
    start = max((int(i[1:]) for i in taken if i[1:].isdigit()), default=0)
    return [
        Evidence(
            id=f"E{number}",
            kind="reading",
            source=f"probe:{r.probe}",
            service=r.service,
            time=datetime.fromtimestamp(r.time, UTC),
            excerpt=r.text or r.data_gap or f"{r.probe} of {r.service}: {'ok' if r.ok else 'not ok'}",
            supports=AFTER_STEP,
            data=r.values,
            tainted=False,
        )
        for number, r in enumerate(readings, start + 1)
    ]


class Verifier:
    """Asks a mind for doubts; it may doubt a cure, never confirm one that the probes deny."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def second_opinion(
        self, verification: Verification, plan: Plan, hypothesis: Hypothesis
    ) -> Answered[Verification]:
        """The same verification, with doubts noted as checks. Raises what the reasoner raises."""
        answered = await ask(
            self._reasoner, VerifyQuestion(verification=verification, plan=plan, hypothesis=hypothesis)
        )
        doubts = [
            Check(name=f"doubt of {answered.by}", kind="durable", ok=None, text=s.text, evidence=s.evidence)
            for s in answered.answer.doubts
        ]
        noted = verification.model_copy(update={"checks": [*verification.checks, *doubts]})
        return Answered(answer=noted, by=answered.by, fell_back=answered.fell_back)
