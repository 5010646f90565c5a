"""Skills in an incident: a trusted one goes before loose actions, the plan names it and its record, and failure ends its trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.action import Outcome, Verdict
from domain.incident import IncidentStatus
from graph.services import Services
from graph.skills.incident import IncidentSkills
from skills.field import INCIDENT
from skills.report import RunStatus
from skills.store import Standing, Trust
from skills.trust import trust_of
from tests.fakes.house import House
from tests.fakes.world import World
from tests.unit.skills.trial import PAUSED, RESUME, SERVED, Trial

SKILL: dict[str, Any] = {
    **RESUME,
    "actions": [{"name": "anew", "action": "restart_service", "target": "${service}", "effect": "transient"}],
    "metadata": {**RESUME["metadata"], "fault_classes": ["some_fault"]},
}


class SkilledHouse(House):
    """A house whose planner has a shelf of skills."""

    trial: Trial

    @property
    def services(self) -> Services:
        return replace(super().services, skilled=IncidentSkills(self.trial.bench))


def house(trial: Trial, trust: Trust | None) -> SkilledHouse:
    found = SkilledHouse(trial.world)
    found.trial = trial
    package, skill = trial.bench.shelf.procedure("paused-process")
    if trust is not None:
        standing = Standing(
            skill=skill.name,
            version=skill.version,
            digest=package.digest,
            trust=trust,
            by="ada",
            at=trial.clock.now(),
        )
        trial.bench.store.stand(standing)
    return found


async def test_a_trusted_skill_goes_before_loose_actions(tmp_path: Path) -> None:
    """The planner would resume the process; the skill restarts it, and the plan says whose it is and its record."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"restart_service api", "resume_process api"}), skill=SKILL)
    answer = await house(trial, Trust.TRUSTED).run(verify_s=0.1, patience_s=0.2)
    assert trial.world.effects == ["restart_service api"]
    assert answer["plan"].source == "skill paused-process 1.0.0 (trusted)"
    assert answer["plan"].steps[0].evidence
    assert any("never run; it goes before loose actions" in e.text for e in answer["timeline"])
    assert answer["status"] is IncidentStatus.RESOLVED


async def test_what_it_came_to_stands_in_its_record(tmp_path: Path) -> None:
    """As a run like any other: steps, the incident's look, its own criteria, hidden checks counted; the next plan says it."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"restart_service api"}), skill=SKILL)
    found = house(trial, Trust.TRUSTED)
    answer = await found.run(verify_s=0.1, patience_s=0.2)
    (report,) = trial.bench.store.runs("paused-process")
    assert (report.status, report.incident, report.trust) == (RunStatus.SUCCEEDED, "inc-1", "trusted")
    assert [(s.name, s.outcome, s.verdict) for s in report.steps] == [("anew", Outcome.SUCCEEDED, Verdict.ALLOW)]
    assert [(s.name, s.holds) for s in report.visible] == [(INCIDENT, True), ("fine", True)]
    assert [(s.name, s.holds) for s in report.hidden] == [("hidden-1", True)]
    assert [(change, row["event"]) for _, change, row in trial.notes] == [("inc-1", "skill.ran")]
    record = "skill paused-process 1.0.0 succeeded; 1 of 1 runs kept the promise"
    assert [e.text for e in answer["timeline"] if e.event == "skill.recorded"] == [record]
    trial.world.wrong[PAUSED] = {}
    again = house(trial, None)
    answer = await again.run(verify_s=0.1, patience_s=0.2)
    assert any("1 of 1 runs kept the promise; it goes before loose actions" in e.text for e in answer["timeline"])


async def test_a_cure_that_breaks_something_out_of_sight_ends_its_trust(tmp_path: Path) -> None:
    """The incident is resolved; the skill's hidden check says what that cost."""
    costly = [{**SERVED, "name": "warm", "service": "postgres"}]
    world = World(wrong={PAUSED: {}}, mends={"restart_service api"})
    trial = Trial(tmp_path, world, skill=SKILL, hidden=costly)
    found = house(trial, Trust.TRUSTED)
    looks = trial.bench.probes

    async def run(names: Any = None, services: Any = None) -> Any:
        rows = await looks.run(names, services)
        return [replace(r, ok=False) if r.service == "postgres" else r for r in rows]

    found.trial = trial
    trial.probes = SimpleNamespace(run=run)
    answer = await found.run(verify_s=0.1, patience_s=0.2)
    assert answer["status"] is IncidentStatus.RESOLVED
    (report,) = trial.bench.store.runs("paused-process")
    assert (report.status, [s.holds for s in report.hidden]) == (RunStatus.FAILED, [False])
    assert trial.bench.store.history("paused-process")[-1].trust is Trust.QUARANTINED


async def test_a_skill_that_changed_meanwhile_is_another_skill(tmp_path: Path) -> None:
    """What the new bytes promise was not tried: nothing is written to their record, and the timeline says why."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"restart_service api"}), skill=SKILL)
    found = house(trial, Trust.TRUSTED)
    found.guard.after_effect = lambda: trial.write({**SKILL, "version": "1.0.1", "actions": SKILL["actions"] * 2})
    answer = await found.run(verify_s=0.1, patience_s=0.2)
    assert answer["status"] is IncidentStatus.RESOLVED
    assert trial.bench.store.runs("paused-process") == []
    assert any("could not be kept: paused-process changed since it planned" in e.text for e in answer["timeline"])


async def test_a_refused_plan_is_blocked_and_says_nothing_against_the_skill(tmp_path: Path) -> None:
    """Governance wants no restart here: another plan is made, and the skill stays in use."""
    world = World(wrong={PAUSED: {}}, mends={"resume_process api"})
    trial = Trial(tmp_path, world, skill=SKILL)
    found = house(trial, Trust.TRUSTED)
    found.guard.verdicts["restart_service"] = Verdict.DENY
    await found.run(verify_s=0.1, patience_s=0.2)
    (report,) = trial.bench.store.runs("paused-process")
    assert (report.status, world.effects) == (RunStatus.BLOCKED, ["resume_process api"])
    assert "governance denied it" in report.notes[0]
    assert trial.bench.store.history("paused-process")[-1].trust is Trust.TRUSTED


@pytest.mark.parametrize("trust", [None, Trust.VALIDATED, Trust.REHEARSED, Trust.QUARANTINED])
async def test_only_a_trusted_one(trust: Trust | None, tmp_path: Path) -> None:
    """Anything less leaves the plan as it was."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"resume_process api"}), skill=SKILL)
    answer = await house(trial, trust).run(verify_s=0.1, patience_s=0.2)
    assert (trial.world.effects, answer["plan"].source) == (["resume_process api"], "rules")


async def test_a_skill_whose_preconditions_do_not_hold_stays_on_the_shelf(tmp_path: Path) -> None:
    """It would be blocked, so it is not proposed."""
    unmet = {**SKILL, "preconditions": [{**SKILL["preconditions"][0], "expect": {"ok": True}}]}
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"resume_process api"}), skill=unmet)
    answer = await house(trial, Trust.TRUSTED).run(verify_s=0.1, patience_s=0.2)
    assert answer["plan"].source == "rules"


async def test_a_skill_that_does_not_cure_leaves_the_field(tmp_path: Path) -> None:
    """The next plan is made of loose actions, and the skill is in quarantine with the incident as evidence."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"resume_process api"}), skill=SKILL)
    found = house(trial, Trust.TRUSTED)
    answer = await found.run(verify_s=0.1, patience_s=0.2)
    assert trial.world.effects == ["restart_service api", "resume_process api"]
    assert answer["status"] is IncidentStatus.RESOLVED
    package, _ = trial.bench.shelf.procedure("paused-process")
    assert trust_of(package, trial.bench.store) is Trust.QUARANTINED
    assert trial.bench.store.history("paused-process")[-1].evidence[0] == "inc-1"
    (report,) = trial.bench.store.runs("paused-process")
    assert (report.status, report.failure and report.failure.step) == (RunStatus.FAILED, INCIDENT)
    assert any("VERIFICATION_FAILED" in e.text and "0 of 1 runs" in e.text for e in answer["timeline"])
