"""Credentials on the guard's path: issued at the claim, ended with the step, never where they must not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.home import Home
from cli.main import app
from cli.vault import entrance_file, issuer_of
from domain.action import ActionCall, ActionResult, Outcome, Tier, Verdict
from domain.clock import ManualClock
from domain.errors import ConfigError, ToolError
from domain.secret import Kept, Opened, StepVariables, step_opens
from governance.credentials.embedded import EmbeddedCredentials
from governance.credentials.grants import Grant, Standing
from governance.credentials.port import Credential, CredentialsUnavailableError, Scope, UnwrapError
from governance.credentials.secrets import FRESH_S, StoredSecrets, VaultSecrets
from governance.credentials.vault import Vault, prepare
from governance.credentials.vault_issuer import VaultCredentials
from governance.guard.intent import IntentBeforeEffect
from governance.ledger.memory import MemoryLedger
from governance.seats import grant
from governance.tiers import CREDENTIALS
from tests.fakes.executor import FakeExecutor, mixed_inventory
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, with_code
from tests.fakes.vault_server import ROOT_TOKEN, Store, vault


class Refusing(EmbeddedCredentials):
    """An issuer in trouble."""

    error: Exception = CredentialsUnavailableError("the issuer does not answer")

    async def issue(self, scope: Scope, *, holder: str, change: str, deadline: datetime | None) -> Credential:
        raise self.error


def grants(scene: Scene) -> list[Grant]:
    return [Grant.model_validate(record.doc) for record in scene.store.find("credential")]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Store]]:
    with vault(ManualClock()) as served:
        yield served


async def test_a_step_has_one_credential_and_it_ends_with_it() -> None:
    """The intent names its accessor; afterwards it is spent."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.SUCCEEDED
    (only,) = grants(scene)
    assert (only.holder, only.change, only.standing) == ("responder", "inc-1", Standing.SPENT)
    assert (only.scope.tier, only.scope.target, only.scope.action) == (Tier.T1, "api", "restart_service")
    intent = next(entry for entry in scene.store.entries() if entry.kind == "intent")
    assert intent.content["accessor"] == only.accessor


async def test_a_compensation_has_its_own_authority() -> None:
    """At the tier of the step that it takes back, and without the plan's deadline."""
    scene = Scene()
    await scene.agent.judge(plan(SCALE), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    scene.clock.advance(CREDENTIALS[Tier.T1].max_s + 1)
    await scene.operator.unwind("inc-1")
    undo = next(g for g in grants(scene) if g.scope.compensation)
    assert (undo.scope.action, undo.scope.tier, undo.holder) == ("scale_pool", Tier.T1, "operator")


@pytest.mark.parametrize("service", ["legacy", "mirror"])
async def test_observe_and_shadow_never_hold_a_credential(service: str) -> None:
    """Through the whole guard: judged, refused, recorded; nothing was issued."""
    scene = Scene(inventory=mixed_inventory())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T4, policy=scene.policy, by="operator", why="test")
    await scene.agent.judge(plan(call("restart_service", service)), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    assert grants(scene) == []
    assert scene.executor.executed == []


async def test_a_plan_past_its_deadline_gets_no_credential() -> None:
    """What it rests on may have changed; it is judged again."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    scene.clock.advance(CREDENTIALS[Tier.T1].max_s)
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert "deadline has passed" in receipt.summary
    await scene.agent.judge(plan(RESTART), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_an_issuer_that_does_not_answer_means_no() -> None:
    """Nothing is dispatched; the claim may be taken up again."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    broken = scene.again(credentials=Refusing(scene.store))
    receipt = await broken.agent.apply("plan-1", "s1", actor())
    assert (receipt.verdict, scene.executor.executed) == (Verdict.DENY, [])
    assert (await scene.again().agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_a_secret_id_that_somebody_opened_is_a_critical_entry() -> None:
    """Beside the refusal."""
    scene = Scene()
    issuer = Refusing(scene.store)
    issuer.error = UnwrapError("a wrapped secret id could not be opened")
    scene = scene.again(credentials=issuer)
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    alarm = next(entry for entry in scene.store.entries() if entry.kind == "credential")
    assert (alarm.content["event"], alarm.content["severity"], alarm.content["step"]) == (
        "unwrap_failed",
        "CRITICAL",
        "s1",
    )


async def test_a_freeze_revokes_what_is_live() -> None:
    """Credentials first; the ledger names them."""
    scene = Scene()
    issuer = scene.guard.parts.credentials
    scope = Scope.model_validate(
        {
            "tier": "T1",
            "target": "api",
            "action": "restart_service",
            "environment": "sandbox",
            "effect": "transient",
            "mode": "act",
        }
    )
    live = await issuer.issue(scope, holder="responder", change="inc-1", deadline=None)
    await scene.operator.freeze("stop")
    entry = next(entry for entry in scene.store.entries() if entry.kind == "credential")
    assert entry.content["accessors"] == [live.accessor]


async def test_expiry_between_claim_and_dispatch_is_refused() -> None:
    """The dispatch's own transaction looks once more."""
    scenes: list[Scene] = []
    scene = Scene(wrappers=with_code(IntentBeforeEffect, lambda: scenes[0].clock.advance(50)))
    scenes.append(scene)
    await scene.agent.judge(plan(RESTART), actor())
    scene.clock.advance(CREDENTIALS[Tier.T1].max_s - 30)
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert "credential has ended" in receipt.summary
    assert scene.executor.executed == []


class Reaching(FakeExecutor):
    """Reaches its target with the variable that its binding would name."""

    def __init__(self) -> None:
        super().__init__()
        self.env = StepVariables({"API_DSN": "of the process", "OTHER": "of the process"})
        self.used: list[tuple[str, str, int]] = []

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        self.used.append((self.env["API_DSN"], self.env["OTHER"], len(self.env)))
        assert sorted(self.env) == ["API_DSN", "OTHER"]
        return await super().execute(call, idempotency_key=idempotency_key)


def vaulted(server: tuple[str, Store], **more: Any) -> tuple[Scene, Vault, Store]:
    """A scene whose credentials Vault issues, over one clock."""
    url, store = server
    clock = ManualClock()
    ledger, store.clock = MemoryLedger(clock), clock
    box = Vault(url, prepare(url, ROOT_TOKEN), lambda _: None)
    scene = Scene(ledger=ledger, clock=clock, credentials=VaultCredentials(box, ledger), **more)
    return scene, box, store


async def test_a_step_reaches_its_target_with_what_its_own_credential_opens(server: tuple[str, Store]) -> None:
    """At T2 the target's secret is read with the step's token, for the step alone; T1 never sees one."""
    executor = Reaching()
    scene, box, _ = vaulted(server, executor=executor)
    box.write("sandbox/api", {"API_DSN": "of the step"})
    await scene.agent.judge(plan(RESTART, SCALE), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T2, policy=scene.policy, by="operator", why="test")
    receipt = await scene.agent.apply("plan-1", "s2", actor())
    assert receipt.outcome is Outcome.SUCCEEDED
    assert executor.used == [("of the process", "of the process", 2), ("of the step", "of the process", 2)]
    assert executor.env["API_DSN"] == "of the process"
    assert "of the step" not in str(scene.store.entries(limit=100))


async def test_a_target_whose_secret_cannot_be_read_is_not_touched(server: tuple[str, Store]) -> None:
    """The policy of the tier was narrowed in Vault: refused with the reason, nothing dispatched."""
    scene, _, store = vaulted(server)
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T2, policy=scene.policy, by="operator", why="test")
    written = store.policies["firebreak-t2"]
    store.policies["firebreak-t2"] = ""
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    store.policies["firebreak-t2"] = written
    assert receipt.verdict is Verdict.DENY
    assert "Vault refused" in receipt.summary
    assert scene.executor.executed == []


async def test_secrets_are_kept_only_as_a_running_step(server: tuple[str, Store]) -> None:
    """Written under the step's credential; outside a step, or under an issuer without a store, it says so."""
    scene, box, store = vaulted(server)
    secrets = VaultSecrets(box)
    with pytest.raises(ToolError, match="no credential of a running step"):
        secrets.keep("sandbox/api/login", {"password": "x"})
    with step_opens(Opened()), pytest.raises(ToolError, match="no credential") as refused:
        secrets.keep("sandbox/api/login", {"password": "x"})
    assert "keeps no secrets" in refused.value.found
    scene.executor.before_effect = lambda: written.append(secrets.keep("sandbox/api/login", {"password": "new"}))
    written: list[int] = []
    await scene.agent.judge(plan(RESTART), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert secrets.newest("sandbox/api/login") == Kept(version=written[0], values={"password": "new"})
    assert "POST firebreak/data/sandbox/api/login" in store.requests


def test_secrets_of_bindings_are_fresh_and_survive_an_outage(
    server: tuple[str, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version is seen without a restart; while Vault is sealed the last one is used."""
    url, store = server
    seconds = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    box = Vault(url, prepare(url, ROOT_TOKEN), lambda _: None)
    box.write("action-server", {"STACK_TOKEN": "one"})
    env = StoredSecrets(box, {"HOME": "/home/x", "STACK_TOKEN": "from the environment"})
    assert (env["STACK_TOKEN"], env["HOME"], len(env), sorted(env)) == ("one", "/home/x", 2, ["HOME", "STACK_TOKEN"])
    box.write("action-server", {"STACK_TOKEN": "two"})
    assert env["STACK_TOKEN"] == "one"
    seconds[0] += FRESH_S
    store.sealed = True
    assert env["STACK_TOKEN"] == "one"
    seconds[0] += FRESH_S
    store.sealed = False
    assert env["STACK_TOKEN"] == "two"


def test_setup_leaves_an_entrance_that_the_action_server_uses(
    server: tuple[str, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command to the issuer; without a set-up it is the embedded one."""
    url, _ = server
    home, ledger = Home.at(tmp_path), MemoryLedger(ManualClock())
    assert isinstance(issuer_of(home, ledger).credentials, EmbeddedCredentials)
    assert issuer_of(home, ledger).secrets is None
    monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
    done = CliRunner().invoke(app, ["--home", str(tmp_path), "vault", "setup", "--url", url, "--json"])
    assert done.exit_code == 0, done.output
    before = json.loads(entrance_file(home).read_text())
    assert ROOT_TOKEN not in done.output + json.dumps(before)
    issuing = issuer_of(home, ledger)
    assert isinstance(issuing.credentials, VaultCredentials)
    assert isinstance(issuing.variables, StoredSecrets)
    assert isinstance(issuing.secrets, VaultSecrets)
    assert json.loads(entrance_file(home).read_text())["wrapped_secret_id"] != before["wrapped_secret_id"]
    entrance_file(home).write_text(json.dumps(before))
    issuer_of(home, ledger)
    assert ledger.head().content["event"] == "unwrap_failed"
    entrance_file(home).write_text("{}")
    with pytest.raises(ConfigError, match="entrance to Vault"):
        issuer_of(home, ledger)


def test_setup_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, Store]) -> None:
    """A token of a person; and the policies can be read before anything is written."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    run = CliRunner()
    refused = run.invoke(app, ["--home", str(tmp_path), "vault", "setup", "--url", server[0]])
    assert isinstance(refused.exception, ConfigError)
    shown = run.invoke(app, ["--home", str(tmp_path), "vault", "policies"])
    assert 'path "firebreak/data/sandbox/*"' in shown.output
    as_json = run.invoke(app, ["--home", str(tmp_path), "vault", "policies", "--json"])
    assert sorted(json.loads(as_json.output)["policies"]) == [
        "T0.hcl",
        "T1.hcl",
        "T2.hcl",
        "T3.hcl",
        "T4.hcl",
        "broker.hcl",
    ]


def test_an_unreachable_vault_does_not_keep_the_server_down(server: tuple[str, Store], tmp_path: Path) -> None:
    """People must be able to look and freeze."""
    url, store = server
    home = Home.at(tmp_path)
    home.prepare()
    entrance = prepare(url, ROOT_TOKEN)
    row = {"url": url, "role_id": entrance.role_id, "wrapped_secret_id": entrance.wrapped}
    entrance_file(home).write_text(json.dumps(row))
    store.sealed = True
    try:
        issuer = issuer_of(home, MemoryLedger(ManualClock())).credentials
    finally:
        store.sealed = False
    assert isinstance(issuer, VaultCredentials)


def test_the_deadline_of_a_plan_is_its_tiers_longest_credential() -> None:
    """One table says both."""
    assert timedelta(seconds=CREDENTIALS[Tier.T1].max_s) == timedelta(hours=2)
    assert all(life.ttl_s <= life.max_s for life in CREDENTIALS.values())
    assert CREDENTIALS[Tier.T4].uses == 1
