"""The home's key for what it trusts: a record that was edited by hand no longer verifies."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.errors import StorageError


class Signer:
    """Ed25519 with a key file of its own (0600), made when it is first needed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def sign(self, content: bytes) -> str:
        """Base64 of the signature. Raises StorageError when the key cannot be read or made."""
        return base64.b64encode(self._key().sign(content)).decode()

    def verify(self, content: bytes, signature: str) -> bool:
        """Whether this home signed exactly this content."""
        if not self._file.exists():
            return False
        try:
            self._key().public_key().verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _key(self) -> Ed25519PrivateKey:
        try:
            if not self._file.exists():
                self._make()
            found = serialization.load_pem_private_key(self._file.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise StorageError("the signing key of skills cannot be used", found=f"{self._file}: {error}") from error
        if not isinstance(found, Ed25519PrivateKey):
            raise StorageError(
                "the signing key of skills is of another kind", expected="Ed25519", found=str(self._file)
            )
        return found

    def _make(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
