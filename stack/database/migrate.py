"""Schema versions with Alembic: which one is current, going to another."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def config(dsn: str) -> Config:
    """Alembic's configuration for a database."""
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS))
    found.set_main_option("path_separator", "os")
    more = os.environ.get("STACK_MIGRATIONS", "")
    places = [str(MIGRATIONS / "versions"), *([more] if more else [])]
    found.set_main_option("version_locations", os.pathsep.join(places))
    found.attributes["dsn"] = dsn
    return found


def revisions() -> list[str]:
    """All known revisions, oldest first."""
    scripts = ScriptDirectory.from_config(config(""))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def current(dsn: str) -> str | None:
    """The recorded revision, or None for an empty database."""
    with psycopg.connect(dsn) as conn:
        known = conn.execute("SELECT to_regclass('public.alembic_version')").fetchone()
        if known is None or known[0] is None:
            return None
        row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


class MigrationError(Exception):
    """A migration did not go through; says what the database said."""


def upgrade_or_downgrade(dsn: str, revision: str) -> tuple[str | None, str | None]:
    """(before, after). Going where the database says it already is changes nothing. Raises MigrationError."""
    known = revisions()
    if revision not in known:
        raise MigrationError(f"unknown revision {revision!r}, known are {', '.join(known)}")
    before = current(dsn)
    if before == revision:
        return before, before
    down = before is not None and before in known and known.index(before) > known.index(revision)
    try:
        (command.downgrade if down else command.upgrade)(config(dsn), revision)
    except CommandError as error:
        raise MigrationError(str(error)) from error
    except Exception as error:
        # SQLAlchemy wraps whatever the driver raised; the first line is the database's own message.
        raise MigrationError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
    return before, current(dsn)
