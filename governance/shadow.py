"""What would have been done in shadow mode, kept for the comparison with what people did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.action import ActionCall, Verdict
from domain.value import UtcTime, Value
from governance.ledger.port import Reader, Record, Transaction

KIND = "shadow"


class Agreement(StrEnum):
    """How a proposal compares with what happened."""

    SAME = "same"
    """People did the same."""
    DIFFERENT = "different"
    """People did something else, and it helped."""
    UNNECESSARY = "unnecessary"
    """The symptoms ended without anybody doing anything."""
    UNKNOWN = "unknown"


class Shadowed(Value):
    """One step that was judged and dry-run, and not carried out because of the target's mode."""

    id: str
    """Plan and step."""
    change: str
    agent: str
    call: ActionCall
    would: Verdict
    """What the guard would have said in act mode: allow or ask."""
    summary: str
    """From the dry run."""
    at: UtcTime
    label: Agreement | None = None
    """A person's word; it wins over every comparison."""
    labelled_by: str = ""


def keep_shadowed(tx: Transaction, shadowed: Shadowed) -> None:
    """Create or replace. The first judgement of a step stands, so that a label is never lost."""
    doc = shadowed.model_dump(mode="json")
    tx.put(Record(kind=KIND, id=shadowed.id, change=shadowed.change, status="kept", at=shadowed.at, doc=doc))


def load_shadowed(reader: Reader, id: str) -> Shadowed | None:
    """One of them, or None."""
    record = reader.get(KIND, id)
    return None if record is None else Shadowed.model_validate(record.doc)


def shadowed_since(reader: Reader, since: datetime) -> list[Shadowed]:
    """Newest first."""
    return [Shadowed.model_validate(record.doc) for record in reader.find(KIND, since=since)]
