"""verify: look again. Users from outside, the cause's own readings, and whether anything got worse."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime

from agents.asking import Answered
from agents.lasting import holds_steady, processes_to_watch
from agents.verifier import Watch, as_evidence, condition_seen, user_facing
from agents.verifier import verify as judge_cure
from domain.bundle import Reading
from domain.conditions import Finding, findings
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.incident import IncidentStatus, TimelineEntry
from domain.plan import Plan
from domain.report import Verification
from domain.value import digest
from graph.nodes.perceive import look_at
from graph.nodes.walk import Node, author, entry, fallback_entries, knobs_of
from graph.services import Services
from graph.state import Knobs, State
from graph.watch import watch_users

QUICK_S = 2.0
"""Patience after a step that others follow."""
LOOKS = 3
"""How often the cause's readings are looked at before it counts as still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen after a step."""

    watch: Watch
    fresh: Diagnosis
    readings: tuple[Reading, ...]


def make_verify(services: Services) -> Node:
    """Runs after every step; the last step of a plan gets the full patience."""

    async def verify(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        plan, diagnosis = state["plan"], state["diagnosis"]
        assert plan is not None, "routing sends only plans here"
        assert diagnosis is not None, "routing sends only diagnosed incidents here"
        cursor, knobs, cause = state.get("cursor", 0), knobs_of(runtime), cause_of(plan, diagnosis)
        last = cursor + 1 >= len(plan.steps)
        seen = await look(services, state, knobs, cause, patience_s=knobs.patience_s if last else QUICK_S)
        taken = [e.id for e in (*diagnosis.evidence, *seen.fresh.evidence)]
        evidence = as_evidence(telling(seen, cause), taken)
        found = judge_cure(
            step_id=plan.steps[cursor].id,
            watch=seen.watch,
            before=state.get("before", {}),
            hypothesis=cause,
            fresh=seen.fresh,
            readings=seen.readings,
            evidence=evidence,
            changed=[s.call.target for s in plan.steps[: cursor + 1]],
            now=services.clock.now(),
        )
        heard = await services.minds.verifier.second_opinion(found, plan, cause)
        now = services.clock.now()
        await services.note("observation", state["incident"], verified_note(heard))
        return {
            "verifications": [heard.answer],
            "diagnosis": carried(diagnosis, seen.fresh, evidence, cured=heard.answer.passed or not last),
            "cursor": cursor + 1,
            "status": IncidentStatus.VERIFYING,
            "timeline": [*fallback_entries(now, "verifier", heard.fell_back), verified_entry(heard.answer)],
        }

    return verify


async def look(services: Services, state: State, knobs: Knobs, cause: Hypothesis, *, patience_s: float) -> Look:
    """Users first; when they are served, the cause's readings until they are clean or the looks are used up."""
    watch = await watch_users(
        services.probes,
        services.clock,
        hold_s=knobs.verify_s,
        patience_s=patience_s,
        processes=[name for name in processes_to_watch(cause) if services.inventory.service(name)],
    )
    seen = await see_again(services, state, watch, 0)
    for round_ in range(1, LOOKS):
        if not watch.good or not any(still_there(f, seen) for f in findings(cause.details, cause.service)):
            break
        seen = await see_again(services, state, watch, round_)
    return seen


def still_there(finding: Finding, seen: Look) -> bool:
    """Whether a condition is read, and not only the trace of starts that ended."""
    return condition_seen(finding, seen.fresh) and not holds_steady(finding, seen.watch.settled, seen.readings)


async def see_again(services: Services, state: State, watch: Watch, round_: int) -> Look:
    """A fresh bundle and what perception makes of it now."""
    bundle = await services.gather(state["incident"], state.get("alerts", []), (), round_)
    fresh = await look_at(services, bundle, state.get("diagnosis"))
    return Look(watch=watch, fresh=fresh, readings=bundle.readings)


def cause_of(plan: Plan, diagnosis: Diagnosis) -> Hypothesis:
    """The hypothesis that the plan rests on; the leading one when it was reworded since."""
    same = [h for h in diagnosis.hypotheses if h.statement == plan.hypothesis]
    similar = [h for h in diagnosis.hypotheses if (h.service, h.fault_class) == (plan.service, plan.fault_class)]
    unknown = Hypothesis(rank=1, service=plan.service or "", confidence=0.0, statement=plan.hypothesis)
    return [*same, *similar, unknown][0]


def telling(seen: Look, cause: Hypothesis) -> list[Reading]:
    """The readings worth citing: what users get, and what the cause's place says now."""
    places = {p for f in findings(cause.details, cause.service) for p in (f.service, f.target)}
    users = user_facing(seen.watch.readings)
    return [*users[:4], *[r for r in seen.readings if r.service in places and r not in users][:6]]


def carried(old: Diagnosis, fresh: Diagnosis, evidence: Sequence[Evidence], *, cured: bool) -> Diagnosis:
    """After a cure the diagnosis stays as it was; after a failed one the fresh view counts. New evidence is citable."""
    base = fresh if not cured and fresh.verdict is DiagnosisVerdict.FAULT else old
    known = {e.id for e in evidence}
    return base.model_copy(update={"evidence": [*[e for e in base.evidence if e.id not in known], *evidence]})


def verified_note(heard: Answered[Verification]) -> dict[str, Any]:
    """What the ledger keeps of a look: its verdict and digest, the evidence it rests on, and who had the second opinion."""
    found = heard.answer
    return {
        "summary": verified_words(found),
        "step_id": found.step_id,
        "passed": found.passed,
        "checks": {c.name: c.ok for c in found.checks},
        "evidence": cited_in(found),
        "digest": digest(found),
        **author("verifier", heard.by, heard.fell_back),
    }


def cited_in(found: Verification) -> list[str]:
    """Evidence ids of all checks, each once."""
    return list(dict.fromkeys(e for c in found.checks for e in c.evidence))


def verified_entry(found: Verification) -> TimelineEntry:
    """What the look showed, on the timeline."""
    return entry(found.at, "step.verified", verified_words(found), evidence=cited_in(found), passed=found.passed)


def verified_words(found: Verification) -> str:
    """Users, cause, and what else was seen."""
    users = "users are served" if found.symptoms_relieved else "users are not served"
    cause = {True: "the cause is gone", False: "the cause is still there", None: "the cause could not be read again"}
    more = ["it did not last"] * (not found.lasted) + ["something else got worse"] * found.regressed
    return "; ".join([users, cause[found.cause_repaired], *more])
