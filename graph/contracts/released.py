"""Contracts in an incident: releases as changes to cite, and the rehearsed way back as the first plan, behind the same guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import structlog

from agents.planner import PlanRequest, Proposal, assemble, plan_question, plausible
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.rollout import Rollout
from contracts.incident import as_change, at_fault, may_go_back, merged, out_since, recent, rehearsed_by, way_back
from contracts.rehearsal.files import TrialFiles
from contracts.rehearsal.opening import cache_below
from domain.alert import Change
from domain.bundle import Window
from domain.clock import Clock
from domain.conditions import Condition, findings
from domain.diagnosis import Hypothesis
from domain.errors import ToolError
from domain.inventory import Inventory
from domain.plan import Plan
from domain.reasoning import PlanAnswer, ProposedStep
from graph.changes import Changes
from graph.deploys import MOST, checkout

log = structlog.get_logger(__name__)

ReadDiff = Callable[[Rollout], Awaitable[str]]
"""What the release changed, as a diff; empty where nobody can read it."""


class Released:
    """The files are read anew each time: what is under way changes."""

    def __init__(self, rollouts: RolloutFiles, trials: TrialFiles, clock: Clock, diff: ReadDiff) -> None:
        self._rollouts, self._trials, self._clock, self._diff = rollouts, trials, clock, diff

    def among(self, recorded: Changes) -> Changes:
        """`recorded`, in which a release under a contract is one change with the contract's id, risk and diff."""

        async def changes(window: Window) -> list[Change]:
            found = await recorded(window)
            lately = [r for r in self._lately() if window[0] <= out_since(r).timestamp() <= window[1]]
            return merged(found, [(r, as_change(r, await self._diff(r))) for r in lately]) if lately else found

        return changes

    async def prefer(self, request: PlanRequest, proposal: Proposal) -> Proposal:
        """The same proposal, or the rehearsed way back of the release that the hypothesis blames."""
        lately = self._lately()
        asked = [proposal.hypothesis] if proposal.hypothesis else plausible(request.diagnosis)
        for hypothesis in asked if lately else []:
            blamed = next((r for r in lately if at_fault(hypothesis, r, _regressed(hypothesis))), None)
            if blamed is None:
                continue
            if not may_go_back(blamed):
                return _noted(proposal, f"the way back of contract {blamed.contract.id} was never rehearsed")
            plan = self._plan(request, hypothesis, blamed)
            if plan is not None:
                found = _noted(proposal, f"the rehearsed way back of contract {blamed.contract.id} goes first")
                return replace(found, plan=plan, hypothesis=hypothesis)
        return proposal

    def _lately(self) -> list[Rollout]:
        return recent(self._rollouts.all(), self._clock.now())

    def _plan(self, request: PlanRequest, hypothesis: Hypothesis, rollout: Rollout) -> Plan | None:
        """Its steps; None when one is not registered, was refused, or was tried without success.

        Versions and revisions are our own records', no text of strangers: nothing of it is tainted.
        """
        trial = rehearsed_by(rollout, self._trials.all())
        calls = way_back(rollout, trial, cache_below(rollout.service, request.inventory))
        spent = {f"{r.action} {r.target}" for r in request.tried} | set(request.refused)
        known = {spec.name for spec in request.actions}
        if any(c.action not in known or f"{c.action} {c.target}" in spent for c in calls):
            return None
        cited = _cited(request, hypothesis, rollout)
        record = f"rehearsed as {trial.id}, back in {trial.seconds:.0f} s" if trial else "rehearsed elsewhere"
        why = f"way back of contract {rollout.contract.id}, {record}{''.join(f' [{e}]' for e in cited)}"
        steps = [ProposedStep(call=call, rationale=why, evidence=cited) for call in calls]
        answer = PlanAnswer(steps=steps, summary=f"take {rollout.version} of {rollout.service} back ({record})")
        source = f"contract {rollout.contract.id} ({record})"
        plan = assemble(request, hypothesis, plan_question(request, hypothesis), answer, source)
        return plan.model_copy(update={"steps": [s.model_copy(update={"tainted_args": []}) for s in plan.steps]})


def kept_releases(home: Path) -> tuple[RolloutFiles, TrialFiles]:
    """Where a home keeps its rollouts and its rehearsals."""
    return RolloutFiles(home / "rollouts"), TrialFiles(home / "rehearsals")


def diffs(inventory: Inventory, root: Path, base: Callable[[str], str]) -> ReadDiff:
    """Diffs from the checkout that the inventory names for a service. `base`: contract → the commit it starts from."""
    known: dict[str, str] = {}

    async def read(rollout: Rollout) -> str:
        service, head = inventory.service(rollout.service), rollout.contract.head
        since = base(rollout.contract.id) if head else ""
        if rollout.id in known or not (service and service.repository and since):
            return known.get(rollout.id, "")
        try:
            known[rollout.id] = (await checkout(service, root).diff(since, head))[:MOST]
        except ToolError as error:
            log.warning("release.unread", rollout=rollout.id, error=error.message)
            return ""
        return known[rollout.id]

    return read


def _regressed(hypothesis: Hypothesis) -> set[str]:
    seen = findings(hypothesis.details, hypothesis.service)
    return {f.service for f in seen if f.condition is Condition.RELEASE_REGRESSED}


def _cited(request: PlanRequest, hypothesis: Hypothesis, rollout: Rollout) -> list[str]:
    """The release itself first, then what the hypothesis rests on."""
    own = [e.id for e in request.diagnosis.evidence if e.source == f"changes:{rollout.id}"]
    return list(dict.fromkeys((*own, *hypothesis.evidence)))[:4]


def _noted(proposal: Proposal, note: str) -> Proposal:
    return replace(proposal, notes=[*proposal.notes, note])
