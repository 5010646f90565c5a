"""Someone's own PostgreSQL for the shop: made once, taken over by a later stack, never from under another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
import pytest

from stack.database.migrate import current, upgrade_or_downgrade
from stack.database.provision import APP_ROLES, HEAD, MONITOR, provision
from tests.fakes.tools_postgres import running_postgres

pytestmark = pytest.mark.integration
EARLIER = dict.fromkeys((*APP_ROLES, MONITOR), "earlier-one")
LATER = dict.fromkeys((*APP_ROLES, MONITOR), "later-one")


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """The shop's database as an earlier stack left it."""
    with running_postgres() as found:
        assert give(found, EARLIER, first=True)
        yield found


def give(dsn: str, passwords: Mapping[str, str], *, first: bool) -> bool:
    """Provision with the server's own database as the way in."""
    return provision(dsn.replace("/shop", "/postgres"), dsn, passwords, first=first)


def as_api(dsn: str, passwords: Mapping[str, str]) -> psycopg.Connection:
    """A connection as the shop's API makes it."""
    return psycopg.connect(dsn, user="shop_api", password=passwords["shop_api"], connect_timeout=3)


def test_a_later_start_changes_nothing(dsn: str) -> None:
    """What was revoked or broken since is not mended by starting again."""
    assert not give(dsn, LATER, first=False)
    with as_api(dsn, EARLIER) as conn:
        assert conn.execute("SELECT count(*) > 0 FROM products").fetchone() == (True,)


def test_nobody_is_locked_out(dsn: str) -> None:
    """While a stack is connected another one is refused, and the first one keeps its passwords."""
    with as_api(dsn, EARLIER), pytest.raises(RuntimeError, match="another stack uses the database shop"):
        give(dsn, LATER, first=True)
    as_api(dsn, EARLIER).close()


def test_what_an_earlier_stack_left_is_taken_over(dsn: str) -> None:
    """A fresh home on a used server: its passwords count, an older schema is brought up to date, rows stay."""
    with psycopg.connect(dsn) as conn:
        conn.execute("UPDATE products SET name = 'kept' WHERE id = (SELECT min(id) FROM products)")
    upgrade_or_downgrade(dsn, "0002")
    assert give(dsn, LATER, first=True)
    assert current(dsn) == HEAD
    with as_api(dsn, LATER) as conn:
        assert conn.execute("SELECT count(*) FROM products WHERE name = 'kept'").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        as_api(dsn, EARLIER)
