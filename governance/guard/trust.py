"""What the guard makes of misbehaviour: suspicions become charges, charges revoke, reports of runs are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from pydantic import ValidationError

from domain.agents import RevocationReport
from domain.errors import GovernanceError
from governance.attribution import Cause, Condition, Standing, Suspicion
from governance.charging import Charge, charge
from governance.claims import Claim, Purpose, find_claims
from governance.closing import Closing, close, symptoms
from governance.conditions import declare, lift
from governance.guard.attempt import Parts
from governance.guard.harmless import diagnose, make_harmless
from governance.guard.heartbeats import Heartbeats
from governance.ledger.port import Transaction
from governance.outcomes import keep_outcomes
from governance.pulse import Pulses
from governance.reporting import SUSPICION, parse_reported
from governance.revocation import reinstate, revoke

CLOSING = "closing"
"""The ledger kind with which an agent closes a run."""


class Trust:
    """Bound to the guard's parts. Its callers have checked who asks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: set[asyncio.Task[Any]] = set()
        self.heartbeats = Heartbeats(parts.clock)

    async def check_pulses(self, pulses: Pulses) -> list[Charge]:
        """Look who is silent, and charge or excuse it. Raises StorageError when heartbeats cannot be read."""
        return await self.charge(await self.heartbeats.look(pulses))

    async def charge(self, suspicions: Sequence[Suspicion]) -> list[Charge]:
        """Attribute and write all of them, and make harmless whom they revoke."""
        if not suspicions:
            return []
        made = self._write(suspicions)
        for agent, why in _revoked(made).items():
            await self._make_harmless(agent, why=why)
        return made

    def charge_soon(self, suspicion: Suspicion) -> None:
        """Written now; what follows from it does not hold up whoever saw it."""
        for agent, why in _revoked(self._write([suspicion])).items():
            self._later(self._make_harmless(agent, why=why))

    async def revoke(
        self, agent: str, *, by: str, why: str, cause: Cause = Cause.HUMAN, until: str = ""
    ) -> RevocationReport:
        """A person's (or a drill's) revocation: durable first, then the credentials, then the work."""
        with self._parts.ledger.transaction() as tx:
            revoke(tx, agent=agent, by=by, why=why, cause=cause, until=until)
        return await self._make_harmless(agent, why=why)

    async def inject(self, condition: Condition, agent: str, seconds: float, by: str) -> Standing:
        """Put an injected condition on record; `token_revoked` is carried out here, the others by whoever injects them."""
        with self._parts.ledger.transaction() as tx:
            standing = declare(tx, condition=condition, agent=agent, seconds=seconds, by=by)
        if condition is Condition.TOKEN_REVOKED and agent:
            until = standing.until.isoformat()
            await self.revoke(agent, by="guard", why="the credential was revoked", cause=Cause.INJECTED, until=until)
        return standing

    def lift(self, condition_id: str, by: str) -> Standing:
        """End an injected condition; what it took is given back."""
        with self._parts.ledger.transaction() as tx:
            standing = lift(tx, condition_id, by)
            if standing.condition is Condition.TOKEN_REVOKED and standing.agent:
                reinstate(
                    tx, agent=standing.agent, by="guard", why="the injected condition ended", cause=Cause.INJECTED
                )
        return standing

    def hear(self, tx: Transaction, kind: str, change: str, content: dict[str, Any], entry: int) -> list[Suspicion]:
        """What an entry of the agents' process means for their trust. Raises GovernanceError for one that says too little."""
        if kind == SUSPICION:
            return [parse_reported(content).suspicion(change)]
        return self._close(tx, change, parse_closing(content), entry) if kind == CLOSING else []

    def _close(self, tx: Transaction, change: str, closing: Closing, entry: int) -> list[Suspicion]:
        """A run's last word. What it did and how it came out is remembered; returns what does not fit."""
        claims = self._claims(tx, closing.agent, change)
        close(tx, closing, change, entry)
        self.heartbeats.closed(closing.agent, change)
        keep_outcomes(tx, closing, claims, self._parts.inventory, self._parts.executor, self._parts.policy)
        found = symptoms(closing, [c for c in claims if c.state.dispatched])
        return [Suspicion(violation=v, agent=closing.agent, change=change, what=text) for v, text in found]

    async def quiet(self) -> None:
        """Wait for what goes on in the background."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    def _write(self, suspicions: Sequence[Suspicion]) -> list[Charge]:
        with self._parts.ledger.transaction() as tx:
            return [charge(tx, suspicion, self._parts.policy) for suspicion in _distinct(suspicions)]

    async def _make_harmless(self, agent: str, *, why: str) -> RevocationReport:
        report = await make_harmless(self._parts, agent, why)
        self._later(diagnose(self._parts, agent))
        return report

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _claims(self, tx: Transaction, agent: str, change: str) -> list[Claim]:
        return [c for c in find_claims(tx, change=change) if c.agent == agent and c.purpose is Purpose.APPLY]


def parse_closing(content: dict[str, Any]) -> Closing:
    """Raises GovernanceError for a report that says too little."""
    try:
        return Closing.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise GovernanceError(
            "the run's closing report cannot be read",
            expected="agent, run, outcome, phases, artifacts, verified",
            found=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200],
            code="closing.invalid",
        ) from error


def _distinct(suspicions: Sequence[Suspicion]) -> list[Suspicion]:
    """One of each type: a deed that several wrappers see is charged once."""
    return list({(s.agent, s.violation): s for s in reversed(suspicions)}.values())[::-1]


def _revoked(made: Sequence[Charge]) -> dict[str, str]:
    """Agents that these charges revoked, with the reason."""
    return {c.agent: c.violation.value for c in made if c.consequence == "revoked"}
