"""Files, directories and configuration: atomic, bounded, and never beyond what was declared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import StorageError, ToolError, ToolUnavailableError
from tools.config_text import differing, is_secret, keys_of, with_key
from tools.config_versions import FileConfigVersions, from_env, version_of
from tools.directory import Found, removable, remove, scan, usage
from tools.file import read_text, tail, write_atomic

ENV = Path("api.env")
keys = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'\"")).map(str.strip)


@given(st.dictionaries(keys, values, max_size=6), keys, values)
def test_setting_a_key_leaves_the_others_alone(file: dict[str, str], key: str, value: str) -> None:
    """After setting, the key has the value and no other key changed; removing restores a file without it."""
    text = "# head\n" + "".join(f'{k}="{v}"\n' for k, v in file.items())
    after = with_key(text, ENV, key, value)
    assert keys_of(after, ENV) == {**file, key: value}
    assert after.startswith("# head\n")
    if key not in file:
        assert with_key(after, ENV, key, None) == text


def test_a_key_is_set_in_place() -> None:
    """Order and comments stay; a missing final newline is no trap."""
    assert with_key("A=1\n# c\nB=2", ENV, "A", "3") == "A=3\n# c\nB=2"
    assert with_key("A=1", ENV, "B", "x y") == 'A=1\nB="x y"\n'
    assert with_key("export A='1'\n", ENV, "A", None) == ""
    with pytest.raises(ToolError, match="cannot be written"):
        with_key("", ENV, "A", "'\"")


def test_json_keys_keep_their_type() -> None:
    """Nested keys are reached with dots; a number stays a number."""
    path = Path("a.json")
    assert keys_of('{"a": {"b": 1}, "c": "x"}', path) == {"a.b": "1", "c": "x"}
    assert keys_of(with_key('{"a": {"b": 1}}', path, "a.b", "2"), path) == {"a.b": "2"}
    assert with_key('{"a": true}', path, "a", "no") == '{\n  "a": "no"\n}\n'
    assert with_key('{"a": 1}', path, "a", None) == "{}\n"
    for text, key in (("[", "a"), ("[]", "a"), ('{"a": 1}', "a.b")):
        with pytest.raises(ToolError):
            with_key(text, path, key, "1")


def test_other_formats_are_read_but_not_edited() -> None:
    """YAML keys are compared; what does not parse has none."""
    assert differing("a: 1\nb: {c: 2}", "a: 1\nb: {c: 3}", Path("x.yaml")) == ["b.c"]
    assert keys_of("a: [", Path("x.yml")) == {}
    with pytest.raises(ToolError, match="not edited"):
        with_key("a: 1", Path("x.yaml"), "a", "2")


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("API_KEY", "x", True),
        ("DB_PASSWORD", "", True),
        ("DSN", "postgresql://u:secret@h/d", True),
        ("LOG_LEVEL", "info", False),
        ("URL", "http://h:1/x", False),
    ],
)
def test_secrets_are_known_by_name_or_look(key: str, value: str, secret: bool) -> None:
    """A key that names a secret, or a value that looks like one."""
    assert is_secret(key, value) is secret


def test_atomic_writes_keep_the_mode(tmp_path: Path) -> None:
    """The mode of the file that is there stays, unless one is asked for; no temporary file is left."""
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o640)
    write_atomic(path, b"new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    write_atomic(path, b"newer", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ToolUnavailableError, match="cannot be written"):
        write_atomic(tmp_path / "none" / "f", b"x")


def test_reads_are_bounded(tmp_path: Path) -> None:
    """Too large, missing and unreadable are three different errors."""
    path = tmp_path / "f"
    path.write_bytes(b"\xff" * 10)
    assert len(read_text(path)) == 10
    with pytest.raises(ToolError, match="too large"):
        read_text(path, limit=9)
    with pytest.raises(ToolError, match="does not exist"):
        read_text(tmp_path / "none")
    with pytest.raises(ToolUnavailableError, match="cannot be read"):
        read_text(tmp_path)


def test_the_tail_starts_with_a_whole_line(tmp_path: Path) -> None:
    """A cut first line is left out; a missing file has no tail."""
    path = tmp_path / "log"
    path.write_text("".join(f"line {i}\n" for i in range(1000)))
    assert tail(path, lines=2) == ["line 998", "line 999"]
    assert tail(path, lines=100, limit=20) == ["line 998", "line 999"]
    assert tail(tmp_path / "none") == []


def test_only_scratch_goes_and_links_stay(tmp_path: Path) -> None:
    """Files outside the patterns, kept ones, and whatever a link leads to survive."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.tmp").write_text("precious")
    here = tmp_path / "data"
    (here / "tmp" / "deep").mkdir(parents=True)
    (here / "receipts").mkdir()
    for name in ("tmp/a", "tmp/deep/b", "receipts/c.tmp", "d.tmp", "e.txt"):
        (here / name).write_text("x" * 5000)
    os.symlink(outside, here / "linked")
    os.symlink(outside / "a.tmp", here / "f.tmp")
    scratch, keep = ["tmp/*", "*.tmp"], ["receipts/*"]
    found = {f.path for f in scan(here)}
    assert found == {"tmp/a", "tmp/deep/b", "receipts/c.tmp", "d.tmp", "e.txt"}
    gone = remove(here, {*found, "linked/a.tmp", "f.tmp"}, scratch=scratch, keep=keep)
    assert {f.path for f in gone} == {"tmp/a", "tmp/deep/b", "d.tmp"}
    assert {f.path for f in scan(here)} == {"receipts/c.tmp", "e.txt"}
    assert (outside / "a.tmp").read_text() == "precious"
    assert (here / "f.tmp").is_symlink()


def test_a_link_is_no_directory(tmp_path: Path) -> None:
    """A data directory replaced by a link is not entered."""
    os.symlink("/tmp", tmp_path / "data")
    with pytest.raises(ToolError, match="not a directory"):
        scan(tmp_path / "data")
    with pytest.raises(ToolUnavailableError):
        scan(tmp_path / "none")
    with pytest.raises(ToolUnavailableError):
        usage(tmp_path / "none")


@given(st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3))
def test_nothing_is_scratch_unless_declared(path: str, keep: list[str]) -> None:
    """An empty list of patterns means no file at all; a keep pattern always wins."""
    assert not removable(path, scratch=[], keep=keep)
    assert not removable(path, scratch=["*"], keep=["*"])


def test_a_quota_stands_in_for_a_file_system(tmp_path: Path) -> None:
    """What the files take is taken from the quota."""
    room = usage(tmp_path, quota=10_000, files=[Found(path="a", bytes=9_000, inode=1)])
    assert (room.total, room.free, round(room.used_ratio, 2)) == (10_000, 1_000, 0.9)


async def test_versions_are_kept_once_and_found_again(tmp_path: Path) -> None:
    """Recording is idempotent, marking counts, the newest good one wins, files are private."""
    store = from_env({"FIREBREAK_HOME": str(tmp_path)})
    first = await store.record("api", "A=1\n", 1.0)
    assert await store.record("api", "A=1\n", 2.0) == first
    second = await store.record("api", "A=2\n", 3.0)
    assert await store.latest_good("api") is None
    await store.mark_good("api", first.version, 1.5)
    await store.mark_good("api", second.version)
    await store.mark_good("api", "000000000000")
    newest = await store.latest_good("api")
    assert newest is not None
    assert newest.version == second.version == version_of("A=2\n")
    assert await store.get("api", first.version) == "A=1\n"
    await store.record("api", "A=1\n", 9.0)
    assert [v.version for v in await store.versions("api")] == [second.version, first.version]
    assert {p.stat().st_mode & 0o077 for p in tmp_path.rglob("*") if p.is_file()} == {0}


async def test_a_tampered_version_is_not_given_out(tmp_path: Path) -> None:
    """A stored text whose digest is not its name does not exist; an unreadable index is an error."""
    store = FileConfigVersions(tmp_path)
    row = await store.record("api", "A=1\n", 1.0)
    path = next((tmp_path / "api").glob(f"{row.version}-*"))
    path.write_text("A=666\n")
    assert await store.get("api", row.version) is None
    assert await store.get("api", "../../etc/passwd") is None
    with pytest.raises(StorageError, match="not a service name"):
        await store.get("../api", row.version)
    (tmp_path / "api" / "index.json").write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        await store.latest_good("api")


@given(st.text(max_size=200))
def test_any_text_is_a_version(text: str) -> None:
    """Names are twelve hex digits and depend on the text alone."""
    name = version_of(text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    assert len(name) == 12
    assert int(name, 16) >= 0
