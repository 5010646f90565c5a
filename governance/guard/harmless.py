"""Making a revoked agent harmless: its credentials, its locks, its running steps; a handoff, and a look at what is unknown."""

from __future__ import annotations

import asyncio

from domain.agents import RevocationReport
from governance.claims import Claim, load_claim, unresolved
from governance.credentials.port import CredentialError
from governance.guard.attempt import Parts
from governance.guard.lock import release_locks
from governance.guard.resolve import resolve
from governance.handoff import write_handoff
from governance.ledger.port import Draft, Record


async def make_harmless(parts: Parts, agent: str, why: str) -> RevocationReport:
    """The revocation is on record; now the work ends. Never waits for an execution to end by itself."""
    started = parts.clock.monotonic()
    await _end_credentials(parts, agent, why)
    with parts.ledger.transaction() as tx:
        locks = release_locks(tx, agent)
        handoff = write_handoff(tx, agent, why)
    stopped = _cut_off(parts, agent)
    if stopped:
        await asyncio.wait([parts.in_flight[key] for key in stopped if key in parts.in_flight], timeout=1.0)
    seconds = parts.clock.monotonic() - started
    return RevocationReport(agent=agent, seconds=seconds, stopped=stopped, locks=locks, handoff=handoff.entry)


async def _end_credentials(parts: Parts, agent: str, why: str) -> None:
    """Ask the issuer. One that is away ends them by their time; the revocation on record already lets none of them act."""
    try:
        await parts.credentials.revoke_all(by="guard", why=f"revoked: {why}", holder=agent)
    except CredentialError as error:
        content = {"event": "not revoked", "agent": agent, "why": error.message}
        with parts.ledger.transaction() as tx:
            tx.append(Draft(kind="credential", actor="guard", content=content))


async def diagnose(parts: Parts, agent: str) -> list[Claim]:
    """The diagnostic run: read back everything the agent left unknown, and say what was found."""
    mine = [claim for claim in unresolved(parts.ledger) if claim.agent == agent and claim.key not in parts.in_flight]
    found = [await resolve(claim, parts) for claim in mine]
    content = {"agent": agent, "looked_at": len(found), "found": {c.key[:16]: c.state.value for c in found}}
    with parts.ledger.transaction() as tx:
        entry = tx.append(Draft(kind="diagnostic", actor="guard", content=content))
        tx.put(Record(kind="diagnostic", id=agent, at=tx.now, doc={**content, "entry": entry.seq}))
    return found


def _cut_off(parts: Parts, agent: str) -> list[str]:
    stopped: list[str] = []
    for key, task in list(parts.in_flight.items()):
        claim = load_claim(parts.ledger, key)
        if claim is not None and claim.agent == agent and not claim.compensates:
            task.cancel()
            stopped.append(key)
    return stopped
