"""A person breaks the stack by hand, with no chaos server involved; the same code mends it."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import hvac
import pytest
import redis

from cli.client import connect
from cli.home import Home
from domain.clock import SystemClock
from tests.e2e.installation import Installation, installed, until
from tests.fakes.openai_server import Script, openai_server
from tests.fakes.vault_server import ROOT_TOKEN, Store, vault

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


CANARIES = {
    name: f"canary-{name}-{secrets.token_hex(12)}" for name in ("vault", "environment", "model", "config", "webhook")
}
"""Planted in every store of secrets beside those that an installation makes by itself."""


@dataclass(frozen=True)
class Beside:
    """What stands beside the installation: a model that never answers as asked, and a Vault that issues every credential."""

    model: Script
    vault: Store


@pytest.fixture(scope="module")
def beside() -> Iterator[tuple[Beside, str, str]]:
    with (
        openai_server({}, otherwise="I would rather not say.") as (model, script),
        vault(SystemClock()) as (url, store),
    ):
        yield Beside(script, store), model, url


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, beside: tuple[Beside, str, str]) -> Iterator[Installation]:
    """One installation for all tests of this file. The secrets of its stores are canaries."""
    home, (_, model, vault_url) = tmp_path_factory.mktemp("hand"), beside
    prepared = Installation(home, {"VAULT_TOKEN": ROOT_TOKEN}).run("vault", "setup", "--url", vault_url)
    assert prepared.returncode == 0, prepared.stderr
    kept = {"SPARE_TOKEN": CANARIES["vault"]}
    hvac.Client(vault_url, ROOT_TOKEN).secrets.kv.v2.create_or_update_secret(
        "action-server", kept, mount_point="firebreak"
    )
    env = {"FIREBREAK_MODEL": "m1", "FIREBREAK_MODEL_BASE_URL": model, "OPENAI_API_KEY": CANARIES["model"]}
    with installed(home, SPARE_API_TOKEN=CANARIES["environment"], **env) as it:
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
    """A key that vanished from the api's file is brought back from the last good version; a secret that came is gone."""
    here.calm()
    known = here.known()
    file = Path(here.facts()["config_files"]["api"])
    lines = file.read_text().splitlines()
    wrong = [line for line in lines if not line.startswith("PAYMENTS_URL")]
    file.write_text("\n".join([*wrong, f"SIGNING_SECRET={CANARIES['config']}"]) + "\n")
    os.kill(int(here.process("api")["pid"]), signal.SIGTERM)
    _mended(here, known, "api", "restore_config")
    assert "PAYMENTS_URL" in file.read_text()


OWN_PLACES = ("secrets/", "config-versions/", "stack/config/", "stack/stack.json", "stack/identity.json")
"""Where secrets live; versions of configuration files are kept whole, to bring them back. The stack is a stranger: its
folder is its own."""
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


def _checkpoints(home: Path) -> bytes:
    """Everything that the embedded redis-server holds; its files may be compressed."""
    with redis.Redis(unix_socket_path=str(Home.at(home).redis_socket)) as client:
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"zset": lambda key: client.zrange(key, 0, -1),
        }
        kinds = {key: client.type(key) for key in client.scan_iter(count=500)}
        return repr([(key, read[kind](key)) for key, kind in kinds.items() if kind in read]).encode()


def _deliver(here: Installation, alert: dict[str, object]) -> None:
    """A sender's webhook, taken in."""
    token = (here.home / "secrets" / "intake.token").read_text().strip()
    with connect(Home.at(here.home)) as app:
        given = httpx.post(
            f"{app.url}/intake/generic", json=alert, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
    assert given.status_code == 202, given.text
    until(lambda: bool(here.read(given.json()["receipts"])["receipts"]), 20, "a receipt")


def test_no_secret_leaves_its_place(here: Installation, beside: tuple[Beside, str, str]) -> None:
    """After all these incidents, a rotated credential among them: no prompt, store, log, artifact, checkpoint, event or
    page holds one."""
    outside = beside[0]
    planted = {name: word.encode() for name, word in CANARIES.items()}
    planted |= {f"Vault token {token.accessor}": token.id.encode() for token in outside.vault.tokens.values()}
    held = _secrets(here.home) | planted
    assert len(held) > 12
    _deliver(
        here,
        {"status": "resolved", "title": f"password={CANARIES['webhook']}", "labels": {"token": CANARIES["webhook"]}},
    )
    leaks = [
        f"{name} in {path.relative_to(here.home)}"
        for path in here.home.rglob("*")
        if path.is_file() and not str(path.relative_to(here.home)).startswith(OWN_PLACES)
        for name, secret in held.items()
        if secret in path.read_bytes()
    ]
    with connect(Home.at(here.home)) as app:
        headers = {"Authorization": f"Bearer {Home.at(here.home).token('operator')}"}
        shown = {path: httpx.get(f"{app.url}{path}", headers=headers, timeout=20).content for path in PAGES}
        shown |= {
            i["id"]: httpx.get(f"{app.url}/incidents/{i['id']}", headers=headers, timeout=20).content
            for i in here.incidents()
        }
    assert any("SIGNING_SECRET" in json.dumps(asked) for asked in outside.model.asked)
    shown |= {"prompts": json.dumps(outside.model.asked).encode(), "checkpoints": _checkpoints(here.home)}
    shown |= {
        " ".join(c): here.run(*c).stdout.encode() for c in (("events", "tail"), ("ledger", "export"), ("doctor",))
    }
    assert all(shown.values())
    leaks += [f"{name} on {path}" for path, body in shown.items() for name, secret in held.items() if secret in body]
    assert leaks == []
