"""One suite for every issuer of credentials: the embedded one, Vault over HTTP, and a real Vault when one is named.

`VAULT_ADDR` and `VAULT_TOKEN` (an administrator's, of a Vault for tests: policies, a mount and a role are written) add
the real one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import hvac
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.action import Effect, Tier
from domain.clock import ManualClock, SystemClock
from domain.inventory import Environment, Mode
from domain.secret import Kept
from governance.credentials.embedded import EmbeddedCredentials
from governance.credentials.grants import Standing, load_grant
from governance.credentials.policies import policy_files
from governance.credentials.port import CredentialError, Credentials, CredentialsUnavailableError, Scope, UnwrapError
from governance.credentials.vault import Entrance, Vault, prepare
from governance.credentials.vault_issuer import VaultCredentials
from governance.ledger.memory import MemoryLedger
from governance.tiers import CREDENTIALS
from tests.fakes.vault_server import ROOT_TOKEN, Store, vault

REAL = os.environ.get("VAULT_ADDR", "")


@dataclass
class Bench:
    """An issuer with its ledger and clock."""

    issuer: Credentials
    ledger: MemoryLedger
    clock: ManualClock | SystemClock
    url: str = ""
    admin: str = ""
    store: Store | None = None
    kept: list[Entrance] = field(default_factory=list)


def over_vault(url: str, admin: str, clock: ManualClock | SystemClock, store: Store | None = None) -> Bench:
    ledger, kept = MemoryLedger(clock), [prepare(url, admin)]
    client = Vault(url, kept[0], kept.append)
    return Bench(VaultCredentials(client, ledger), ledger, clock, url, admin, store, kept)


@pytest.fixture(scope="module")
def double() -> Iterator[tuple[str, Store]]:
    with vault(ManualClock()) as served:
        yield served


@pytest.fixture(
    params=["embedded", "vault", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason="no VAULT_ADDR"))]
)
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "embedded":
        clock = ManualClock()
        ledger = MemoryLedger(clock)
        return Bench(EmbeddedCredentials(ledger), ledger, clock)
    if request.param == "real":
        return over_vault(REAL, os.environ["VAULT_TOKEN"], SystemClock())
    return doubled(request.getfixturevalue("double"))


@pytest.fixture
def remote(double: tuple[str, Store]) -> Bench:
    return doubled(double)


def doubled(served: tuple[str, Store]) -> Bench:
    url, store = served
    clock = ManualClock()
    store.clock, store.sealed = clock, False
    return over_vault(url, ROOT_TOKEN, clock, store)


def scope(**more: object) -> Scope:
    usual = {
        "tier": Tier.T1,
        "target": "api",
        "action": "restart_service",
        "environment": Environment.SANDBOX,
        "effect": Effect.TRANSIENT,
        "mode": Mode.ACT,
    }
    return Scope.model_validate({**usual, **more})


async def test_what_was_issued_is_good_for_exactly_that(bench: Bench) -> None:
    """Another tier, target, action, environment or authority is refused."""
    credential = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    await bench.issuer.check(credential, scope())
    for other in ({"target": "postgres"}, {"action": "scale_pool"}, {"tier": Tier.T2}, {"compensation": True}):
        with pytest.raises(CredentialError) as refused:
            await bench.issuer.check(credential, scope(**other))
        assert refused.value.code == "credential.scope"


async def test_another_token_under_the_same_accessor_is_refused(bench: Bench) -> None:
    """Knowing an accessor opens nothing."""
    one = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    forged = type(one)(accessor=one.accessor, token="hvs.guessed", scope=one.scope, expires_at=one.expires_at)
    with pytest.raises(CredentialError, match="not the one"):
        await bench.issuer.check(forged, scope())
    unknown = type(one)(accessor="nobody", token=one.token, scope=one.scope, expires_at=one.expires_at)
    with pytest.raises(CredentialError, match="no such credential"):
        await bench.issuer.check(unknown, scope())


async def test_it_ends_with_its_tier_and_never_after_the_deadline(bench: Bench) -> None:
    """The tier's time to live, cut by the plan's deadline; after the deadline there is none."""
    now = bench.ledger.now
    usual = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert abs((usual.expires_at - now).total_seconds() - CREDENTIALS[Tier.T1].ttl_s) < 5
    near = bench.ledger.now + timedelta(seconds=90)
    cut = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=near)
    assert cut.expires_at == near
    with pytest.raises(CredentialError) as late:
        await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=bench.ledger.now)
    assert late.value.code == "credential.deadline"


async def test_an_expired_one_opens_nothing(bench: Bench) -> None:
    """Time alone ends it."""
    if not isinstance(bench.clock, ManualClock):
        pytest.skip("time of a real Vault cannot be advanced")
    credential = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    bench.clock.advance(CREDENTIALS[Tier.T1].ttl_s)
    with pytest.raises(CredentialError) as refused:
        await bench.issuer.check(credential, scope())
    assert refused.value.code == "credential.expired"


async def test_revoking_by_accessor_ends_it_at_once(bench: Bench) -> None:
    """Once; the second time there is nothing left to end. The ledger knows who and why."""
    credential = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert await bench.issuer.revoke(credential.accessor, by="maria", why="test")
    assert not await bench.issuer.revoke(credential.accessor, by="maria", why="test")
    with pytest.raises(CredentialError) as refused:
        await bench.issuer.check(credential, scope())
    assert (refused.value.code, "maria" in refused.value.found) == ("credential.ended", True)
    head = bench.ledger.head()
    assert (head.kind, head.actor, head.content["accessors"]) == ("credential", "maria", [credential.accessor])


async def test_a_spent_one_opens_nothing(bench: Bench) -> None:
    """Its step has ended; ending it again is no error."""
    credential = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    await bench.issuer.spend(credential.accessor)
    await bench.issuer.spend(credential.accessor)
    with pytest.raises(CredentialError, match="has ended"):
        await bench.issuer.check(credential, scope())
    grant = load_grant(bench.ledger, credential.accessor)
    assert grant is not None
    assert grant.standing is Standing.SPENT


async def test_revoking_a_holder_spares_others_and_the_compensation_authority(bench: Bench) -> None:
    """A revoked agent's recorded compensations can still be carried out; a freeze ends those too."""
    mine = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    other = await bench.issuer.issue(scope(), holder="skills", change="run-1", deadline=None)
    undo = await bench.issuer.issue(scope(compensation=True), holder="responder", change="inc-1", deadline=None)
    assert await bench.issuer.revoke_all(by="overwatch", why="CRITICAL", holder="responder") == [mine.accessor]
    await bench.issuer.check(other, scope())
    await bench.issuer.check(undo, scope(compensation=True))
    assert set(await bench.issuer.revoke_all(by="maria", why="freeze")) == {other.accessor, undo.accessor}
    with pytest.raises(CredentialError):
        await bench.issuer.check(undo, scope(compensation=True))


async def test_rotating_ends_what_was_issued_and_issues_on(bench: Bench) -> None:
    """A new secret of the issuer's own; the ledger says so."""
    before = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    await bench.issuer.rotate(by="maria")
    with pytest.raises(CredentialError):
        await bench.issuer.check(before, scope())
    after = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    await bench.issuer.check(after, scope())
    assert {"event": "rotated"} in [entry.content for entry in bench.ledger.entries()]


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SHADOW])
@pytest.mark.parametrize("effect", [e for e in Effect if e.mutating])
@pytest.mark.parametrize("tier", list(Tier))
async def test_observe_and_shadow_get_no_mutating_credential(
    bench: Bench, mode: Mode, effect: Effect, tier: Tier
) -> None:
    """Whoever asks, at whatever tier, compensations included."""
    for compensation in (False, True):
        asked = scope(mode=mode, effect=effect, tier=tier, compensation=compensation)
        with pytest.raises(CredentialError) as refused:
            await bench.issuer.issue(asked, holder="responder", change="inc-1", deadline=None)
        assert refused.value.code == "credential.forbidden"
    assert bench.ledger.find("credential") == []


async def test_the_tier_table_binds_the_issuer_too(bench: Bench) -> None:
    """Even a guard that lost its tier wrapper gets no credential for what the table denies."""
    for denied in ({"tier": Tier.T0}, {"environment": Environment.PRODUCTION}, {"effect": Effect.IRREVERSIBLE}):
        with pytest.raises(CredentialError) as refused:
            await bench.issuer.issue(scope(**denied), holder="responder", change="inc-1", deadline=None)
        assert refused.value.code == "credential.forbidden"


async def test_nothing_that_is_kept_or_shown_opens_anything(bench: Bench) -> None:
    """Records, ledger and repr hold digests and accessors, never the token."""
    credential = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    await bench.issuer.revoke(credential.accessor, by="maria", why="test")
    kept = repr([bench.ledger.find("credential"), bench.ledger.entries(), credential])
    assert credential.token not in kept
    assert credential.accessor in kept


async def test_vault_gets_the_ttl_the_policy_and_the_scope(remote: Bench) -> None:
    """What the token can do in Vault is its tier's policy, until the deadline, with the scope as its note."""
    deadline = remote.ledger.now + timedelta(seconds=90)
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=deadline)
    found = hvac.Client(remote.url, token=remote.admin).auth.token.lookup_accessor(credential.accessor)["data"]
    assert (found["ttl"], found["policies"]) == (90, ["firebreak-t1"])
    assert (found["meta"]["target"], found["meta"]["action"], found["meta"]["holder"]) == (
        "api",
        "restart_service",
        "responder",
    )
    assert remote.store is not None
    assert list(remote.store.roles) == ["firebreak-broker"]


async def test_what_is_revoked_in_vault_is_refused_here(remote: Bench) -> None:
    """An operator of Vault needs nothing of ours to end a credential."""
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    hvac.Client(remote.url, token=remote.admin).auth.token.revoke_accessor(credential.accessor)
    with pytest.raises(CredentialError) as refused:
        await remote.issuer.check(credential, scope())
    assert refused.value.code == "credential.ended"
    await remote.issuer.spend(credential.accessor)
    assert isinstance(remote.issuer, VaultCredentials)
    policy = hvac.Client(remote.url, token=remote.admin).sys
    policy.create_or_update_policy("firebreak-broker", 'path "auth/token/*" { capabilities = ["deny"] }')
    for lost in (remote.issuer._vault.meta, remote.issuer._vault.end):
        with pytest.raises(CredentialError, match="Vault refused"):
            lost(credential.accessor)


async def test_a_note_that_vault_changed_is_refused(remote: Bench) -> None:
    """Both sides must say the same scope."""
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert remote.store is not None
    remote.store.by_accessor(credential.accessor).meta["scope"] = "another"
    with pytest.raises(CredentialError) as refused:
        await remote.issuer.check(credential, scope())
    assert refused.value.code == "credential.scope"


async def test_a_token_reaches_its_environments_and_nothing_else(remote: Bench) -> None:
    """T1 writes sandbox secrets without reading them; production, policies and new tokens are closed."""
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    step = hvac.Client(remote.url, token=credential.token)
    step.secrets.kv.v2.create_or_update_secret("sandbox/api", {"password": "fresh"}, mount_point="firebreak")
    attempts: list[Callable[[], object]] = [
        lambda: step.secrets.kv.v2.read_secret_version(
            "sandbox/api", mount_point="firebreak", raise_on_deleted_version=True
        ),
        lambda: step.secrets.kv.v2.create_or_update_secret("production/api", {"a": "b"}, mount_point="firebreak"),
        lambda: step.auth.token.lookup_accessor(credential.accessor),
        lambda: step.sys.create_or_update_policy("firebreak-t1", 'path "*" { capabilities = ["sudo"] }'),
        lambda: step.auth.approle.create_or_update_approle("firebreak-t4", token_policies=["firebreak-t4"]),
    ]
    for forbidden in attempts:
        with pytest.raises(hvac.exceptions.Forbidden):
            forbidden()


async def test_the_action_server_cannot_give_itself_more(remote: Bench) -> None:
    """Its own policy makes roles with the policies of tiers only, and cannot touch its own role."""
    await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert isinstance(remote.issuer, VaultCredentials)
    broker = remote.issuer._vault._client
    for policies, name in (
        (["root"], "firebreak-x"),
        (["firebreak-t1", "root"], "firebreak-x"),
        (["firebreak-t1"], "firebreak-broker"),
    ):
        with pytest.raises(hvac.exceptions.Forbidden):
            broker.auth.approle.create_or_update_approle(name, token_policies=policies)


async def test_a_sealed_vault_means_no_credential(remote: Bench) -> None:
    """Nothing is issued; what was issued ends here all the same, and goes on when Vault does."""
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert remote.store is not None
    remote.store.sealed = True
    with pytest.raises(CredentialsUnavailableError):
        await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    assert await remote.issuer.revoke(credential.accessor, by="maria", why="test")
    remote.store.sealed = False
    await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)


async def test_an_entrance_that_somebody_else_used_is_critical(remote: Bench) -> None:
    """The wrapped secret id opens once: the second one to come learns that there was a first."""
    stolen = prepare(remote.url, remote.admin)
    hvac.Client(remote.url, token=stolen.wrapped).sys.unwrap()
    late = VaultCredentials(Vault(remote.url, stolen, remote.kept.append), remote.ledger)
    with pytest.raises(UnwrapError, match="somebody else"):
        await late.issue(scope(), holder="responder", change="inc-1", deadline=None)


async def test_every_start_uses_up_one_entrance_and_leaves_the_next(remote: Bench) -> None:
    """A restarted action server signs in with what the one before kept; the used one opens nothing any more."""
    await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    first, second = remote.kept[-2:]
    again = VaultCredentials(Vault(remote.url, second, remote.kept.append), remote.ledger)
    await again.issue(scope(), holder="responder", change="inc-1", deadline=None)
    with pytest.raises(UnwrapError):
        await VaultCredentials(Vault(remote.url, first, remote.kept.append), remote.ledger).issue(
            scope(), holder="responder", change="inc-1", deadline=None
        )


async def test_the_action_server_stays_signed_in_or_signs_in_again(remote: Bench) -> None:
    """Its token is renewed in time; one that ended meanwhile is replaced through the entrance that was kept."""
    assert isinstance(remote.issuer, VaultCredentials)
    assert isinstance(remote.clock, ManualClock)
    await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    for away_s, entrances in ((1800, 2), (7200, 3)):
        remote.issuer._vault._renew_at = 0.0
        remote.clock.advance(away_s)
        await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
        assert len(remote.kept) == entrances


async def test_secrets_have_versions_and_no_path_is_nothing(remote: Bench) -> None:
    """KV v2: a new version each time, the newest is read."""
    assert isinstance(remote.issuer, VaultCredentials)
    box = remote.issuer._vault
    assert box.newest("sandbox/nowhere") == Kept(version=0)
    assert (box.write("sandbox/db", {"dsn": "one"}), box.write("sandbox/db", {"dsn": "two"})) == (1, 2)
    assert box.newest("sandbox/db") == Kept(version=2, values={"dsn": "two"})


async def test_what_a_credential_opens_is_what_its_tier_may_see(bench: Bench) -> None:
    """From T2 on the target's own secret, in a Vault; T1 writes and sees nothing; the embedded issuer keeps none."""
    vaulted = isinstance(bench.issuer, VaultCredentials)
    if isinstance(bench.issuer, VaultCredentials):
        bench.issuer._vault.write("sandbox/api", {"API_DSN": "of the step"})
    one = await bench.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    two = await bench.issuer.issue(scope(tier=Tier.T2), holder="responder", change="inc-1", deadline=None)
    assert (await bench.issuer.open(one, "sandbox/api")).values == {}
    opened = await bench.issuer.open(two, "sandbox/api")
    assert opened.values == ({"API_DSN": "of the step"} if vaulted else {})
    assert (await bench.issuer.open(two, "sandbox/a-target-without")).values == {}
    assert (opened.write is not None) is vaulted
    assert "of the step" not in repr(opened)


async def test_a_credential_opens_nothing_beyond_its_tier(remote: Bench) -> None:
    """Vault itself refuses: production for T1's writing, and anything for a token that has ended."""
    credential = await remote.issuer.issue(scope(), holder="responder", change="inc-1", deadline=None)
    opened = await remote.issuer.open(credential, "sandbox/api")
    assert opened.write is not None
    assert opened.write("sandbox/api/login", {"password": "fresh"}) >= 1
    with pytest.raises(CredentialError, match="Vault refused"):
        opened.write("production/api/login", {"password": "fresh"})
    await remote.issuer.spend(credential.accessor)
    with pytest.raises(CredentialError, match="Vault refused"):
        opened.write("sandbox/api/login", {"password": "again"})


def test_the_policies_in_the_repository_are_the_tables() -> None:
    """Written out once, generated from the one table, readable for whoever reviews Vault."""
    folder = Path(__file__).parents[2] / "governance" / "credentials" / "policies"
    assert {file.name: file.read_text() for file in folder.iterdir()} == policy_files()


@given(tier=st.sampled_from(Tier), environment=st.sampled_from(Environment))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_higher_tiers_policy_includes_the_lower_ones(tier: Tier, environment: Environment) -> None:
    """Monotone in the tier, as the verdicts are."""
    files = policy_files()
    path = f"firebreak/data/{environment.value}/*"
    higher = [t for t in Tier if t.level >= tier.level]
    if path in files[f"{tier.value}.hcl"]:
        assert all(path in files[f"{t.value}.hcl"] for t in higher)
