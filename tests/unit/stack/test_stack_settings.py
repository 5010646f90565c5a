"""Configuration files of the services."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.home import PASSWORDS, PORTS, new_identity
from stack.shop.api.settings import KEYS, conninfo
from stack.shop.settings import SettingsError, edit, judge, load, parse, render
from stack.supervisor.configuration import defaults

IDENTITY = new_identity({name: 20_000 + i for i, name in enumerate(PORTS)})
GOOD = {key: str(value) for key, value in defaults(IDENTITY)["api"].items()}


def test_defaults_are_complete() -> None:
    """What the supervisor writes is what the api needs."""
    assert judge(GOOD, KEYS) == []
    assert set(PASSWORDS) <= set(IDENTITY.passwords)


@pytest.mark.parametrize("key", [setting.key for setting in KEYS])
@pytest.mark.parametrize("value", ["", None])
def test_missing_key_is_named(key: str, value: str | None) -> None:
    """A key that is absent or empty is named in one complaint."""
    values = {k: v for k, v in GOOD.items() if k != key} | ({key: value} if value is not None else {})
    assert judge(values, KEYS) == [f"missing setting {key}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DB_PORT", "five"), ("DB_PORT", "70000"), ("DB_POOL_SIZE", "0"), ("PAYMENTS_URL", "payments"),
        ("CACHE_URL", "http://x"), ("PAYMENTS_PROVIDER", "other"), ("DB_POOL_TIMEOUT_S", "nan"),
    ],
)  # fmt: skip
def test_malformed_key_is_named(key: str, value: str) -> None:
    """A malformed value is named with what was expected and found."""
    (complaint,) = judge(GOOD | {key: value}, KEYS)
    assert complaint.startswith(f"malformed setting {key}: expected ")
    assert repr(value) in complaint


def test_load_complains_about_lines(tmp_path: Path) -> None:
    """A line that is no setting, and a file that is not there, are errors."""
    path = tmp_path / "api.env"
    path.write_text(render(GOOD, title="test") + "nonsense\n")
    with pytest.raises(SettingsError, match="is not KEY=VALUE"):
        load(path, KEYS)
    with pytest.raises(SettingsError, match="missing settings file"):
        load(tmp_path / "none.env", KEYS)


keys = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8)


@given(st.dictionaries(keys, texts, max_size=6), st.dictionaries(keys, texts, max_size=4))
def test_edit_then_parse(before: dict[str, str], changes: dict[str, str]) -> None:
    """After an edit the file says the former values with the changes on top, and editing again changes nothing."""
    after = edit(render(before, title="test"), changes)
    assert parse(after) == (before | changes, [])
    assert edit(after, changes) == after


def test_conninfo_quotes() -> None:
    """Odd characters in a value do not become other parameters."""
    assert r"dbname='a\' host=\\evil'" in conninfo(GOOD | {"DB_NAME": "a' host=\\evil"})
