"""Gates: people's answers, or named reviewers that vote with reasons."""

from __future__ import annotations

from typing import Any

from domain.errors import FirebreakError
from domain.pipeline import ConsensusGate, Gate, PeopleGate
from graph.nodes.walk import knobs_of
from graph.pipelines.conditions import holds
from graph.pipelines.stages import StageAnswer, StageCall, StageWork
from graph.pipelines.state import context

APPROVE, REJECT, EXPIRED = "approve", "reject", "expired"


def gate_work(gate: Gate) -> StageWork:
    """The work of a gate stage."""
    if gate.approval is not None:
        return _people(gate.approval)
    assert gate.consensus is not None, "a gate has one of the two"
    return _reviewers(gate.consensus)


def _people(gate: PeopleGate) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        if "decision" not in call.asked:
            return StageAnswer(asks={"gate": gate.question, "quorum": gate.quorum, "allowed": [APPROVE, REJECT]})
        return answered(gate, call.asked)

    return work


def answered(gate: PeopleGate, answer: Any) -> StageAnswer:
    """What people's word means; only `approve` with enough distinct names opens the gate."""
    votes = list(answer.get("votes", []))
    people = sorted({v["by"] for v in votes if v.get("decision") == APPROVE})
    artifacts = {"question": gate.question, "votes": votes}
    if answer["decision"] == APPROVE and len(people) >= gate.quorum:
        return StageAnswer(artifacts=artifacts)
    if answer["decision"] == EXPIRED:
        return StageAnswer(artifacts=artifacts, error="nobody answered in time")
    no = next((v for v in votes if v.get("decision") == REJECT), None)
    why = f"{no['by']} said no: {no.get('reason') or 'no reason given'}" if no else f"{len(people)} of {gate.quorum}"
    return StageAnswer(artifacts=artifacts, error=f"not approved: {why}")


def _reviewers(gate: ConsensusGate) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        seen = context(call.state, knobs_of(call.runtime))
        votes = [_vote(r.name, r.approves_if, r.because, seen) for r in gate.reviewers]
        yes = sum(v["approves"] for v in votes)
        passed = yes >= gate.quorum and yes > len(votes) - yes
        artifacts = {"question": gate.question, "votes": votes, "yes": yes, "no": len(votes) - yes}
        against = "; ".join(f"{v['reviewer']}: {v['reason']}" for v in votes if not v["approves"])
        wanted = f"{yes} of {len(votes)} approve, {gate.quorum} and a majority are needed"
        return StageAnswer(artifacts=artifacts, error="" if passed else f"{wanted}: {against}")

    return work


def _vote(name: str, condition: str, because: str, seen: dict[str, Any]) -> dict[str, Any]:
    try:
        approves = holds(condition, seen)
    except FirebreakError as error:
        return {"reviewer": name, "approves": False, "reason": f"could not decide: {error.found or error.message}"}
    return {"reviewer": name, "approves": approves, "reason": because if approves else f"not so: {because}"}
