"""The words of deployment contracts: levels, states, digests."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SystemClock
from domain.contract import Canary, Contract, ContractStatus, DataLoss, Rollback
from domain.risk import Risk, RiskLevel


def contract(**changes: object) -> Contract:
    now = SystemClock().now()
    plain = Contract(
        id="con-1",
        deployment="dep-1",
        service="payments",
        context="0" * 64,
        risk=Risk(score=10, level=RiskLevel.LOW, confidence=1),
        guardrails=[],
        canary=Canary(required=False),
        validators=[],
        rollback=Rollback(possible=True, window_s=300, data_loss_risk=DataLoss.NONE),
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    return plain.model_copy(update=changes)


def test_levels_change_exactly_at_their_thresholds() -> None:
    """70, 50 and 30 belong to the higher level; the source's sample of 72.5 is critical."""
    scores = {0: "low", 29.99: "low", 30: "medium", 49.99: "medium", 50: "high", 69.99: "high", 70: "critical"}
    assert {s: RiskLevel.of(s).value for s in scores} == scores
    assert RiskLevel.of(72.5) is RiskLevel.CRITICAL
    assert RiskLevel.of(100) is RiskLevel.CRITICAL


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_higher_score_never_has_a_lower_level(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert RiskLevel.of(high).at_least(RiskLevel.of(low))


def test_every_state_is_reached_and_terminal_ones_end_it() -> None:
    """The table of moves is total: each state but the first is somebody's next one."""
    reached = {after for before in ContractStatus for after in before.next}
    assert reached == set(ContractStatus) - {ContractStatus.DRAFT}
    ends = {s.value for s in ContractStatus if s.terminal}
    assert ends == {"rejected", "expired", "rolled_back", "fulfilled"}


def test_the_digest_follows_the_terms_and_not_the_clock() -> None:
    """A new commit changes what an approval is bound to; a later time or another status does not."""
    first = contract()
    assert contract(id=first.id, status=ContractStatus.APPROVED).terms_digest() == first.terms_digest()
    assert contract(head="abc").terms_digest() != first.terms_digest()
    assert first.document()["digest"] == first.terms_digest()
