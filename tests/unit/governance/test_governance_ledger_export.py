"""Signed exports: checked offline, in both formats; any changed byte is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import ManualClock
from domain.errors import LedgerError
from governance.ledger.export import Format, beside, sign, signing_key, verify_export, write_export
from governance.ledger.memory import MemoryLedger
from governance.ledger.port import Draft


def exported(home: Path, format: Format = Format.JSONL) -> Path:
    ledger = MemoryLedger(ManualClock())
    with ledger.transaction() as tx:
        for n in range(4):
            tx.append(Draft(kind="effect", actor="agent", change="inc-1", content={"n": n, "text": "ä\n", "f": 0.5}))
    file = home / "ledger.jsonl"
    sign(file, write_export(file, ledger.stream(), format, "/firebreak/shop"), signing_key(home / "key"))
    return file


@pytest.mark.parametrize("format", list(Format))
def test_an_export_is_checked_offline(tmp_path: Path, format: Format) -> None:
    """Signature, bytes and chain hold; the key is the same for the next export and readable by its owner alone."""
    file = exported(tmp_path, format)
    found = verify_export(file)
    assert (found.verified, found.entries) == (True, 5)
    first = json.loads(file.read_bytes().splitlines()[1])
    assert ("data" in first) is (format is Format.CLOUDEVENTS)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    pub = beside(file, "pub").read_bytes()
    exported(tmp_path, format)
    assert beside(file, "pub").read_bytes() == pub


@given(st.data(), st.sampled_from(list(Format)))
def test_any_changed_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, format: Format
) -> None:
    """Whatever byte of the file is replaced by another one, it does not verify."""
    file = exported(tmp_path_factory.mktemp("export"), format)
    body = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255).filter(lambda b: b != body[at]))
    file.write_bytes(body)
    assert not verify_export(file).verified


@given(st.permutations(range(5)), st.integers(0, 5))
def test_lost_moved_and_cut_lines_are_found(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], length: int
) -> None:
    """Only all lines in their order verify; the first one out of place is named."""
    file = exported(tmp_path_factory.mktemp("export"))
    lines = file.read_bytes().splitlines(keepends=True)
    kept = order[:length]
    file.write_bytes(b"".join(lines[n] for n in kept))
    found = verify_export(file)
    assert found.verified is (kept == list(range(5)))
    if not found.verified:
        assert found.broken_at is not None


def test_a_rewritten_export_needs_the_key(tmp_path: Path) -> None:
    """Somebody exports another chain and signs it with a key of their own: the trusted key tells."""
    trusted = tmp_path / "trusted.pub"
    trusted.write_bytes(beside(exported(tmp_path), "pub").read_bytes())
    (tmp_path / "key").unlink()
    forged = exported(tmp_path)
    assert verify_export(forged).verified
    found = verify_export(forged, trusted)
    assert not found.verified
    assert "does not hold" in found.problem


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """No file, no signature, another kind of key."""
    file = exported(tmp_path)
    other = generate_private_key(SECP256R1())
    pub = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "other.pub").write_bytes(pub)
    assert "not an Ed25519 key" in verify_export(file, tmp_path / "other.pub").problem
    file.unlink()
    assert "cannot be read" in verify_export(file).problem
    beside(file, "sig").write_text("{}")
    assert "signature cannot be read" in verify_export(file).problem


def test_an_unusable_signing_key_is_a_readable_error(tmp_path: Path) -> None:
    """A broken file, and a key of another kind."""
    (tmp_path / "broken").write_text("no key")
    (tmp_path / "other").write_bytes(
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for name in ("broken", "other"):
        with pytest.raises(LedgerError):
            signing_key(tmp_path / name)
