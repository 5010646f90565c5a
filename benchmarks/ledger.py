"""What the ledger costs: appending with all safety on, and verifying a long chain in constant memory.

Safety on means: SQLite in WAL with synchronous=FULL (one fsync per commit, so that an intent is durable before its effect),
hash chain, triggers, redaction, and the anchor file written after every commit. `single` is one entry per transaction, as
the guard writes; `batched` is 20 entries per transaction. The alternative is a plain INSERT of the same content into the
same schema without chain, triggers, redaction or anchor, on the same disk with the same synchronous setting.

`python -m benchmarks ledger --entries=100000` verifies a shorter chain than a million; `--verify-only` leaves the appends out.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from governance.ledger.anchor import FileAnchor
from governance.ledger.port import Draft
from governance.ledger.sqlite import SqliteLedger, verify_file

SECONDS = 4.0
"""How long each way of appending is measured."""
BATCH = 20
BULK = 5000
"""Entries per transaction of the chain that is only made to be verified."""
FLOOR = 2000
"""Entries per second that appending must reach, one per transaction."""
ENTRIES = 1_000_000
"""Length of the chain that is verified."""
CONTENT = {
    "plan": "plan-4f2a9c1be07d",
    "step": "s1",
    "call": {"action": "restart_service", "target": "api", "args": {}},
    "purpose": "apply",
    "agent": "responder",
    "tier": "T1",
    "policy": "default@3f9a",
    "claim": "9f" * 32,
    "fencing_token": 17,
}


def main() -> int:
    """Print both tables; 1 when single appends miss the floor or verification does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ledger")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="length of the chain that is verified")
    parser.add_argument("--verify-only", action="store_true", help="leave the appends out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        home = Path(folder)
        fast = asked.verify_only or appended(home)
        grow(home / "long", asked.entries)
        held = walked(home / "long")
    return 0 if fast and held else 1


def appended(home: Path) -> bool:
    """The table of appends; whether single ones reach the floor."""
    rows = [(name, size, measured(home / name, size, make)) for name, size, make in WAYS]
    plain = {size: rate for name, size, rate in rows if name == "plain"}
    out(f"{'append':<8} {'per transaction':>15} {'entries/s':>10} {'of plain INSERT':>16}")
    for name, size, rate in rows:
        out(f"{name:<8} {size:>15} {rate:>10.0f} {rate / plain[size]:>16.2f}")
    return next(rate for name, size, rate in rows if (name, size) == ("chained", 1)) >= FLOOR


Append = Callable[[int], None]
"""Appends that many entries in one transaction."""


def chained(home: Path) -> Append:
    """The ledger as the action server opens it."""
    ledger = SqliteLedger(home / "ledger.db", FileAnchor(home / "ledger.anchor"))

    def append(size: int) -> None:
        with ledger.transaction() as tx:
            for _ in range(size):
                tx.append(Draft(kind="intent", actor="responder", change="inc-4f2a9c1be07d", content=CONTENT))

    return append


def plain(home: Path) -> Append:
    """A table with the same content and nothing that protects it."""
    db = sqlite3.connect(home / "plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, at TEXT, kind TEXT, actor TEXT, change TEXT, content TEXT)")
    sql = "INSERT INTO log (at, kind, actor, change, content) VALUES (?, ?, ?, ?, ?)"

    def append(size: int) -> None:
        db.execute("BEGIN IMMEDIATE")
        for _ in range(size):
            db.execute(sql, (str(time.time()), "intent", "responder", "inc-4f2a9c1be07d", json.dumps(CONTENT)))
        db.execute("COMMIT")

    return append


WAYS = (("plain", 1, plain), ("chained", 1, chained), ("plain", BATCH, plain), ("chained", BATCH, chained))


def measured(home: Path, size: int, make: Callable[[Path], Append]) -> float:
    """Entries per second."""
    folder = home / str(size)
    folder.mkdir(parents=True)
    append = make(folder)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        append(size)
        done += size
    return done / (time.perf_counter() - started)


def grow(home: Path, entries: int) -> None:
    """A chain of that many entries, appended in large transactions."""
    home.mkdir()
    append, started = chained(home), time.perf_counter()
    for written in range(0, entries, BULK):
        append(min(BULK, entries - written))
    out(f"made     {entries} entries in {time.perf_counter() - started:.1f} s, {BULK} per transaction")


def walked(home: Path) -> bool:
    """Verify it in a process of its own, which prints its peak memory; an empty ledger's walk is what it is compared with."""
    small = home.parent / "short"
    small.mkdir()
    chained(small)(10)
    base = _verified(small)
    found = _verified(home)
    growth = found["rss_mb"] - base["rss_mb"]
    out(f"verify   {found['entries']} entries in {found['seconds']:.1f} s, peak RSS {found['rss_mb']:.0f} MB")
    out(f"         ({base['entries']} entries: {base['rss_mb']:.0f} MB; the long chain needs {growth:+.0f} MB)")
    return bool(found["verified"])


def _verified(home: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.ledger", str(home)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def verify_here(home: Path) -> None:
    """One walk, as JSON: for the child process."""
    started = time.perf_counter()
    found = verify_file(home / "ledger.db", FileAnchor(home / "ledger.anchor"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - started
    out(json.dumps({"verified": found.verified, "entries": found.entries, "seconds": seconds, "rss_mb": peak}))


def out(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        verify_here(Path(sys.argv[1]))
    else:
        raise SystemExit(main())
