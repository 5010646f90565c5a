"""A drill: break the patient, say nothing, and watch from outside what the responder makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from chaos.commitment import Label, Sealed, seal
from chaos.errors import ChaosError
from chaos.experiment import Request
from chaos.following import POLL_S, Following
from chaos.gate import Gate
from chaos.lease import Lease, LeaseState, LeaseStore
from chaos.model import all_ok
from chaos.oracle import (
    Baseline,
    OracleVerdict,
    broken_invariants,
    judge,
    own_damage,
    steady_state,
    take_baseline,
)
from chaos.order import DrillOrder, Tell
from chaos.outside import OutsideWatch, watched
from chaos.responder import Door, Responder
from chaos.score import Examination, Watch, score
from chaos.site import Site
from domain.drills import DrillLedger, DrillPhase, DrillResult
from domain.errors import FirebreakError
from domain.incident import Incident, IncidentStatus
from domain.value import new_id

QUIET_S = 45.0
"""How long an incident from before may take to end by itself."""
LEAST_DURABLE_S = 10.0
"""The oracle itself looks at least so long, however long the outside watch has seen good service already."""


class Drill:
    """One run from steady state to score. Use once."""

    def __init__(
        self,
        order: DrillOrder,
        *,
        site: Site,
        gate: Gate,
        store: LeaseStore,
        responder: Responder,
        door: Door,
        tell: Tell,
    ) -> None:
        self._order = order
        self._site = site
        self._gate = gate
        self._store = store
        self._responder = responder
        self._door = door
        self._tell = tell

    async def run(self) -> DrillResult:
        """Carry it out. Raises ChaosError, InjectionRefusedError or UpstreamError when it cannot be done; all is restored then."""
        started = self._site.clock.monotonic()
        await self._see_steady_state()
        known = await self._see_quiet()
        before = await take_baseline(self._site)
        sealed = await self._commit()
        async with watched(self._site) as watch:
            lease = await self._inject(sealed)
            watch.begin()
            try:
                result = await self._examine(lease, sealed, before, known, started, watch)
            finally:
                await asyncio.shield(self._restore(lease.id))
        await self._tell(DrillPhase.ENDED, _verdict(result), result.incident)
        return result

    async def _see_steady_state(self) -> None:
        await self._tell(DrillPhase.STEADY, "looking for the steady state: users browse, order and read back", None)
        seen = await steady_state(self._site)
        if not all_ok(seen):
            raise ChaosError(
                "there is no steady state to begin with",
                expected="users served and all processes running",
                found="; ".join(o.line() for o in seen if o.ok is not True),
                hint="mend the stack first: `firebreak stack status`",
            )
        await self._tell(DrillPhase.STEADY, seen[0].text, None)

    async def _see_quiet(self) -> set[str]:
        """Ids of all incidents so far, once the responder works on none of them: whatever joined one would not be seen.

        It is not waited for longer than QUIET_S, nor for what waits for a person.
        """
        end, told = self._site.clock.monotonic() + QUIET_S, False
        while True:
            rows = await self._responder.incidents()
            busy = [row.id for row in rows if not row.status.terminal and row.status is not IncidentStatus.WAITING]
            if not busy or self._site.clock.monotonic() >= end:
                return {row.id for row in rows}
            if not told:
                told = True
                words = f"waiting for the end of {', '.join(busy[:3])}, {QUIET_S:.0f} s at the most"
                await self._tell(DrillPhase.STEADY, words, None)
            await self._site.clock.sleep(POLL_S)

    async def _commit(self) -> Sealed:
        spec = self._order.fault.spec
        parameters = spec.parameterise(self._order.magnitude, self._order.parameters)
        label = Label(
            drill=self._order.drill,
            fault=spec.name,
            service=spec.service,
            fault_class=spec.fault_class,
            parameters=parameters.model_dump(mode="json"),
            magnitude=self._order.magnitude.value,
        )
        sealed = seal(label)
        content: dict[str, Any] = {
            "drill": self._order.drill,
            "commitment": sealed.commitment,
            "scheme": "sha256(salt||label)",
        }
        if not self._order.blind:
            content["label"] = label.model_dump(mode="json")
        await self._door.record("commitment", self._order.drill, content)
        await self._tell(DrillPhase.COMMITTED, f"label sealed in the ledger: {sealed.commitment[:16]}…", None)
        return sealed

    async def _inject(self, sealed: Sealed) -> Lease:
        request = Request(
            fault=sealed.label.fault,
            magnitude=self._order.magnitude,
            parameters=self._order.parameters,
            lease_s=self._order.lease_s,
            blind=self._order.blind,
            drill=self._order.drill,
            commitment=sealed.commitment,
        )
        lease = await self._gate.inject(request, change=self._order.drill)
        content = {"lease": lease.id, "commitment": sealed.commitment, "deadline": lease.deadline.isoformat()}
        await self._door.record("injection", self._order.drill, content)
        await self._tell(DrillPhase.BROKEN, "it is done; the responder has been told nothing", None)
        return lease

    async def _examine(
        self, lease: Lease, sealed: Sealed, before: Baseline, known: set[str], started: float, watch: OutsideWatch
    ) -> DrillResult:
        following = Following(
            self._order,
            lease,
            responder=self._responder,
            clock=self._site.clock,
            tell=self._tell,
            known=known,
            watch=watch,
            stands=lambda: self._stands(lease.id),
        )
        await following.page()
        own = await own_damage(self._site, before)
        incident, detected_at = await following.detect()
        if incident is not None:
            incident = await following.follow(incident)
        await self._tell(
            DrillPhase.JUDGING, "the outside oracle looks while the fault's lease still runs", _id(incident)
        )
        recovered_at = watch.served_since
        oracle = await self._judge(lease, before, recovered_at)
        if self._order.fault.spec.abstain:
            watch.demand_calm()
        if incident is not None:
            incident = await self._responder.incident(incident.id)
        seen = Watch(
            injected_at=lease.injected_at or lease.prepared_at,
            detected_at=detected_at,
            recovered_at=recovered_at or watch.served_since,
            lease_stood=self._stands(lease.id),
            approvals=len(following.asked),
            seconds=self._site.clock.monotonic() - started,
            ledger_deeds=await self._responder.deeds(incident.id) if incident else None,
        )
        return await self._open(sealed, incident, oracle, seen, own)

    async def _judge(self, lease: Lease, before: Baseline, since: datetime | None) -> OracleVerdict:
        undo = self._store.get(lease.id).undo
        if not self._stands(lease.id):
            line = "not ok: lease: it ended before the oracle could look"
            return OracleVerdict(served=False, durable=False, intact=True, lines=[line])
        if self._order.fault.spec.abstain:
            broken = await broken_invariants(self._site, before)
            seen = await steady_state(self._site, patience_s=self._order.judging.recover_s)
            lines = [o.line() for o in seen] + [
                f"{'not ok' if broken else 'ok'}: invariants: {'; '.join(broken) or 'nothing lost'}"
            ]
            return OracleVerdict(
                served=all_ok(seen), durable=all_ok(seen), intact=not broken, broken_invariants=broken, lines=lines
            )
        seen_s = (self._site.clock.now() - since).total_seconds() if since else 0.0
        asked = self._order.judging
        left_s = max(min(LEAST_DURABLE_S, asked.durable_s), asked.durable_s - seen_s)
        verdict = await judge(self._site, self._order.fault, undo, before, replace(asked, durable_s=left_s))
        line = f"outside watch: served without a break for {seen_s:.0f} s before the oracle looked"
        return verdict.model_copy(update={"lines": [line, *verdict.lines]})

    async def _open(
        self, sealed: Sealed, incident: Incident | None, oracle: OracleVerdict, seen: Watch, own: list[str]
    ) -> DrillResult:
        exam = Examination(
            drill=self._order.drill,
            spec=self._order.fault.spec,
            label=sealed.label,
            blind=self._order.blind,
            incident=incident,
            oracle=oracle,
            watch=seen,
            ledger=DrillLedger(entries=0, verified=False),
            names=self._site.inventory().names(),
            own_damage=own,
        )
        unverified = score(exam)
        opening = {
            "drill": self._order.drill,
            "commitment": sealed.commitment,
            "salt": sealed.salt,
            "label": sealed.label.model_dump(mode="json"),
            "score": unverified.model_dump(mode="json", include=SCORED),
        }
        await self._door.record("opening", self._order.drill, opening)
        await self._tell(
            DrillPhase.OPENED, f"the label was {sealed.label.fault} on {sealed.label.service}", _id(incident)
        )
        return unverified.model_copy(update={"ledger": await self._responder.ledger()})

    async def _restore(self, lease_id: str) -> None:
        lease = await self._gate.restore(lease_id, by="drill")
        content = {"lease": lease.id, "by": lease.restored_by, "verified": lease.verified}
        with contextlib.suppress(FirebreakError):  # the fault is gone; an unreachable ledger must not hide that
            await self._door.record("restoration", self._order.drill, content)
        await self._tell(
            DrillPhase.RESTORED,
            f"what was left of it is taken back; steady state {'seen' if lease.verified else 'not seen'}",
            None,
        )

    def _stands(self, lease_id: str) -> bool:
        lease = self._store.get(lease_id)
        return lease.state is LeaseState.ACTIVE and self._site.clock.now() < lease.deadline


SCORED = {
    "fault",
    "incident",
    "detected",
    "detection_s",
    "diagnosis",
    "diagnosed",
    "mitigated",
    "mitigation_s",
    "durable",
} | {
    "harmful_actions",
    "abstained",
    "escalated",
    "rolled_back",
    "approvals",
    "oracle",
    "narrative",
}
"""Fields of the result that the opening carries, so that the score can be read from the ledger alone."""


def new_drill_id() -> str:
    """A fresh id such as `drill-4f2a9c1be07d`."""
    return new_id("drill")


def _id(incident: Incident | None) -> str | None:
    return incident.id if incident else None


def _verdict(result: DrillResult) -> str:
    if result.abstained is not None:
        return "rightly left alone" if result.abstained else "not rightly left alone"
    return (
        "mitigated and durable" if result.durable else "mitigated, not durable" if result.mitigated else "not mitigated"
    )
