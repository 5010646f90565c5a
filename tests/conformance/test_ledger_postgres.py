"""What is particular to the ledger in PostgreSQL: lost connections, wrong addresses, accounts with few rights."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from domain.errors import ConfigError, LedgerError
from domain.guard import EntrySearch
from governance.ledger.anchor import FileAnchor
from governance.ledger.opening import Place, open_ledger, read_ledger, search_ledger, verify_ledger
from governance.ledger.port import Draft
from governance.ledger.postgres import PostgresLedger, place_of
from tests.fakes.ledgers import Stored, in_postgres

NOTE = Draft(kind="effect", actor="agent")
KILL_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'firebreak-ledger'"


@pytest.fixture
def kept(tmp_path: Path, ledger_dsn: str) -> Stored:
    return in_postgres(tmp_path, ledger_dsn)


def opened(stored: Stored) -> PostgresLedger:
    return PostgresLedger(stored.place.url, FileAnchor(stored.place.home / "ledger.anchor"))


def test_a_lost_connection_is_replaced_at_the_next_transaction(kept: Stored) -> None:
    """The transaction in which the server went away fails as a whole; the next one goes on."""
    ledger = opened(kept)

    def cut_off() -> None:
        with ledger.transaction() as tx:
            tx.append(NOTE)
            kept.execute([KILL_OTHERS])
            tx.append(NOTE)

    with pytest.raises(LedgerError, match="cannot be read or written"):
        cut_off()
    with ledger.transaction() as tx:
        assert tx.append(NOTE).seq == 1
    assert ledger.verify().verified
    ledger.close()


def test_a_closed_ledger_stays_closed(kept: Stored) -> None:
    """Closing is not a lost connection, and may be done twice."""
    ledger = opened(kept)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError), ledger.transaction():
        pass


def test_a_writer_that_hangs_is_not_waited_for_for_ever(kept: Stored) -> None:
    """Another transaction holds the only pen: after a while that is an error, and nothing is left half done."""
    ledger = opened(kept)
    ledger.database.connection.execute("SET lock_timeout = '50ms'")
    other = opened(kept)
    with other.transaction(), pytest.raises(LedgerError), ledger.transaction():
        pass
    other.close()
    ledger.close()


def test_an_unusable_server_is_a_readable_error_without_the_password(kept: Stored) -> None:
    """Nobody listens, and an account that may not create the schema: both say where, never the password."""
    nobody = "postgresql://me:s3cr3t@127.0.0.1:1/x"
    with pytest.raises(LedgerError) as refused:
        verify_ledger(Place(home=kept.place.home, url=nobody))
    assert "127.0.0.1:1/x" in refused.value.expected
    assert "s3cr3t" not in " ".join(refused.value.lines())
    with psycopg.connect(kept.place.url, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS small")
        db.execute("CREATE ROLE small LOGIN PASSWORD 'small'")
    small = kept.place.url.replace("admin:admin-password", "small:small")
    with pytest.raises(LedgerError, match="cannot be read or written"):
        open_ledger(Place(home=kept.place.home, url=small))


def test_an_address_that_cannot_be_parsed_has_no_place() -> None:
    """What is not a connection string is not shown at all."""
    assert place_of("postgresql://a:b@[oops/x") == "PostgreSQL"


def test_only_known_addresses_open(tmp_path: Path) -> None:
    """Another scheme is a setting to mend, told without what follows it."""
    place = Place(home=tmp_path, url="mysql://root:s3cr3t@db/x")
    with pytest.raises(ConfigError) as refused:
        open_ledger(place)
    assert "s3cr3t" not in " ".join(refused.value.lines())


def test_pages_are_read_beside_the_writer(kept: Stored) -> None:
    """`ledger show` of a stopped action server does not take over."""
    ledger = opened(kept)
    assert [entry.seq for entry in read_ledger(kept.place)] == [0]
    with ledger.transaction() as tx:
        tx.append(NOTE)
    assert [entry.seq for entry in read_ledger(kept.place, after=0)] == [1]
    assert [entry.seq for entry in search_ledger(kept.place, EntrySearch(kind="genesis")).entries] == [0]
    ledger.close()
