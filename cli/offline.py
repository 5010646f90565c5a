"""The ledger of a home that does not run, read from its file."""

from __future__ import annotations

from typing import Any

from cli.home import Home
from domain.errors import NotFoundError
from domain.guard import LedgerVerification


def verify_file(home: Home) -> LedgerVerification:
    """Walk the ledger file of a stopped home. Raises NotFoundError when there is none, LedgerError when unreadable."""
    from governance.ledger.sqlite import verify_file as verify_ledger

    _there(home)
    return verify_ledger(home.path / "ledger.db", home.path / "ledger.anchor")


def read_page(home: Home, after: int, limit: int, change: str) -> dict[str, Any]:
    """One page of entries of a stopped home's ledger."""
    from governance.ledger.sqlite import read_entries

    _there(home)
    entries = read_entries(home.path / "ledger.db", after=after, limit=limit, change=change or None)
    more = entries[-1].seq if len(entries) == limit else None
    return {"entries": [e.model_dump(mode="json") for e in entries], "next": more}


def _there(home: Home) -> None:
    if not (home.path / "ledger.db").exists():
        raise NotFoundError(
            f"There is no ledger in {home.path}.",
            expected="a home that was started at least once",
            found="no ledger.db",
            hint="FIREBREAK_HOME names another home",
        )
