"""One suite for every ledger: what is appended stays, together with the state it speaks about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.clock import ManualClock
from domain.errors import LedgerError
from domain.guard import EntrySearch
from governance.ledger.chain import ZERO, export_lines
from governance.ledger.memory import MemoryLedger
from governance.ledger.port import Draft, Ledger, Record
from tests.fakes.ledgers import in_file, in_postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Ledger]:
    made: Ledger
    match request.param:
        case "memory":
            made = MemoryLedger(clock)
        case "sqlite":
            made = in_file(tmp_path).open(clock)
        case _:
            made = in_postgres(tmp_path, request.getfixturevalue("ledger_dsn")).open(clock)
    yield made
    made.close()


def note(text: str, change: str = "inc-1") -> Draft:
    return Draft(kind="observation", actor="agent", change=change, content={"text": text})


def test_it_begins_with_genesis(ledger: Ledger) -> None:
    """A fresh ledger has exactly one entry, which points to nothing."""
    head = ledger.head()
    assert (head.seq, head.kind, head.prev) == (0, "genesis", ZERO)
    assert ledger.verify().verified


def test_entries_are_numbered_and_linked(ledger: Ledger) -> None:
    """Every entry names the hash of the one before it, within a transaction and across them."""
    with ledger.transaction() as tx:
        first, second = tx.append(note("a")), tx.append(note("b"))
    with ledger.transaction() as tx:
        third = tx.append(note("c"))
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert (second.prev, third.prev) == (first.hash, second.hash)
    assert ledger.head() == third
    verification = ledger.verify()
    assert verification.verified
    assert (verification.entries, verification.head) == (4, third.hash)


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    """State and entry are written together, or not at all."""

    def crash() -> None:
        with ledger.transaction() as tx:
            tx.append(note("lost"))
            tx.put(Record(kind="claim", id="c", at=tx.now, doc={"state": "claimed"}))
            tx.next_number("fence")
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        crash()
    assert ledger.head().seq == 0
    assert ledger.get("claim", "c") is None
    with ledger.transaction() as tx:
        assert tx.next_number("fence") == 1


def test_records_are_found_by_what_they_are(ledger: Ledger, clock: ManualClock) -> None:
    """Records are found by kind, change, status and age, newest first, inside and outside a transaction."""
    with ledger.transaction() as tx:
        for n, (change, status) in enumerate([("a", "open"), ("a", "done"), ("b", "open")]):
            tx.put(Record(kind="x", id=str(n), change=change, status=status, at=tx.now + timedelta(seconds=n), doc={}))
        tx.put(Record(kind="y", id="other", at=tx.now, doc={"deep": [1, {"k": None}]}))
        assert [r.id for r in tx.find("x")] == ["2", "1", "0"]
        other = tx.get("y", "other")
        assert other is not None
        assert other.doc == {"deep": [1, {"k": None}]}
    assert [r.id for r in ledger.find("x", change="a")] == ["1", "0"]
    assert [r.id for r in ledger.find("x", status="open")] == ["2", "0"]
    assert [r.id for r in ledger.find("x", since=clock.now() + timedelta(seconds=1))] == ["2", "1"]
    assert ledger.get("x", "nothing") is None


def test_a_record_is_replaced_whole(ledger: Ledger) -> None:
    """Putting the same id again replaces it; what was read before does not change under the reader."""
    with ledger.transaction() as tx:
        tx.put(Record(kind="x", id="1", at=tx.now, doc={"n": 1}))
        before = tx.get("x", "1")
        tx.put(Record(kind="x", id="1", status="new", at=tx.now, doc={"n": 2}))
        after = tx.get("x", "1")
    assert before is not None
    assert after is not None
    assert (before.doc["n"], after.doc["n"], after.status) == (1, 2, "new")


def test_numbers_only_grow(ledger: Ledger) -> None:
    """A counter never gives the same number twice, and counters do not disturb each other."""
    with ledger.transaction() as tx:
        assert [tx.next_number("a"), tx.next_number("a"), tx.next_number("b")] == [1, 2, 1]
    with ledger.transaction() as tx:
        assert tx.next_number("a") == 3


def test_time_never_goes_back(ledger: Ledger, clock: ManualClock) -> None:
    """When the machine's clock is set back, the ledger stays at its newest entry."""
    clock.advance(100)
    with ledger.transaction() as tx:
        newest = tx.append(note("later"))
    clock.advance(-50)
    assert ledger.now == newest.at
    with ledger.transaction() as tx:
        assert tx.now == newest.at
        assert tx.append(note("set back")).at == newest.at
    assert ledger.verify().verified


def test_entries_are_read_in_pages(ledger: Ledger) -> None:
    """Pages continue where the last one ended; a change's entries can be read alone."""
    with ledger.transaction() as tx:
        for n in range(5):
            tx.append(note(str(n), change="even" if n % 2 == 0 else "odd"))
    first = ledger.entries(limit=3)
    assert [e.seq for e in first] == [0, 1, 2]
    assert [e.seq for e in ledger.entries(after=first[-1].seq, limit=3)] == [3, 4, 5]
    assert [e.content["text"] for e in ledger.entries(change="odd")] == ["1", "3"]
    assert list(ledger.stream()) == ledger.entries(limit=100)


def written(ledger: Ledger) -> None:
    """A small history: two changes, three kinds, two actors."""
    with ledger.transaction() as tx:
        for n in range(6):
            kind, actor = ("refusal", "maria") if n % 3 == 0 else ("observation", "agent")
            text = f"pool of API {n} was 100% full_{n}" if n % 2 else f"nothing {n}!"
            tx.append(Draft(kind=kind, actor=actor, change="even" if n % 2 == 0 else "odd", content={"text": text}))


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (EntrySearch(), [6, 5, 4, 3, 2, 1, 0]),
        (EntrySearch(kind="refusal"), [4, 1]),
        (EntrySearch(actor="maria", change="odd"), [4]),
        (EntrySearch(words="api"), [6, 4, 2]),
        (EntrySearch(words="POOL agent"), [6, 2]),
        (EntrySearch(words="100%"), [6, 4, 2]),
        (EntrySearch(words="full_3"), [4]),
        (EntrySearch(words="f%l"), []),
        (EntrySearch(words="g!"), []),
        (EntrySearch(words="0!"), [1]),
        (EntrySearch(words="L5"), [5]),
        (EntrySearch(before=3), [2, 1, 0]),
        (EntrySearch(words="'; DROP TABLE ledger; --"), []),
    ],
    ids=str,
)
def test_entries_are_found_by_what_they_say(ledger: Ledger, wanted: EntrySearch, seqs: list[int]) -> None:
    """Words anywhere, kind, actor and change exactly; newest first; no character is a wildcard."""
    written(ledger)
    found = ledger.search(wanted)
    assert [e.seq for e in found.entries] == seqs
    assert found.older is None
    assert wanted.narrows == any([wanted.words, wanted.kind, wanted.actor, wanted.change])


def test_a_search_goes_on_to_the_beginning(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages end where the limit or the window says, and following them finds everything once."""
    written(ledger)
    monkeypatch.setattr("governance.ledger.search.WINDOW", 2)
    wanted, seqs, pages = EntrySearch(kind="observation", limit=1), list[int](), 0
    while True:
        page, pages = ledger.search(wanted), pages + 1
        seqs += [e.seq for e in page.entries]
        if page.older is None:
            break
        wanted = wanted.model_copy(update={"before": page.older})
    assert seqs == [6, 5, 3, 2]
    assert pages > len(seqs)
    assert [e.seq for e in ledger.search(EntrySearch(change="even")).entries] == [5, 3, 1]


def test_records_of_the_same_moment_keep_their_order(ledger: Ledger) -> None:
    """Equal times are told apart by who came first; replacing a record does not move it."""
    with ledger.transaction() as tx:
        for name in ("b", "a", "c", "b"):
            tx.put(Record(kind="x", id=name, at=tx.now, doc={}))
    assert [r.id for r in ledger.find("x")] == ["b", "a", "c"]


def test_text_of_any_kind_is_kept_as_it_is(ledger: Ledger) -> None:
    """Quotes, percent signs, question marks, line breaks and other scripts are data."""
    odd = "%s ? ' \" ; DROP TABLE ledger -- \n 日本 \x1f"
    with ledger.transaction() as tx:
        tx.append(Draft(kind="observation", actor="agent", change=odd, content={"text": odd + "\x00"}))
        tx.put(Record(kind="x", id=odd, change=odd, at=tx.now, doc={odd: odd + "\x00"}))
    [entry] = ledger.entries(change=odd)
    assert entry.content == {"text": odd + "\x00"}
    [record] = ledger.find("x", change=odd)
    assert (record.id, record.doc) == (odd, {odd: odd + "\x00"})
    assert ledger.verify().verified


def test_it_exports_json_lines(ledger: Ledger) -> None:
    """The export has one canonical JSON object per line."""
    with ledger.transaction() as tx:
        tx.append(note("a"))
    lines = list(export_lines(ledger.stream()))
    assert len(lines) == 2
    assert '"content":{"text":"a"}' in lines[1]


def test_secrets_are_not_written(ledger: Ledger) -> None:
    """What looks like a secret is redacted before it is hashed and stored."""
    with ledger.transaction() as tx:
        tx.append(Draft(kind="effect", actor="agent", content={"password": "hunter2", "text": "token=abcdefgh12345"}))
    assert "hunter2" not in str(ledger.head().content)
    assert "abcdefgh12345" not in str(ledger.head().content)


@pytest.mark.parametrize("content", [{"n": 2**60}, {"n": float("nan")}, {"n": object()}])
def test_what_is_not_plain_json_is_refused(ledger: Ledger, content: dict[str, object]) -> None:
    """Content without a canonical form is an error, and nothing is written."""
    with pytest.raises(LedgerError), ledger.transaction() as tx:
        tx.append(Draft(kind="observation", actor="agent", content=content))
    assert ledger.head().seq == 0


def test_transactions_do_not_nest(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second transaction at the same time waits, and says so when it waited too long."""
    with ledger.transaction():
        lock = ledger._lock  # type: ignore[attr-defined]

        class Impatient:
            def acquire(self, timeout: float) -> bool:
                return bool(lock.acquire(blocking=False))

        monkeypatch.setattr(ledger, "_lock", Impatient())
        with pytest.raises(LedgerError, match="busy"), ledger.transaction():
            pass
        monkeypatch.setattr(ledger, "_lock", lock)
