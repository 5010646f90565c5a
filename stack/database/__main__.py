"""`python -m stack.database COMMAND`: one JSON line on stdout. DSNs and passwords come through the environment.

STACK_SERVER_DSN any database of the server · STACK_DSN the shop's · STACK_PASSWORDS JSON of role → password ·
STACK_MIGRATIONS a folder of more migrations (may be empty).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import psycopg

from stack.database.migrate import MigrationError, current, upgrade_or_downgrade
from stack.database.snapshot import SnapshotError, restore, take


def main() -> None:
    """Exit code 0 with {"ok": true, …}, 1 with {"ok": false, "error": …}."""
    parser = argparse.ArgumentParser(prog="stack.database")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("provision").add_argument("--first", action="store_true")
    commands.add_parser("current")
    commands.add_parser("migrate").add_argument("revision")
    commands.add_parser("snapshot").add_argument("file", type=Path)
    commands.add_parser("restore").add_argument("file", type=Path)
    found = parser.parse_args()
    try:
        result = {"ok": True} | run(found, os.environ["STACK_DSN"], os.environ["STACK_SERVER_DSN"])
    except (MigrationError, SnapshotError, RuntimeError, psycopg.Error, OSError) as error:
        result = {"ok": False, "error": str(error).strip(), "kind": type(error).__name__}
    sys.stdout.write(json.dumps(result) + "\n")
    raise SystemExit(0 if result["ok"] else 1)


def run(found: argparse.Namespace, dsn: str, server: str) -> dict[str, Any]:
    """Carry out one command."""
    match found.command:
        case "provision":
            from stack.database.provision import provision, wait_for

            wait_for(server, 20)
            made = provision(server, dsn, json.loads(os.environ["STACK_PASSWORDS"]), first=found.first)
            return {"made": made, "revision": current(dsn)}
        case "migrate":
            before, after = upgrade_or_downgrade(dsn, found.revision)
            return {"before": before, "revision": after}
        case "snapshot":
            return {"revision": take(dsn, found.file), "bytes": found.file.stat().st_size}
        case "restore":
            return {"revision": restore(server, dsn, found.file)}
        case _:
            return {"revision": current(dsn)}


if __name__ == "__main__":
    main()
