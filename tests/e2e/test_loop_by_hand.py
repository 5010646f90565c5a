"""A person breaks the stack by hand, with no chaos server involved; the same code mends it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.client import connect
from cli.home import Home
from tests.e2e.installation import Installation, installed, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all tests of this file."""
    with installed(tmp_path_factory.mktemp("hand")) as it:
        yield it


def _mended(here: Installation, known: set[str], service: str, action: str) -> dict[str, object]:
    record = here.ended(here.new_incident(known))
    assert record["status"] == "resolved", record["timeline"]
    assert record["diagnosis"]["hypotheses"][0]["service"] == service
    assert action in [r["action"] for r in record["results"] if r["outcome"] == "succeeded"]
    until(here.users_are_served, 20, "users served")
    assert here.ask("ledger", "verify")["verified"] is True
    return record


def test_a_paused_process_is_resumed(here: Installation) -> None:
    """SIGSTOP on the api by hand: found, resumed, users served; every sentence of the brief names its evidence."""
    here.calm()
    known = here.known()
    here.kill("api", signal.SIGSTOP)
    record = _mended(here, known, "api", "resume_process")
    brief = record["brief"]
    assert isinstance(brief, dict)
    sentences = [s for part in ("what_broke", "why", "actions", "recovery", "prevention") for s in brief[part]]
    assert sentences
    assert all(s["evidence"] for s in sentences)


def test_a_forgotten_lock_is_found_and_only_its_session_ends(here: Installation) -> None:
    """A session that locks a table is named and ended; the api is not restarted."""
    here.calm()
    known, api = here.known(), here.process("api")["pid"]
    with here.held_lock("orders"):
        _mended(here, known, "postgres", "terminate_sessions")
    assert here.process("api")["pid"] == api


def test_a_revoked_role_gets_a_new_secret(here: Installation) -> None:
    """A role that may not log in any more is rotated; the old password is dead."""
    here.calm()
    known = here.known()
    here.sql("ALTER ROLE shop_api NOLOGIN")
    here.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_api'")
    _mended(here, known, "postgres", "rotate_credential")


def test_a_wrong_configuration_is_restored(here: Installation) -> None:
    """A key that vanished from the api's file is brought back from the last good version."""
    here.calm()
    known = here.known()
    file = Path(here.facts()["config_files"]["api"])
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if not line.startswith("PAYMENTS_URL")) + "\n")
    os.kill(int(here.process("api")["pid"]), signal.SIGTERM)
    _mended(here, known, "api", "restore_config")
    assert "PAYMENTS_URL" in file.read_text()


OWN_PLACES = ("secrets/", "stack/config/", "stack/stack.json", "stack/identity.json")
"""Where secrets live. The stack is a stranger: its folder is its own."""
PAGES = (
    "/",
    "/approvals",
    "/ledger",
    "/agents",
    "/drills",
    "/slis",
    "/runbooks",
    "/settings",
    "/openapi.json",
    "/metrics",
)


def _secrets(home: Path) -> dict[str, bytes]:
    """Every token and password of an installation that worked for a while, by where it lives."""
    found = {f.name: f.read_bytes().strip() for f in (home / "secrets").glob("*.token")}
    found |= {f.name: f.read_bytes().strip() for f in (home / "stack" / "config").glob("*.secret")}
    facts = (home / "stack" / "stack.json").read_text()
    found |= {f"stack {n}": w.encode() for n, w in enumerate(re.findall(r"token\"?: *\"([^\"]{8,})\"", facts))}
    return found | {f"dsn {n}": w.encode() for n, w in enumerate(re.findall(r"://[^:/@]+:([^@/]{6,})@", facts))}


def test_no_secret_leaves_its_place(here: Installation) -> None:
    """After all these incidents, a rotated credential among them: no store, log, artifact, checkpoint or page holds one."""
    secrets = _secrets(here.home)
    assert len(secrets) > 8
    leaks = [
        f"{name} in {path.relative_to(here.home)}"
        for path in here.home.rglob("*")
        if path.is_file() and not str(path.relative_to(here.home)).startswith(OWN_PLACES)
        for name, secret in secrets.items()
        if secret in path.read_bytes()
    ]
    with connect(Home.at(here.home)) as app:
        headers = {"Authorization": f"Bearer {Home.at(here.home).token('operator')}"}
        shown = {path: httpx.get(f"{app.url}{path}", headers=headers, timeout=20).content for path in PAGES}
        shown |= {
            i["id"]: httpx.get(f"{app.url}/incidents/{i['id']}", headers=headers).content for i in here.incidents()
        }
    leaks += [f"{name} on {path}" for path, body in shown.items() for name, secret in secrets.items() if secret in body]
    assert leaks == []
