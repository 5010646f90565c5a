"""A ledger outside its database: lines that anyone can check offline, with a detached Ed25519 signature. Pure but for files.

Two formats, one entry per line: `jsonl` is the entry itself as canonical JSON, `cloudevents` the same as `data` of a
CloudEvents 1.0 document. The chain is checked the same way in both. Beside FILE lie `FILE.sig` (a manifest and the
signature over its canonical JSON) and `FILE.pub` (the public key, PEM).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import ValidationError

from domain.errors import LedgerError
from domain.guard import LedgerEntry, LedgerVerification
from domain.value import Value, canonical
from governance.ledger.chain import AnchorPoint, Row, verify_chain

TYPE = "dev.firebreak.ledger."


class Format(StrEnum):
    """How entries stand in an export."""

    JSONL = "jsonl"
    CLOUDEVENTS = "cloudevents"


class Manifest(Value):
    """What a signature vouches for."""

    format: Format
    entries: int
    head: str
    """Hash of the last entry."""
    sha256: str
    """Of the exported file's bytes."""


def line_of(entry: LedgerEntry, format: Format, source: str) -> bytes:
    """One entry as a line, with its line break. `source` is a URI reference that names the installation."""
    plain = entry.model_dump(mode="json")
    return canonical(plain if format is Format.JSONL else _cloud_event(entry, plain, source)) + b"\n"


def write_export(file: Path, entries: Iterable[LedgerEntry], format: Format, source: str) -> Manifest:
    """Write entry after entry and say what was written."""
    digest, count, head = hashlib.sha256(), 0, ""
    with file.open("wb") as out:
        for entry in entries:
            line = line_of(entry, format, source)
            out.write(line)
            digest.update(line)
            count, head = count + 1, entry.hash
    return Manifest(format=format, entries=count, head=head, sha256=digest.hexdigest())


def signing_key(file: Path) -> Ed25519PrivateKey:
    """The key of this home, made at the first signed export (PEM, mode 0600). Raises LedgerError."""
    if not file.exists():
        fresh = Ed25519PrivateKey.generate()
        pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(pem)
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise _unusable(f"the signing key {file} cannot be read", str(error)[:200]) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(f"the signing key {file} is not an Ed25519 key", type(key).__name__)
    return key


def sign(file: Path, manifest: Manifest, key: Ed25519PrivateKey) -> None:
    """Write `FILE.sig` and `FILE.pub`."""
    signature = base64.b64encode(key.sign(canonical(manifest))).decode()
    document = {"manifest": manifest.model_dump(mode="json"), "signature": signature}
    beside(file, "sig").write_text(json.dumps(document, indent=1) + "\n")
    beside(file, "pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def beside(file: Path, suffix: str) -> Path:
    """`FILE.sig`, `FILE.pub`."""
    return file.with_name(f"{file.name}.{suffix}")


def verify_export(file: Path, public_key: Path | None = None) -> LedgerVerification:
    """Signature, bytes and chain, in constant memory. `public_key` is one you trust; without it the one beside the file.

    Everything that does not hold is a finding, with the first broken entry where the chain tells one.
    """
    try:
        manifest = _signed(file, public_key or beside(file, "pub"))
        digest = hashlib.sha256()
        found = verify_chain(_rows(file, manifest.format, digest), _start(file, manifest.format))
    except LedgerError as error:
        return LedgerVerification(entries=0, verified=False, broken_at=0, problem="; ".join(error.lines()))
    if not found.verified:
        return found
    problem = _difference(manifest, found, digest.hexdigest())
    if problem:
        return found.model_copy(update={"verified": False, "broken_at": found.entries, "problem": problem})
    return found


def _difference(manifest: Manifest, found: LedgerVerification, sha256: str) -> str:
    if (found.entries, found.head) != (manifest.entries, manifest.head):
        return f"the signature is about {manifest.entries} entries up to {manifest.head[:12]}…"
    return "" if sha256 == manifest.sha256 else "the file's bytes are not the signed ones"


def _signed(file: Path, public_key: Path) -> Manifest:
    """The manifest, once its signature holds. Raises LedgerError."""
    try:
        document = json.loads(beside(file, "sig").read_text())
        manifest = Manifest.model_validate(document["manifest"])
        key = load_pem_public_key(public_key.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the public key is not an Ed25519 key")
        key.verify(base64.b64decode(document["signature"], validate=True), canonical(manifest))
    except InvalidSignature as error:
        raise _unusable("the signature does not hold for this key", "FILE.sig signed by the key") from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise _unusable("the signature cannot be read", str(error)[:200]) from error
    return manifest


def _rows(file: Path, format: Format, digest: Any) -> Iterator[Row]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            digest.update(line)
            yield _row(line, format, number)


def _row(line: bytes, format: Format, number: int) -> Row:
    try:
        document = json.loads(line)
        entry = LedgerEntry.model_validate(document["data"] if format is Format.CLOUDEVENTS else document)
        content = canonical(entry.content).decode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable(f"line {number + 1} is not an entry", str(error)[:120]) from error
    facts = entry.model_dump(include={"seq", "kind", "actor", "change", "prev", "hash"})
    return Row(**facts, at=entry.at.isoformat(), content=content)


def _start(file: Path, format: Format) -> list[AnchorPoint]:
    """The walk begins at the first line; its end is compared with the signed head afterwards."""
    try:
        with file.open("rb") as lines:
            first = lines.readline()
    except OSError as error:
        raise _unusable("the export cannot be read", str(error)[:200]) from error
    return [AnchorPoint(seq=0, hash=_row(first, format, 0).hash)]


def _cloud_event(entry: LedgerEntry, plain: dict[str, Any], source: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"L{entry.seq}",
        "source": source,
        "type": TYPE + entry.kind,
        "subject": entry.change or entry.actor,
        "time": entry.at.isoformat(),
        "datacontenttype": "application/json",
        "data": plain,
    }


def _unusable(message: str, found: str) -> LedgerError:
    return LedgerError(
        message,
        expected="an export with FILE.sig and FILE.pub beside it, as `firebreak ledger export --out FILE` writes them",
        found=found,
        code="ledger.export",
    )
