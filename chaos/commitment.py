"""The sealed envelope: what was broken is written down before, and opened only for scoring.

commitment = SHA-256(salt ‖ canonical JSON of the label). 32 random bytes of salt make guessing the short list of labels
worthless; changing label or salt afterwards changes the digest.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from domain.value import Value, canonical


class Label(Value):
    """What only the examiner knows."""

    drill: str
    fault: str
    service: str
    fault_class: str | None
    parameters: dict[str, Any] = {}
    magnitude: str = "medium"


class Sealed(Value):
    """A label with its salt; never leaves the chaos server before the opening."""

    label: Label
    salt: str
    """64 hex digits."""

    @property
    def commitment(self) -> str:
        """64 hex digits; all that anyone sees before the opening."""
        return commit(self.label, bytes.fromhex(self.salt))


def commit(label: Label, salt: bytes) -> str:
    """SHA-256 over salt and canonical label."""
    return hashlib.sha256(salt + canonical(label)).hexdigest()


def seal(label: Label) -> Sealed:
    """A fresh envelope."""
    return Sealed(label=label, salt=secrets.token_hex(32))


def opens(commitment: str, label: Label, salt: str) -> bool:
    """Whether this label and salt are what was committed to."""
    try:
        return hmac.compare_digest(commit(label, bytes.fromhex(salt)), commitment)
    except ValueError:
        return False
