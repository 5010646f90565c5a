"""Secrets out, before text leaves the place where it was read.

Keys that look like secrets, DSN passwords, bearer tokens, private keys, cloud key ids and e-mail addresses are replaced by
`[redacted:kind]`. Custom patterns come from the settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

_SECRET_WORD = r"(?:[A-Za-z0-9_]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|credential)[A-Za-z0-9_]*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of secret. `marks`: every text it matches holds one of these, whatever the case of its letters."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str


RULES: tuple[Rule, ...] = (
    Rule(
        marks=("private key-----",),
        pattern=re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S),
        instead="[redacted:private_key]",
    ),
    Rule(
        marks=("://",),
        pattern=re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@"),
        instead=r"\1:[redacted:password]@",
    ),
    Rule(
        marks=("bearer", "basic"),
        pattern=re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
        instead=r"\1 [redacted:token]",
    ),
    Rule(
        marks=("eyj",),
        pattern=re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
        instead="[redacted:jwt]",
    ),
    Rule(
        marks=("akia", "asia"),
        pattern=re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        instead="[redacted:cloud_key]",
    ),
    Rule(marks=("sk-",), pattern=re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), instead="[redacted:model_key]"),
    Rule(
        marks=(
            "password",
            "passwd",
            "secret",
            "token",
            "credential",
            "apikey",
            "api_key",
            "api-key",
            "privatekey",
            "private_key",
            "private-key",
        ),
        pattern=re.compile(rf"(?i)(\b{_SECRET_WORD}[\"']?\s*[=:]\s*[\"']?)(?!\[redacted)[^\s\"',;&}}]+"),
        instead=r"\1[redacted:value]",
    ),
    Rule(
        marks=("@",),
        pattern=re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z]\b"),
        instead="[redacted:email]",
    ),
)
_MARKS = tuple(mark for rule in RULES for mark in rule.marks)
_FOLDED = {0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k"}
"""Letters that `(?i)` takes for ASCII ones and `str.lower` does not."""

_SECRET_KEY = re.compile(rf"(?i)^{_SECRET_WORD}$")


def redact(text: str, extra: Iterable[re.Pattern[str]] = ()) -> str:
    """The text without secrets; idempotent."""
    low = lowered(text)
    for mark in _MARKS:
        if mark in low:
            text = _without_secrets(text, low)
            break
    for pattern in extra:
        text = pattern.sub("[redacted:custom]", text)
    return text


def _without_secrets(text: str, low: str) -> str:
    """The rules one after the other; each runs only where one of its marks stands, which is nearly nowhere."""
    for rule in RULES:
        if any(mark in low for mark in rule.marks):
            before, text = text, rule.pattern.sub(rule.instead, text)
            low = low if text == before else lowered(text)
    return text


def lowered(text: str) -> str:
    """In lower case, as `(?i)` understands it."""
    return text.lower() if text.isascii() else text.translate(_FOLDED).lower()


def redact_json(value: Any, extra: Iterable[re.Pattern[str]] = ()) -> Any:
    """The same for plain JSON: values under secret-looking keys vanish, strings are redacted."""
    if isinstance(value, str):
        return redact(value, extra)
    if _is_mapping(value):
        return {
            k: "[redacted:value]" if isinstance(v, str) and _is_secret_key(str(k)) else redact_json(v, extra)
            for k, v in value.items()
        }
    if _is_list(value):
        return [redact_json(v, extra) for v in value]
    return value


def names_secret(name: str) -> bool:
    """Whether a header or field of this name holds a secret, going by its name."""
    return _is_secret_key(name.replace("-", "_"))


def redact_body(body: bytes) -> bytes:
    """A sender's body as it may be kept: JSON stays the same JSON without secrets, anything else is taken as text."""
    try:
        return json.dumps(redact_json(json.loads(body)), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)
def _is_secret_key(key: str) -> bool:
    """Rows of one kind have the same few keys."""
    return _SECRET_KEY.match(key) is not None


def _is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, bytes | bytearray)
