"""Looking for entries, newest first: what is asked as SQL, and as a predicate for the ledger in memory. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from domain.guard import EntriesFound, EntrySearch, LedgerEntry
from governance.ledger.chain import Row

WINDOW = 20_000
"""Entries that one search looks through at most, so that it holds nobody up. A change's own are found by an index."""
_TEXT = "LOWER('L' || seq || ' ' || kind || ' ' || actor || ' ' || change || ' ' || content || ' ' || hash)"


def lowest(wanted: EntrySearch, before: int) -> int:
    """The lowest sequence number that this search looks at."""
    return 0 if wanted.change else max(0, before - WINDOW)


def conditions(wanted: EntrySearch, before: int) -> tuple[str, list[str | int]]:
    """A WHERE clause of constants with `?` for its values, and these. Letters A to Z match in either case."""
    clauses, values = ["seq < ?", "seq >= ?"], [before, lowest(wanted, before)]
    asked: list[str | int] = list(values)
    for column, value in (("kind", wanted.kind), ("actor", wanted.actor), ("change", wanted.change)):
        if value:
            clauses.append(f"{column} = ?")
            asked.append(value)
    for word in wanted.words.split():
        clauses.append(f"{_TEXT} LIKE ? ESCAPE '!'")
        asked.append(f"%{_escaped(word.lower())}%")
    return " AND ".join(clauses), asked


def matches(row: Row, wanted: EntrySearch) -> bool:
    """What `conditions` says, of one row."""
    fields = ((wanted.kind, row.kind), (wanted.actor, row.actor), (wanted.change, row.change))
    if any(value and value != found for value, found in fields):
        return False
    text = f"L{row.seq} {row.kind} {row.actor} {row.change} {row.content} {row.hash}".lower()
    return all(word in text for word in wanted.words.lower().split())


def found(entries: Sequence[LedgerEntry], wanted: EntrySearch, before: int) -> EntriesFound:
    """The page, and where the next one begins."""
    if len(entries) == wanted.limit:
        older: int | None = entries[-1].seq or None
    else:
        older = lowest(wanted, before) or None
    return EntriesFound(entries=list(entries), older=older)


def _escaped(word: str) -> str:
    for character in "!%_":
        word = word.replace(character, f"!{character}")
    return word
