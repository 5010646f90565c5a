"""Golden snapshots: what an installation goes back to. Their digests are on record; no agent may change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "baseline"


class Baselines(Protocol):
    """The golden snapshots of an installation."""

    async def digests(self) -> Mapping[str, str]:
        """Name → full SHA-256 of the content, empty for one that is gone."""
        ...


class NoBaselines:
    """An installation that declares none."""

    async def digests(self) -> Mapping[str, str]:
        return {}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names known before that are something else, or nothing, afterwards."""
    return sorted(name for name, was in before.items() if after.get(name) != was)


def pinned(reader: Reader) -> dict[str, str]:
    """The digests on record."""
    return {record.id: str(record.doc["digest"]) for record in reader.find(KIND)}


def pin(tx: Transaction, digests: Mapping[str, str]) -> None:
    """Put digests on record; what is on record already writes nothing."""
    known = pinned(tx)
    fresh = {name: digest for name, digest in digests.items() if known.get(name) != digest}
    if not fresh:
        return
    entry = tx.append(Draft(kind="baseline", actor="guard", content={"digests": fresh}))
    for name, digest in fresh.items():
        doc = {"digest": digest, "entry": entry.seq}
        tx.put(Record(kind=KIND, id=name, at=tx.now, doc=doc))
