"""Agents as the holder of one token sees them, and what a person may do with them. Every deed is a ledger entry."""

from __future__ import annotations

from collections.abc import Callable

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, BudgetRow, ChargeRow, Criterion, Move, RevocationReport, Turn
from domain.errors import AuthError, ConflictError, NotFoundError
from domain.findings import Finding
from domain.inventory import Environment
from governance.attribution import Condition, Standing
from governance.budget import error_rows, spent
from governance.career import career, known
from governance.charging import Charge, charges, overturn, recent_charges
from governance.claims import find_claims
from governance.findings import accept, close, findings, watch
from governance.guard.attempt import Parts
from governance.guard.trust import Trust
from governance.handoff import handoff_of
from governance.identity import Identity, Right, Role
from governance.ledger.port import Draft, Record
from governance.outcomes import review_plan, rows_of
from governance.promotion import STEPS, criteria, standings
from governance.revocation import reinstate, revocation, words
from governance.seats import Kind, reseat, seated, tier_of
from governance.tiers import LIMITS, NAMES

REVIEW = "tier_review"


class Agents:
    """Bound to the guard's parts and to whoever asks."""

    def __init__(self, parts: Parts, trust: Trust, holder: Callable[[Right], Identity]) -> None:
        self._parts = parts
        self._trust = trust
        self._holder = holder

    def all(self) -> list[AgentRow]:
        """Every agent that has a seat or a history, by name."""
        self._holder(Right.READ)
        return [self._row(agent) for agent in sorted(self._known())]

    def detail(self, agent: str) -> AgentDetail:
        """Raises NotFoundError."""
        self._holder(Right.READ)
        return self._detail(agent)

    def history(self, agent: str) -> list[Turn]:
        """Newest first. Raises NotFoundError."""
        self._holder(Right.READ)
        self._require(agent)
        return career(self._parts.ledger, agent)

    def promote(self, agent: str, to: Tier | None, why: str, *, waive: bool = False) -> Move:
        """One tier up when the record carries it; an admin may waive the record. Raises ConflictError, AuthError."""
        person = self._holder(Right.ANSWER)
        if waive:
            return self._waived(agent, to, why, person)
        self._require(agent)
        now = tier_of(self._parts.ledger, agent, self._parts.policy)
        lines = self._criteria(agent, now)
        self._check_promotion(agent, now, to, lines)
        waiting = self._people(agent, now, person, why)
        if waiting:
            return Move(agent=agent, tier=now, moved=False, text=waiting, criteria=lines)
        return self._move(agent, list(Tier)[now.level + 1], person, why, "promotion", lines)

    def demote(self, agent: str, to: Tier | None, why: str) -> Move:
        """Down by one, or to the tier that is named. Raises ConflictError when that is not below."""
        person = self._holder(Right.ANSWER)
        self._require(agent)
        now = tier_of(self._parts.ledger, agent, self._parts.policy)
        then = to or now.below
        if then.level >= now.level:
            raise ConflictError(
                f"{agent} cannot be demoted to {then.value}", expected=f"a tier below {now.value}", found=then.value
            )
        return self._move(agent, then, person, why, "demotion", [])

    async def revoke(self, agent: str, why: str) -> RevocationReport:
        """No further change by this agent, at once. Raises ConflictError when it is revoked already."""
        person = self._holder(Right.ANSWER)
        if revocation(self._parts.ledger, agent) is not None:
            raise ConflictError(f"{agent} is revoked already", expected="an agent that may act", found="revoked")
        return await self._trust.revoke(agent, by=person.name, why=why or "by a person's order")

    def reinstate(self, agent: str, why: str) -> Move:
        """Give a revoked agent back its right to act, at the tier where it sits now. Only an admin may."""
        person = self._admin()
        with self._parts.ledger.transaction() as tx:
            if not reinstate(tx, agent=agent, by=person.name, why=why):
                raise ConflictError(f"{agent} is not revoked", expected="a revoked agent", found="one that may act")
            tier = tier_of(tx, agent, self._parts.policy)
        text = f"{agent} may act again at {tier.value}"
        return Move(agent=agent, tier=tier, moved=True, text=text, entry=self._parts.ledger.head().seq)

    def overturn(self, charge_id: str, why: str) -> ChargeRow:
        """An admin finds that the agent did not cause it: what the charge took is given back."""
        person = self._admin()
        with self._parts.ledger.transaction() as tx:
            return charge_row(overturn(tx, charge_id, policy=self._parts.policy, by=person.name, why=why))

    def review(self, agent: str, plan: str, right: bool) -> None:
        """A person's word on a plan that nobody carried out: an observer's record."""
        person = self._holder(Right.ANSWER)
        with self._parts.ledger.transaction() as tx:
            environment = self._parts.policy.environment(Environment.PRODUCTION)
            review_plan(tx, agent=agent, plan=plan, environment=environment, right=right, by=person.name)

    def findings(self) -> list[Finding]:
        """What is odd about our own operation: the ledger is read on to its end first."""
        self._holder(Right.READ)
        watch(self._parts.ledger)
        return findings(self._parts.ledger)

    def accept_finding(self, finding_id: str) -> Finding:
        """A person takes its suggestion on. Raises NotFoundError, ConflictError."""
        person = self._holder(Right.ANSWER)
        with self._parts.ledger.transaction() as tx:
            return accept(tx, finding_id, person.name)

    def close_finding(self, finding_id: str, evidence: str) -> Finding:
        """It is fixed, and this shows it. Raises NotFoundError, ConflictError."""
        person = self._holder(Right.ANSWER)
        with self._parts.ledger.transaction() as tx:
            return close(tx, finding_id, person.name, evidence)

    async def inject(self, condition: Condition, agent: str, seconds: float) -> Standing:
        """A drill puts trouble of the agent plane on record. Only the chaos server's token may."""
        return await self._trust.inject(condition, agent, seconds, self._holder(Right.COMMIT).name)

    def lift(self, condition_id: str) -> Standing:
        """Raises NotFoundError."""
        return self._trust.lift(condition_id, self._holder(Right.COMMIT).name)

    def _admin(self) -> Identity:
        person = self._holder(Right.ANSWER)
        if Role.ADMIN not in person.roles:
            roles = ", ".join(sorted(role.value for role in person.roles))
            raise AuthError(f"{person.name} may not do this", expected="an admin", found=roles, code="auth.forbidden")
        return person

    def _known(self) -> set[str]:
        ledger = self._parts.ledger
        return {*seated(ledger, self._parts.policy), *known(ledger)}

    def _require(self, agent: str) -> None:
        known = self._known()
        if agent not in known:
            raise NotFoundError(
                f"no agent {agent[:80]!r} is known here",
                expected=", ".join(sorted(known)) or "none yet",
                found=agent[:80],
            )

    def _row(self, agent: str) -> AgentRow:
        ledger, policy = self._parts.ledger, self._parts.policy
        tier, revoked = tier_of(ledger, agent, policy), revocation(ledger, agent)
        status = "revoked" if revoked else "active" if agent in seated(ledger, policy) else "unseated"
        return AgentRow(
            agent=agent,
            tier=tier,
            name=NAMES[tier],
            status=status,
            revoked=words(revoked) if revoked else "",
            heartbeat=self._trust.heartbeats.last_beat(agent),
            asked=self._trust.heartbeats.last_asked(agent),
            charges=len(recent_charges(ledger, agent)),
            budgets=self._budgets(agent, tier),
        )

    def _detail(self, agent: str) -> AgentDetail:
        self._require(agent)
        ledger, row = self._parts.ledger, self._row(agent)
        rows, handoff = rows_of(ledger, agent), handoff_of(ledger, agent)
        upwards = row.tier in STEPS
        return AgentDetail(
            **row.model_dump(),
            record=standings(rows, ledger.now),
            next_tier=list(Tier)[row.tier.level + 1] if upwards else None,
            criteria=self._criteria(agent, row.tier),
            waits_for=self._waits_for(agent, row.tier),
            violations=[charge_row(c) for c in charges(ledger, agent)],
            history=career(ledger, agent)[:100],
            handoff=handoff.model_dump(mode="json") if handoff else None,
        )

    def _budgets(self, agent: str, tier: Tier) -> list[BudgetRow]:
        mine = [c for c in find_claims(self._parts.ledger) if c.agent == agent]
        if not mine:
            return []
        change, limits = mine[0].change, LIMITS[tier]
        claims = spent([c for c in mine if c.change == change])
        return [
            BudgetRow(what=f"changes in {change}", spent=len(claims), limit=limits.per_change),
            BudgetRow(what="failed steps", spent=error_rows(claims), limit=limits.errors_total),
        ]

    def _criteria(self, agent: str, tier: Tier) -> list[Criterion]:
        ledger = self._parts.ledger
        return criteria(tier, rows_of(ledger, agent), len(recent_charges(ledger, agent)), ledger.now)

    def _check_promotion(self, agent: str, now: Tier, to: Tier | None, lines: list[Criterion]) -> None:
        if revocation(self._parts.ledger, agent) is not None:
            raise ConflictError(f"{agent} is revoked", expected="an agent that may act", found="revoked")
        above = list(Tier)[now.level + 1] if now in STEPS else None
        if above is None or to not in {None, above}:
            expected = f"{above.value}, one step up" if above else "nothing is above the highest tier"
            raise ConflictError(f"{agent} sits at {now.value}", expected=expected, found=to.value if to else now.value)
        missing = [f"{c.text}: {c.found} of {c.needed}" for c in lines if not c.met]
        if missing:
            raise ConflictError(
                f"the record of {agent} does not carry {above.value}",
                expected="; ".join(f"{c.text} {c.needed}" for c in lines),
                found="; ".join(missing),
                hint="an admin may waive the record with a reason; that is a grant, and stands as one in the ledger",
                code="promotion.not_earned",
            )

    def _people(self, agent: str, now: Tier, person: Identity, why: str) -> str:
        """Whose word is still missing after this person's; empty when nobody's is."""
        step = STEPS[now]
        if not step.admin:
            return ""
        reviewed = self._parts.ledger.get(REVIEW, f"{agent}/{now.value}")
        if reviewed is not None and reviewed.doc["by"] != person.name and Role.ADMIN in person.roles:
            return ""
        if reviewed is None:
            self._keep_review(agent, now, person, why)
        return self._waits_for(agent, now)

    def _keep_review(self, agent: str, now: Tier, person: Identity, why: str) -> None:
        with self._parts.ledger.transaction() as tx:
            content = {"agent": agent, "leaves": now.value, "why": why}
            entry = tx.append(Draft(kind="review", actor=person.name, content=content))
            doc = {**content, "by": person.name, "entry": entry.seq}
            tx.put(Record(kind=REVIEW, id=f"{agent}/{now.value}", status="reviewed", at=tx.now, doc=doc))

    def _waits_for(self, agent: str, now: Tier) -> str:
        step = STEPS.get(now)
        if step is None or not step.review:
            return ""
        if not step.admin:
            return "a person who reviewed the record"
        reviewed = self._parts.ledger.get(REVIEW, f"{agent}/{now.value}")
        if reviewed is None:
            return "a person's review, and then the approval of an admin who is somebody else"
        return f"reviewed by {reviewed.doc['by']}; the approval of an admin who is somebody else"

    def _waived(self, agent: str, to: Tier | None, why: str, person: Identity) -> Move:
        self._admin()
        if to is None or not why.strip():
            raise ConflictError(
                "a grant beside the record needs a tier and a reason",
                expected="to, and why",
                found=f"{to.value if to else 'no tier'}, {'a reason' if why.strip() else 'no reason'}",
                code="promotion.unreasoned",
            )
        unmet = [c for c in self._criteria(agent, to.below) if not c.met]
        return self._move(agent, to, person, why, "grant", unmet)

    def _move(self, agent: str, to: Tier, person: Identity, why: str, kind: Kind, lines: list[Criterion]) -> Move:
        facts = {"criteria": [c.model_dump(mode="json") for c in lines]}
        with self._parts.ledger.transaction() as tx:
            entry = reseat(
                tx,
                agent=agent,
                tier=to,
                policy=self._parts.policy,
                by=person.name,
                why=why or "by a person's order",
                kind=kind,
                facts=facts,
            )
        text = f"{agent} sits at {to.value} ({NAMES[to]}) now"
        return Move(agent=agent, tier=to, moved=True, text=text, criteria=lines, entry=entry.seq)


def charge_row(charge: Charge) -> ChargeRow:
    """A charge as people see it."""
    shown = ChargeRow.model_fields.keys()
    return ChargeRow.model_validate({k: v for k, v in charge.model_dump(mode="json").items() if k in shown})
