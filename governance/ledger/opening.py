"""Which ledger an installation has: the file in its home, or the PostgreSQL that a setting names; and its anchors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain.clock import Clock
from domain.errors import ConfigError
from domain.guard import EntriesFound, EntrySearch, LedgerEntry, LedgerVerification
from governance.ledger.anchor import Anchor, Anchors, FileAnchor
from governance.ledger.git import GitAnchor
from governance.ledger.port import Ledger
from governance.ledger.sql import search_in
from governance.ledger.sqlite import SqliteFile, SqliteLedger, read_entries, verify_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the ledger lies. `url` may hold a password."""

    home: Path
    url: str = ""
    """`postgresql://…`; empty is `ledger.db` in the home."""
    git: Path | None = None
    """Repository for anchors, relative to the home; None keeps them in the file alone."""

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.home / "ledger.db"

    def anchor(self) -> Anchor:
        """The file of anchors, and Git's beside it where one is wanted. Raises LedgerError."""
        file = FileAnchor(self.home / "ledger.anchor")
        return file if self.git is None else Anchors([file, GitAnchor(self.home / self.git)])


def open_ledger(place: Place, clock: Clock | None = None) -> Ledger:
    """Open it for writing: whoever wrote before is refused from now on. Raises LedgerError, ConfigError."""
    if not place.url:
        return SqliteLedger(place.file, place.anchor(), clock=clock)
    _check_url(place.url)
    from governance.ledger.postgres import PostgresLedger

    return PostgresLedger(place.url, place.anchor(), clock=clock)


def verify_ledger(place: Place) -> LedgerVerification:
    """Verify without opening it for writing. Raises LedgerError when a server cannot be reached."""
    if not place.url:
        return verify_file(place.file, place.anchor())
    _check_url(place.url)
    from governance.ledger.postgres import verify_url

    return verify_url(place.url, place.anchor())


def read_ledger(place: Place, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
    """One page without opening it for writing. Raises LedgerError."""
    if not place.url:
        return read_entries(place.file, after=after, limit=limit, change=change)
    _check_url(place.url)
    from governance.ledger import postgres

    return postgres.read_entries(place.url, after=after, limit=limit, change=change)


def search_ledger(place: Place, wanted: EntrySearch) -> EntriesFound:
    """Search without opening it for writing. Raises LedgerError."""
    if not place.url:
        return search_in(SqliteFile(place.file), wanted)
    _check_url(place.url)
    from governance.ledger import postgres

    return postgres.search_url(place.url, wanted)


def _check_url(url: str) -> None:
    scheme = url.partition("://")[0]
    if scheme not in {"postgresql", "postgres"}:
        raise ConfigError(
            "the ledger's address is not one that Firebreak knows",
            expected="FIREBREAK_LEDGER_URL=postgresql://user:password@host:5432/database, or unset for the file",
            found=f"{scheme[:20]}://…",
        )
