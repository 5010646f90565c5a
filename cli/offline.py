"""The ledger of a home that does not run, read where it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.home import Home
from domain.errors import NotFoundError
from domain.guard import EntriesFound, EntrySearch, LedgerVerification
from graph.settings import Settings, load_settings

if TYPE_CHECKING:
    from governance.ledger.opening import Place


def ledger_place(home: Home, settings: Settings) -> Place:
    """Where the ledger of this home lies."""
    from governance.ledger.opening import Place

    url = settings.ledger_url.get_secret_value() if settings.ledger_url else ""
    return Place(home=home.path, url=url, git=settings.ledger_git)


def verify_offline(home: Home) -> LedgerVerification:
    """Walk the ledger of a stopped home. Raises NotFoundError when there is none, LedgerError when unreadable."""
    from governance.ledger.opening import verify_ledger

    return verify_ledger(_there(home))


def read_page(home: Home, after: int, limit: int, change: str) -> dict[str, Any]:
    """One page of entries of a stopped home's ledger."""
    from governance.ledger.opening import read_ledger

    entries = read_ledger(_there(home), after=after, limit=limit, change=change or None)
    more = entries[-1].seq if len(entries) == limit else None
    return {"entries": [e.model_dump(mode="json") for e in entries], "next": more}


def search_offline(home: Home, wanted: EntrySearch) -> EntriesFound:
    """Search a stopped home's ledger."""
    from governance.ledger.opening import search_ledger

    return search_ledger(_there(home), wanted)


def _there(home: Home) -> Place:
    place = ledger_place(home, load_settings())
    if not place.url and not place.file.exists():
        raise NotFoundError(
            f"There is no ledger in {home.path}.",
            expected="a home that was started at least once",
            found="no ledger.db",
            hint="FIREBREAK_HOME names another home",
        )
    return place
