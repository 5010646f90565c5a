"""The artifact store: a name proves its content, in files and in memory alike."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import NotFoundError, StorageError
from domain.value import canonical
from graph.artifacts import Artifacts, FileArtifacts, MemoryArtifacts, encoded, storable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc é", max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    return FileArtifacts(tmp_path) if request.param == "files" else MemoryArtifacts()


async def test_a_document_comes_back_under_its_digest(store: Artifacts) -> None:
    """The full SHA-256 of its canonical JSON; the same document twice is one."""
    document = {"b": [1, 2.5, None], "a": "é"}
    name = await store.put(document)
    assert name == hashlib.sha256(canonical(document)).hexdigest()
    assert await store.put({"a": "é", "b": [1, 2.5, None]}) == name
    assert await store.get(name) == document


@pytest.mark.parametrize("name", ["", "0" * 64, "../../etc/passwd", "0" * 63, "Z" * 64])
async def test_unknown_names_are_said(store: Artifacts, name: str) -> None:
    """Nothing but a full digest names a file."""
    with pytest.raises(NotFoundError):
        await store.get(name)


async def test_secrets_do_not_lie_in_the_store(store: Artifacts) -> None:
    """Redacted before they are hashed and written."""
    name = await store.put({"note": "password=hunter22secret", "db_password": "hunter22secret"})
    assert "hunter22secret" not in str(await store.get(name))


async def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """One byte is enough; sha256sum of an unchanged file is its name."""
    store = FileArtifacts(tmp_path)
    name = await store.put({"a": 1})
    (file,) = tmp_path.rglob("*.json")
    assert file.parent.name + file.stem == name == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes().replace(b"1", b"2"))
    with pytest.raises(StorageError, match="changed after"):
        await store.get(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_everything_that_evidence_may_hold_can_be_stored(value: Any) -> None:
    """NaN, infinities and huge integers become text; what is stored is stable under storing again."""
    body = encoded({"value": value})
    assert canonical(storable({"value": storable(value)})) == canonical(storable({"value": value}))
    assert body
