"""Whether a service is as it was: the witness from before against the one from after. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.rehearsal.trial import State

FEW = 100
KEPT = 0.9
"""A table that had more than FEW rows and has less than this share of them has lost some. Its numbers are the database's
own estimates, and a service under way may delete a little."""
MOST = 20


def differences(before: State, after: State) -> list[str]:
    """What is not as before, in words; the first twenty."""
    found = list(_differences(before, after))
    return [*found[:MOST], *([f"and {len(found) - MOST} more"] if len(found) > MOST else [])]


def _differences(before: State, after: State) -> Iterator[str]:
    for name, then, now in (
        ("version", before.version, after.version),
        ("shares of the requests", _shares(before.weights), _shares(after.weights)),
        ("schema revision", before.revision, after.revision),
        ("configuration", before.configuration[:12], after.configuration[:12]),
    ):
        if then != now:
            yield f"{name}: was {then or 'unknown'}, is {now or 'unknown'}"
    yield from _columns(before.columns, after.columns)
    yield from _changed("rule", before.rules, after.rules)
    for table, rows in before.rows.items():
        if rows > FEW and after.rows.get(table, 0) < KEPT * rows and _still(table, after):
            yield f"table {table} had about {rows} rows and has {after.rows.get(table, 0)}"
    yield from (f"not compared: {what}" for what in dict.fromkeys((*before.unread, *after.unread)))


def _columns(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """The object's number stands first, so that a column that was dropped and made again is another one."""
    for name, then in before.items():
        now = after.get(name)
        if now is not None and now != then and _kind(now) == _kind(then):
            yield f"column {name} was dropped and made again: what was in it is gone"
        elif now != then:
            yield f"column {name}: was {_kind(then)}, is {_kind(now) if now else 'gone'}"
    yield from (f"column {name} is left over" for name in after if name not in before)


def _kind(described: str) -> str:
    return described.partition(" ")[2]


def _changed(word: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name, then in before.items():
        if (now := after.get(name)) != then:
            yield f"{word} {name}: was {then}, is {now or 'gone'}"
    yield from (f"{word} {name} is left over" for name in after if name not in before)


def _still(table: str, state: State) -> bool:
    return any(name.rpartition(".")[0] == table for name in state.columns)


def _shares(weights: Mapping[str, float]) -> str:
    total = sum(weights.values()) or 1.0
    return ", ".join(f"{name} {100 * share / total:g} %" for name, share in sorted(weights.items()) if share)
