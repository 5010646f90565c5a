"""Tokens become named identities with rights; only hashes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import AuthError, ConfigError
from governance.identity import (
    RIGHTS,
    Identities,
    Identity,
    Right,
    Role,
    home_identities,
    load_identities,
    new_token,
)


def test_a_token_names_its_holder() -> None:
    """A known token gives the identity, any other one an AuthError."""
    identities = Identities()
    token = new_token()
    identities.enrol("maria", ["approver"], token)
    identities.enrol("agent", [Role.AGENT], new_token())
    assert identities.identify(token).name == "maria"
    for wrong in ("", "wrong", token[:-1], token + "x"):
        with pytest.raises(AuthError):
            identities.identify(wrong)


def test_every_role_has_its_rights() -> None:
    """The table is total; no process may answer for a person, no person acts as an agent."""
    assert set(RIGHTS) == set(Role)
    for role, rights in RIGHTS.items():
        assert not (Right.ANSWER in rights and not role.person)
        assert not (Right.PROPOSE in rights and role.person)
    assert RIGHTS[Role.CHAOS] == {Right.VERIFY, Right.COMMIT, Right.INJECT}


def test_a_missing_right_is_refused_with_a_hint() -> None:
    """The refusal says which roles would do."""
    agent = Identity(name="agent", roles=frozenset({Role.AGENT}))
    agent.require(Right.PROPOSE)
    with pytest.raises(AuthError) as refused:
        agent.require(Right.ANSWER)
    assert "approver, admin" in refused.value.expected
    assert "person" in refused.value.hint
    with pytest.raises(AuthError) as other:
        agent.require(Right.COMMIT)
    assert "person" not in other.value.hint
    with pytest.raises(AuthError, match="nobody"):
        Identity(name="nobody", roles=frozenset()).require(Right.READ)


@pytest.mark.parametrize(
    ("roles", "token"), [(["king"], "t" * 43), (["agent", "admin"], "t" * 43), (["admin"], "short")]
)
def test_a_wrong_enrolment_is_refused(roles: list[str], token: str) -> None:
    """Unknown roles, a person who is also a process, and weak tokens are configuration errors."""
    with pytest.raises(ConfigError):
        Identities().enrol("x", roles, token)


def test_only_hashes_are_stored(tmp_path: Path) -> None:
    """The saved file knows the holders without their tokens, and is for its owner only."""
    identities = Identities()
    token = new_token()
    identities.enrol("maria", ["approver"], token)
    file = tmp_path / "identities.json"
    identities.save(file)
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_identities(file).identify(token) == identities.identify(token)
    file.write_text("[]")
    with pytest.raises(ConfigError):
        load_identities(file)


def test_a_home_knows_its_token_files(tmp_path: Path) -> None:
    """Each token file gives its holder's role; a missing one gives nobody a right."""
    agent = new_token()
    (tmp_path / "agent.token").write_text(agent + "\n")
    identities = home_identities(tmp_path)
    assert identities.identify(agent).roles == {Role.AGENT}
    with pytest.raises(AuthError):
        identities.identify("")
