"""Injected conditions of the agent plane on record. Sealed while they last, so that no agent reads what is done to it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from domain.errors import NotFoundError
from domain.value import digest, new_id
from governance.attribution import LINGER_S, Condition, Standing
from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "condition"


def declare(tx: Transaction, *, condition: Condition, agent: str, seconds: float, by: str) -> Standing:
    """Put a condition on record. The ledger gets a salted commitment now and the label when it is lifted."""
    condition_id, salt = new_id("cond"), secrets.token_hex(16)
    sealed = {"condition": condition.value, "agent": agent, "salt": salt}
    entry = tx.append(Draft(kind="injection", actor=by, change=condition_id, content={"commitment": digest(sealed)}))
    standing = Standing(
        id=condition_id,
        condition=condition,
        agent=agent,
        since=tx.now,
        until=tx.now + timedelta(seconds=seconds),
        entry=entry.seq,
    )
    _save(tx, standing, salt)
    return standing


def lift(tx: Transaction, condition_id: str, by: str) -> Standing:
    """End a condition and open its commitment. Raises NotFoundError."""
    record = tx.get(KIND, condition_id)
    if record is None:
        raise NotFoundError("no such condition is on record", expected="the id of a declared one", found=condition_id)
    standing, salt = Standing.model_validate(record.doc["standing"]), record.doc["salt"]
    opened = {"condition": standing.condition.value, "agent": standing.agent, "salt": salt}
    tx.append(Draft(kind="restoration", actor=by, change=condition_id, content={**opened, "injection": standing.entry}))
    ended = standing.model_copy(update={"until": min(tx.now, standing.until)})
    _save(tx, ended, salt)
    return ended


def standing_now(reader: Reader) -> list[Standing]:
    """Conditions that still explain something."""
    since = reader.now - timedelta(seconds=LINGER_S)
    return [Standing.model_validate(record.doc["standing"]) for record in reader.find(KIND, since=since)]


def all_since(reader: Reader) -> list[Standing]:
    """Every condition on record."""
    return [Standing.model_validate(record.doc["standing"]) for record in reader.find(KIND)]


def _save(tx: Transaction, standing: Standing, salt: str) -> None:
    doc = {"standing": standing.model_dump(mode="json"), "salt": salt}
    tx.put(Record(kind=KIND, id=standing.id, at=standing.until, doc=doc))
