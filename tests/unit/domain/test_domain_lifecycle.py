"""The lifecycle's one table is total, and says what the specification says."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import (
    NODE_PHASE,
    TABLE,
    OutputType,
    Phase,
    RunResult,
    RuntimeStatus,
    may_move,
    may_stand,
    run_result,
)

ENDED = {Phase.EXIT, Phase.REVOKED}
SPECIFIED = {
    ("BOOTSTRAP", "PREFLIGHT"),
    ("PREFLIGHT", "PLAN"),
    ("PLAN", "EXECUTE"),
    ("EXECUTE", "VERIFY"),
    ("VERIFY", "PACKAGE"),
    ("PACKAGE", "REPORT"),
    ("REPORT", "EXIT"),
    ("VERIFY", "PLAN"),
    ("VERIFY", "EXECUTE"),
    ("EXECUTE", "PLAN"),
    ("PREFLIGHT", "PACKAGE"),
    ("PLAN", "PACKAGE"),
    ("EXECUTE", "PACKAGE"),
}
"""Every move of the specification but REVOKED."""


def test_exactly_the_specified_moves_are_legal() -> None:
    """All pairs of phases, one by one."""
    assert set(TABLE) == set(Phase)
    for now, then in product(Phase, Phase):
        revoked = then is Phase.REVOKED and now not in ENDED
        assert may_move(now, then) == (now is then or revoked or (now.value, then.value) in SPECIFIED), (now, then)
        assert now.terminal == (now in ENDED)


def test_every_pair_of_phase_and_status_is_decided() -> None:
    """Who has ended has a final status; who is revoked nothing else; pauses stand where plans and people are."""
    legal = {(p, s) for p, s in product(Phase, RuntimeStatus) if may_stand(p, s)}
    assert {p for p, _ in legal} == set(Phase)
    assert {s for _, s in legal} == set(RuntimeStatus)
    assert {p for p, s in legal if s is RuntimeStatus.COMPLETED} == {Phase.EXIT}
    assert {(p, s) for p, s in legal if Phase.REVOKED is p or s is RuntimeStatus.REVOKED} == {
        (Phase.REVOKED, RuntimeStatus.REVOKED)
    }
    paused = {p for p, s in legal if s is RuntimeStatus.PAUSED}
    assert paused == {Phase.PREFLIGHT, Phase.PLAN, Phase.EXECUTE, Phase.VERIFY}
    assert {p for p, s in legal if s in (RuntimeStatus.PENDING, RuntimeStatus.STARTING)} == {Phase.BOOTSTRAP}


def test_statuses_know_what_they_owe() -> None:
    """A paused agent owes no heartbeat, neither does one that has not started or has ended."""
    assert {s for s in RuntimeStatus if s.owes_heartbeat} == {"STARTING", "RUNNING", "RECOVERING"}
    assert {s for s in RuntimeStatus if s.terminal} == {"COMPLETED", "FAILED", "REVOKED"}


def test_outputs_are_as_final_as_their_phase() -> None:
    """ALPHA, BETA and GAMMA by phase."""
    drafts = {p for p in Phase if p.output is OutputType.ALPHA}
    assert drafts == {Phase.BOOTSTRAP, Phase.PREFLIGHT, Phase.REVOKED}
    assert {p for p in Phase if p.output is OutputType.BETA} == {Phase.PLAN, Phase.EXECUTE}


def test_every_node_has_a_phase() -> None:
    """No node of the walk is without its milestone."""
    assert set(NODE_PHASE.values()) == set(Phase) - {Phase.REVOKED}


@given(st.text(max_size=20))
def test_an_outcome_that_nobody_knows_is_an_error(outcome: str) -> None:
    """Total: every text has a result, and only good ends are successes."""
    assert run_result(outcome) in RunResult
    assert (run_result(outcome) is RunResult.SUCCESS) == (outcome in {"mitigated", "healthy", "external"})
