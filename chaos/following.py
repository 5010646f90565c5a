"""Following the responder from outside during a drill: page it, see it wake up, watch what it does, answer what it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from chaos.lease import Lease
from chaos.order import DrillOrder, Tell
from chaos.outside import OutsideWatch
from chaos.responder import Responder
from chaos.score import deeds
from domain.clock import Clock
from domain.drills import DrillPhase
from domain.errors import UpstreamError
from domain.incident import Incident, IncidentStatus

POLL_S = 0.4
RECOVERED_S = 1.5
"""So long without a failed visit counts as a recovery worth telling."""


class Following:
    """What the responder makes of one injected fault. `known`: incidents from before; `stands`: whether the lease still runs."""

    def __init__(
        self,
        order: DrillOrder,
        lease: Lease,
        *,
        responder: Responder,
        clock: Clock,
        tell: Tell,
        known: Collection[str],
        watch: OutsideWatch,
        stands: Callable[[], bool],
    ) -> None:
        self._order = order
        self._lease = lease
        self._injected_at = lease.injected_at or lease.prepared_at
        self._responder = responder
        self._clock = clock
        self._tell = tell
        self._known = known
        self._watch = watch
        self._stands = stands
        self._approved: set[str] = set()
        self.asked: set[str] = set()
        """Approvals that the responder asked for."""
        self._told_recovery = False

    async def page(self) -> None:
        """Complain as a customer would, when nothing will be broken."""
        spec = self._order.fault.spec
        if not spec.abstain:
            return
        at = self._clock.now().isoformat()
        await self._responder.page(
            {
                "id": f"pager-{self._lease.id}",
                "title": spec.page["title"],
                "summary": spec.page["summary"],
                "service": spec.service,
                "severity": "high",
                "status": "firing",
                "started_at": at,
            }
        )
        await self._tell(DrillPhase.PAGED, f"a customer's pager says: {spec.page['title']}", None)

    async def detect(self) -> tuple[Incident | None, datetime | None]:
        """The first incident that opened by itself, and when; (None, None) when none did in time."""
        end = self._clock.monotonic() + self._order.detect_s
        while self._clock.monotonic() < end:
            fresh = await self._fresh()
            if fresh:
                incident = await self._responder.incident(fresh[0])
                after = (incident.opened_at - self._injected_at).total_seconds()
                text = f"an incident opened by itself after {max(0.0, after):.1f} s: {incident.title}"
                await self._tell(DrillPhase.DETECTED, text, incident.id)
                return incident, incident.opened_at
            await self._clock.sleep(POLL_S)
        return None, None

    async def _fresh(self, besides: str = "") -> list[str]:
        """Incidents opened since, oldest first; a responder that is being restarted is waited for."""
        try:
            rows = await self._responder.incidents()
        except UpstreamError:
            return []
        return [row.id for row in sorted(rows, key=lambda r: r.opened_at) if row.id not in {*self._known, besides}]

    async def follow(self, incident: Incident) -> Incident:
        """Its last record: ended, out of time, or without the fault that it is about."""
        end = self._injected_at + timedelta(seconds=self._order.finish_s)
        shown: IncidentStatus | None = None
        while True:
            with contextlib.suppress(UpstreamError):
                incident = await self._responder.incident(incident.id)
            if incident.status is not shown:
                shown = incident.status
                phase = DrillPhase.WAITING if shown is IncidentStatus.WAITING else DrillPhase.FOLLOWING
                await self._tell(phase, _status_text(incident), incident.id)
            if incident.status is IncidentStatus.WAITING:
                await self._answer(incident.id)
            await self._recovered(incident)
            if incident.status.terminal:
                following = await self._successor(incident)
                if following is None:
                    return incident
                incident, shown = following, None
            if self._clock.now() >= end or not self._stands():
                return incident
            await self._clock.sleep(POLL_S)

    async def _recovered(self, incident: Incident) -> None:
        """Say once that users have been served again for a while after something was done."""
        since = self._watch.served_since
        if self._told_recovery or since is None or not deeds(incident) or self._order.fault.spec.abstain:
            return
        if (self._clock.now() - since).total_seconds() >= RECOVERED_S:
            self._told_recovery = True
            after = (since - self._injected_at).total_seconds()
            text = f"seen from outside: users are served again, {after:.1f} s after it broke"
            await self._tell(DrillPhase.RECOVERED, text, incident.id)

    async def _successor(self, incident: Incident) -> Incident | None:
        """A younger incident that somebody still works on, when this one was put aside although something is broken."""
        if self._order.fault.spec.abstain or incident.status is not IncidentStatus.DISMISSED:
            return None
        for other in await self._fresh(incident.id):
            found = await self._responder.incident(other)
            if not found.status.terminal:
                return found
        return None

    async def _answer(self, incident_id: str) -> None:
        with contextlib.suppress(UpstreamError):
            for approval in await self._responder.open_approvals(incident_id):
                self.asked.add(approval)
                if self._order.approve and approval not in self._approved:
                    await self._responder.approve(
                        approval, f"examination {self._order.drill}: approved by the examiner's person"
                    )
                    self._approved.add(approval)


def _status_text(incident: Incident) -> str:
    top = incident.diagnosis.top if incident.diagnosis else None
    belief = f": believes {top.fault_class} on {top.service}" if top else ""
    return f"{incident.status.value}{belief}"
