"""`chaos.db`: leases, drills and the kill switch in SQLite (WAL), shared by the chaos server and the reaper."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from chaos.lease import Lease, LeaseState, claimable, not_found
from chaos.model import Undo
from domain.drills import DrillRun
from domain.errors import ConflictError, NotFoundError, StorageError

_SCHEMA = """
create table if not exists lease (id text primary key, seq integer, state text not null, deadline text not null,
    body text not null);
create table if not exists drill (id text primary key, seq integer, state text not null, body text not null);
create table if not exists switch (name text primary key, reason text not null, at text not null);
"""


class ChaosDatabase:
    """One file; every call opens its own short transaction, so that two processes never wait long for each other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    db.execute(statement)
        path.chmod(0o600)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=10.0, isolation_level=None)) as db:
                db.execute("pragma journal_mode=wal")
                db.execute("pragma synchronous=full")
                db.execute("begin immediate")
                try:
                    yield db
                except BaseException:
                    db.execute("rollback")
                    raise
                db.execute("commit")
        except sqlite3.Error as error:
            raise StorageError(
                f"{self._path.name}: {error}",
                expected="a readable and writable chaos.db",
                found=type(error).__name__,
                hint="check the home directory's disk and permissions",
            ) from error

    # leases

    def add(self, lease: Lease) -> None:
        with self._transaction() as db:
            if db.execute("select 1 from lease where id = ?", (lease.id,)).fetchone():
                raise ConflictError(f"lease {lease.id} exists")
            db.execute(
                "insert into lease values (?, (select coalesce(max(seq), 0) + 1 from lease), ?, ?, ?)",
                (lease.id, lease.state, lease.deadline.isoformat(), lease.model_dump_json()),
            )

    def get(self, lease_id: str) -> Lease:
        with self._transaction() as db:
            return _read(db, lease_id)

    def leases(self, *, unfinished: bool = False) -> list[Lease]:
        with self._transaction() as db:
            rows = db.execute("select body from lease order by seq desc").fetchall()
        found = [Lease.model_validate_json(row[0]) for row in rows]
        return [lease for lease in found if not (unfinished and lease.state.finished)]

    def amend(self, lease_id: str, extra: Undo) -> Lease:
        return self._change(lease_id, lambda lease: lease.model_copy(update={"undo": {**lease.undo, **extra}}))

    def activate(self, lease_id: str, at: datetime) -> Lease:
        def changed(lease: Lease) -> Lease:
            if lease.state is not LeaseState.PREPARED:
                raise ConflictError(f"lease {lease_id} is {lease.state}, expected prepared")
            return lease.model_copy(update={"state": LeaseState.ACTIVE, "injected_at": at})

        return self._change(lease_id, changed)

    def claim(self, lease_id: str, holder: str, at: datetime) -> bool:
        with self._transaction() as db:
            lease = _read(db, lease_id)
            if not claimable(lease, at):
                return False
            update = {"state": LeaseState.RESTORING, "holder": holder, "claimed_at": at, "attempts": lease.attempts + 1}
            _write(db, lease.model_copy(update=update))
            return True

    def finish(self, lease_id: str, *, by: str, at: datetime, restored: bool, verified: bool, note: str = "") -> Lease:
        state = LeaseState.RESTORED if restored else LeaseState.FAILED
        update = {"state": state, "restored_by": by, "restored_at": at, "verified": verified, "note": note}
        return self._change(lease_id, lambda lease: lease.model_copy(update=update))

    def _change(self, lease_id: str, change: Callable[[Lease], Lease]) -> Lease:
        with self._transaction() as db:
            changed = change(_read(db, lease_id))
            _write(db, changed)
            return changed

    # kill switch

    def halt(self, reason: str, at: datetime) -> None:
        with self._transaction() as db:
            db.execute("insert or replace into switch values ('kill', ?, ?)", (reason, at.isoformat()))

    def resume(self) -> None:
        with self._transaction() as db:
            db.execute("delete from switch where name = 'kill'")

    def halted(self) -> str | None:
        with self._transaction() as db:
            row = db.execute("select reason, at from switch where name = 'kill'").fetchone()
        return f"{row[0]} ({row[1]})" if row else None

    # drills

    def put_drill(self, run: DrillRun) -> None:
        """Write a drill's present state."""
        with self._transaction() as db:
            db.execute(
                "insert into drill values (?, (select coalesce(max(seq), 0) + 1 from drill), ?, ?)"
                " on conflict (id) do update set state = excluded.state, body = excluded.body",
                (run.id, run.state, run.model_dump_json()),
            )

    def drill(self, drill_id: str) -> DrillRun:
        """Raises NotFoundError."""
        with self._transaction() as db:
            row = db.execute("select body from drill where id = ?", (drill_id,)).fetchone()
        if row is None:
            raise NotFoundError(
                f"there is no drill {drill_id}", expected="a drill's id", found=drill_id, hint="GET /drills lists them"
            )
        return DrillRun.model_validate(json.loads(row[0]))

    def drills(self) -> list[DrillRun]:
        """Newest first."""
        with self._transaction() as db:
            rows = db.execute("select body from drill order by seq desc limit 200").fetchall()
        return [DrillRun.model_validate(json.loads(row[0])) for row in rows]


def _read(db: sqlite3.Connection, lease_id: str) -> Lease:
    row = db.execute("select body from lease where id = ?", (lease_id,)).fetchone()
    if row is None:
        raise not_found(lease_id)
    return Lease.model_validate_json(row[0])


def _write(db: sqlite3.Connection, lease: Lease) -> None:
    db.execute(
        "update lease set state = ?, deadline = ?, body = ? where id = ?",
        (lease.state, lease.deadline.isoformat(), lease.model_dump_json(), lease.id),
    )
