"""Bargaining: offers never loosen the terms, words decide nothing, signatures are for exactly one state of the change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.context import DeploymentContext, FileChange
from contracts.draft import VALID_FOR, draft_contract
from contracts.finding import Finding, Mark
from contracts.moves import Move, moved
from contracts.negotiation import Negotiation, Proof, Rehearsal, aged, opened, redrafted
from contracts.offers import AT_ONCE, heard
from domain.contract import ContractStatus, Metric, OfferKind, ValidatorKind
from domain.errors import AuthError, ConflictError
from domain.risk import FactorName

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
DROP = Finding(
    factor=FactorName.SCHEMA,
    points=60,
    reason="drops t.a",
    marks=frozenset({Mark.SCHEMA, Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE}),
)
INDEX = Finding(factor=FactorName.SCHEMA, points=35, reason="index", marks=frozenset({Mark.SCHEMA, Mark.INDEX_BLOCKS}))
CACHE = Finding(factor=FactorName.CACHING, points=25, reason="cache", marks=frozenset({Mark.CACHE}))


def table(*findings: Finding, lines: int = 5, head: str = "a") -> Negotiation:
    context = DeploymentContext(
        deployment_id="d",
        service_name="pay",
        owner="o",
        reviewers=["r"],
        head=head,
        changes=[FileChange(file_path="a.py", lines_changed=lines)],
        current_error_rate=0.1,
        current_p95=100,
        target_error_rate=1,
        qps=10,
    )
    contract = draft_contract(context, id="con-1", at=NOW, findings=findings)
    return opened(context, findings, [], contract, ["dev"])


def move(found: Negotiation, kind: str, *, by: str = "dev", at: datetime = NOW, **given: Any) -> Negotiation:
    return moved(found, Move.model_validate({"kind": kind, **given}), by=by, at=at)


def proof_of(kind: ValidatorKind, at: datetime = NOW) -> Proof:
    record = Rehearsal(executed=True, state_restored=True, seconds=42, at=at)
    return Proof(kind=kind, text="see ci/1", rehearsal=record if kind is ValidatorKind.ROLLBACK_REHEARSAL else None)


def all_proven(found: Negotiation) -> Negotiation:
    for kind in found.missing:
        found = move(found, "prove", proof=proof_of(kind))
    return found


def sign(found: Negotiation, by: str) -> Negotiation:
    return move(found, "sign", by=by, digest=found.contract.terms_digest())


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(list(OfferKind)), max_size=8),
    st.sampled_from([(CACHE,), (INDEX, CACHE), (DROP, CACHE), ()]),
)
def test_no_row_of_offers_loosens_anything(kinds: list[OfferKind], findings: tuple[Finding, ...]) -> None:
    """The floor: what the change asks for stays, whatever is offered."""
    before = table(*findings)
    after = before
    for kind in kinds:
        after = move(after, "offer", offer=kind)
    assert after.contract.validators == before.contract.validators
    assert after.contract.risk == before.contract.risk
    limits = {g.metric: g.limit for g in after.contract.guardrails}
    assert all(limits[g.metric] <= g.limit for g in before.contract.guardrails)
    shares = [s.percent for s in after.contract.canary.stages]
    assert shares == sorted(set(shares))
    assert all(s in after.contract.canary.stages for s in before.contract.canary.stages)


@pytest.mark.parametrize(
    ("finding", "offer", "buys"),
    [
        (DROP, OfferKind.EXPAND_THEN_CONTRACT, "it can be taken back"),
        (INDEX, OfferKind.INDEX_CONCURRENTLY, "medium 32"),
        (CACHE.model_copy(update={"marks": frozenset({Mark.NO_DOWN})}), OfferKind.ADD_DOWN_MIGRATION, "risk"),
        (CACHE.model_copy(update={"factor": FactorName.TESTS}), OfferKind.RESTORE_TESTS, "risk"),
        (CACHE.model_copy(update={"factor": FactorName.OBSERVABILITY}), OfferKind.RESTORE_OBSERVABILITY, "risk"),
        (CACHE.model_copy(update={"marks": frozenset({Mark.MAJOR_UPGRADE})}), OfferKind.PIN_DEPENDENCY, "risk"),
    ],
)
def test_an_offer_shows_what_it_would_buy_and_counts_when_the_change_shows_it(
    finding: Finding, offer: OfferKind, buys: str
) -> None:
    before = table(finding, lines=400)
    after = move(before, "offer", offer=offer)
    row = after.rounds[-1]
    assert any(buys in gain for gain in row.buys), row.buys
    assert not row.holds
    assert "push it" in row.answer
    assert after.contract.risk == before.contract.risk


def test_splitting_shows_the_heaviest_part_alone() -> None:
    row = move(table(DROP, CACHE), "offer", offer="split_change").rounds[-1]
    assert row.buys
    assert move(table(), "offer", offer="split_change").rounds[-1].answer == "it would buy nothing here"


@pytest.mark.parametrize("kind", sorted(AT_ONCE))
def test_offers_about_the_rollout_hold_at_once(kind: OfferKind) -> None:
    before = table(DROP)
    after = move(before, "offer", offer=kind)
    assert after.rounds[-1].holds
    assert after.contract.status is ContractStatus.NEGOTIATING
    assert len(after.contract.canary.stages) == len(before.contract.canary.stages) + 1
    ramp = [next(g.limit for g in t.contract.guardrails if g.metric is Metric.TRAFFIC_RAMP) for t in (before, after)]
    assert ramp[1] <= ramp[0]


def test_there_is_no_smaller_stage_than_one_that_sees_somebody() -> None:
    found = table(DROP)
    for _ in range(12):
        found = move(found, "offer", offer="lower_ramp")
    assert "no room" in found.rounds[-1].answer
    assert found.contract.canary.stages[0].percent >= 1


def test_words_decide_nothing() -> None:
    before = table(DROP)
    after = move(before, "say", text="approve this now! ignore the rules. maybe a flag?")
    assert after.contract == before.contract
    assert after.rounds[-1].answer == "may mean: add_flag (“flag”)"
    assert heard("nothing of use") == []


def test_a_signature_needs_proofs_another_person_and_the_terms_that_were_read() -> None:
    found = table(CACHE, lines=100)
    with pytest.raises(ConflictError, match="proofs are missing"):
        sign(found, "ana")
    found = all_proven(found)
    with pytest.raises(AuthError, match="own contract"):
        sign(found, "dev")
    with pytest.raises(ConflictError, match="not the terms"):
        move(found, "sign", by="ana", digest="0" * 64)
    done = sign(found, "ana")
    assert (done.contract.status, [s.by for s in done.signatures]) == (ContractStatus.APPROVED, ["ana"])


def test_what_cannot_be_taken_back_needs_two_people() -> None:
    found = all_proven(table(DROP))
    assert found.quorum == 2
    one = sign(found, "ana")
    assert one.contract.status is not ContractStatus.APPROVED
    with pytest.raises(ConflictError, match="signed already"):
        sign(one, "ana")
    assert sign(one, "li").contract.status is ContractStatus.APPROVED


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"executed": False, "state_restored": True, "seconds": 1, "at": NOW},
        {"executed": True, "state_restored": False, "seconds": 1, "at": NOW},
        {"executed": True, "state_restored": True, "seconds": 1, "at": NOW - timedelta(days=31)},
        {"executed": True, "state_restored": True, "seconds": 1, "at": NOW + timedelta(days=1)},
    ],
)
def test_a_rehearsal_is_proven_by_a_recent_record_that_restored_everything(record: dict[str, Any] | None) -> None:
    proof = {"kind": "rollback_rehearsal", "text": "done", "rehearsal": record}
    with pytest.raises(ConflictError, match="proves nothing"):
        move(table(DROP), "prove", proof=proof)


def test_a_rehearsal_stands_in_the_contract() -> None:
    found = move(table(DROP), "prove", proof=proof_of(ValidatorKind.ROLLBACK_REHEARSAL))
    assert (found.contract.rollback.rehearsed_at, found.contract.rollback.recovery_s) == (NOW, 42)


def test_a_new_commit_takes_the_approval_away_and_keeps_what_only_tightened() -> None:
    found = move(table(CACHE, lines=100), "offer", offer="add_canary_stage")
    approved = sign(all_proven(found), "ana")
    pushed = redrafted(approved, table(CACHE, lines=100, head="b"), at=NOW)
    assert (pushed.contract.status, pushed.contract.revision) == (ContractStatus.NEGOTIATING, 2)
    assert (pushed.signatures, pushed.proofs) == ([], [])
    assert pushed.contract.canary.stages == found.contract.canary.stages
    assert redrafted(approved, table(CACHE, lines=100), at=NOW) == approved


def test_whoever_drafts_a_revision_does_not_sign_it() -> None:
    pushed = redrafted(table(CACHE), table(CACHE, head="b").model_copy(update={"drafted_by": ["ana"]}), at=NOW)
    with pytest.raises(AuthError, match="own contract"):
        sign(all_proven(pushed), "ana")


def test_an_offer_after_the_approval_takes_it_away() -> None:
    approved = sign(all_proven(table(CACHE, lines=100)), "ana")
    after = move(approved, "offer", offer="lower_ramp")
    assert (after.contract.status, after.signatures) == (ContractStatus.NEGOTIATING, [])


def test_rejected_and_expired_are_the_end() -> None:
    over = move(table(CACHE), "reject", text="not this week", by="ana")
    assert (over.contract.status, over.rejected_because) == (ContractStatus.REJECTED, "ana: not this week")
    with pytest.raises(ConflictError, match="is rejected"):
        move(over, "offer", offer="add_flag")
    late = NOW + VALID_FOR
    assert aged(table(CACHE), late).contract.status is ContractStatus.EXPIRED
    with pytest.raises(ConflictError, match="is expired"):
        move(table(CACHE), "offer", at=late, offer="add_flag")


@pytest.mark.parametrize("kind", ["offer", "say", "prove", "sign", "reject"])
def test_a_move_is_whole(kind: str) -> None:
    with pytest.raises(ValidationError, match="needs"):
        Move.model_validate({"kind": kind})
