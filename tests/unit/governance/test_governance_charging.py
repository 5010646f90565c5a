"""Charges and what follows them: warnings, revocation, demotion, and the way back."""

from __future__ import annotations

from domain.action import Tier
from domain.clock import ManualClock
from governance.attribution import Cause, Condition, Excuse, Suspicion
from governance.career import career
from governance.charging import WINDOW_S, Charge, charge, charges, recent_charges
from governance.conditions import declare
from governance.ledger.memory import MemoryLedger
from governance.policy import load_policy
from governance.revocation import reinstate, revocation, revoke, tell, words
from governance.seats import grant, seated, tier_of
from governance.violations import Gravity, Violation

POLICY = load_policy()


class Court:
    """A ledger with one agent at T3."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.clock)
        with self.ledger.transaction() as tx:
            grant(tx, agent="responder", tier=Tier.T3, policy=POLICY, by="operator", why="test")

    def charge(self, violation: Violation, excuse: Excuse | None = None) -> Charge:
        suspicion = Suspicion(violation=violation, agent="responder", change="inc-1", what="seen", excuse=excuse)
        with self.ledger.transaction() as tx:
            return charge(tx, suspicion, POLICY)

    @property
    def revoked(self) -> bool:
        return revocation(self.ledger, "responder") is not None

    @property
    def tier(self) -> Tier:
        return tier_of(self.ledger, "responder", POLICY)


def test_critical_revokes_and_takes_the_seat() -> None:
    """To T0, at once."""
    court = Court()
    made = court.charge(Violation.APPLY_WITHOUT_PLAN)
    assert (made.charged, made.consequence, made.tier_before, made.tier) == (True, "revoked", Tier.T3, Tier.T0)
    assert court.revoked
    assert [t.kind for t in career(court.ledger, "responder")] == ["demotion", "revocation", "violation", "grant"]


def test_high_revokes_and_costs_one_tier() -> None:
    """One tier down; at the bottom there is nothing below."""
    court = Court()
    assert court.charge(Violation.PROCEDURE_VIOLATION).tier is Tier.T2
    assert court.charge(Violation.LOCK_EXPIRED).tier is Tier.T1
    for _ in range(3):
        made = court.charge(Violation.HEARTBEAT_TIMEOUT)
    assert made.tier is Tier.T0
    assert seated(court.ledger, POLICY) == {"responder": Tier.T0}


def test_the_second_warning_revokes_and_an_old_one_does_not_count() -> None:
    """MEDIUM: a warning, then revocation; after the window it is the first again."""
    court = Court()
    assert court.charge(Violation.SCOPE_VIOLATION).consequence == "warned"
    court.clock.advance(WINDOW_S + 1)
    assert recent_charges(court.ledger, "responder") == []
    assert court.charge(Violation.FORBIDDEN_ACTION).consequence == "warned"
    assert not court.revoked
    made = court.charge(Violation.SCOPE_VIOLATION)
    assert made.consequence == "revoked"
    assert made.tier is Tier.T2
    assert court.revoked


def test_low_only_warns() -> None:
    """However often."""
    court = Court()
    for _ in range(5):
        assert court.charge(Violation.MISSING_ARTIFACT).consequence == "warned"
    assert not court.revoked
    assert court.tier is Tier.T3


def test_what_the_agent_did_not_cause_costs_nothing_and_is_on_record() -> None:
    """Not charged, recovering, with the evidence; it does not count against a later warning either."""
    court = Court()
    made = court.charge(Violation.SCOPE_VIOLATION, Excuse(cause=Cause.HUMAN, evidence="maria moved it"))
    assert (made.charged, made.consequence, made.cause) == (False, "recovering", Cause.HUMAN)
    entry = court.ledger.entries(after=made.entry - 1, limit=1)[0]
    assert entry.kind == "violation"
    assert entry.content["evidence"] == "maria moved it"
    assert not entry.content["charged"]
    assert court.charge(Violation.FORBIDDEN_ACTION).consequence == "warned"
    assert court.tier is Tier.T3
    assert [c.charged for c in charges(court.ledger, "responder")] == [True, False]
    assert len(charges(court.ledger, charged_only=True)) == 1
    assert charges(court.ledger, "somebody") == []
    assert made.gravity is Gravity.MEDIUM


def test_a_condition_on_record_excuses_its_symptom() -> None:
    """The court itself looks what was injected."""
    court = Court()
    with court.ledger.transaction() as tx:
        declare(tx, condition=Condition.LOCK_LOST, agent="", seconds=30, by="chaos")
    assert court.charge(Violation.LOCK_EXPIRED).cause is Cause.INJECTED
    assert not court.revoked


def test_a_revocation_is_told_once_and_lifted_by_a_person() -> None:
    """Telling twice changes nothing; reinstating twice neither."""
    court = Court()
    with court.ledger.transaction() as tx:
        tell(tx, "responder")
        assert revoke(tx, agent="responder", by="maria", why="looks odd", cause=Cause.HUMAN)
        assert not revoke(tx, agent="responder", by="operator", why="again", cause=Cause.HUMAN)
        tell(tx, "responder")
        tell(tx, "responder")
    record = revocation(court.ledger, "responder")
    assert record is not None
    assert record.doc["told"]
    assert "maria" in words(record)
    with court.ledger.transaction() as tx:
        assert not reinstate(tx, agent="responder", by="guard", why="ended", cause=Cause.INJECTED)
        assert reinstate(tx, agent="responder", by="maria", why="it was fine")
        assert not reinstate(tx, agent="responder", by="maria", why="again")
    assert not court.revoked


def test_an_injected_revocation_ends_by_itself_and_shields_from_nothing() -> None:
    """After its time it is over; a charge in between is in earnest."""
    court = Court()
    until = (court.clock.now().replace(second=30)).isoformat()
    with court.ledger.transaction() as tx:
        assert revoke(tx, agent="responder", by="guard", why="drill", cause=Cause.INJECTED, until=until)
        assert not revoke(tx, agent="responder", by="guard", why="drill", cause=Cause.INJECTED, until=until)
    assert court.revoked
    court.clock.advance(31)
    assert not court.revoked
    with court.ledger.transaction() as tx:
        assert revoke(tx, agent="responder", by="guard", why="drill", cause=Cause.INJECTED, until="")
    court.charge(Violation.PROCEDURE_VIOLATION)
    with court.ledger.transaction() as tx:
        assert not reinstate(tx, agent="responder", by="guard", why="ended", cause=Cause.INJECTED)
    assert court.revoked
