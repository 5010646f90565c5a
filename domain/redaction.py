"""Secrets out, before text leaves the place where it was read.

Keys that look like secrets, DSN passwords, bearer tokens, private keys, cloud key ids and e-mail addresses are replaced by
`[redacted:kind]`. Custom patterns come from the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

_SECRET_WORD = r"(?:[A-Za-z0-9_]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|credential)[A-Za-z0-9_]*)"

_PATTERNS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "private_key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S),
        "[redacted:private_key]",
    ),
    ("dsn", re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@"), r"\1:[redacted:password]@"),
    ("bearer", re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 [redacted:token]"),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "[redacted:jwt]"),
    ("cloud_key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[redacted:cloud_key]"),
    ("model_key", re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), "[redacted:model_key]"),
    (
        "assignment",
        re.compile(rf"(?i)(\b{_SECRET_WORD}[\"']?\s*[=:]\s*[\"']?)(?!\[redacted)[^\s\"',;&}}]+"),
        r"\1[redacted:value]",
    ),
    ("email", re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z]\b"), "[redacted:email]"),
)

_SECRET_KEY = re.compile(rf"(?i)^{_SECRET_WORD}$")


def redact(text: str, extra: Iterable[re.Pattern[str]] = ()) -> str:
    """The text without secrets; idempotent."""
    for _, pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    for pattern in extra:
        text = pattern.sub("[redacted:custom]", text)
    return text


def redact_json(value: Any, extra: Iterable[re.Pattern[str]] = ()) -> Any:
    """The same for plain JSON: values under secret-looking keys vanish, strings are redacted."""
    if isinstance(value, str):
        return redact(value, extra)
    if _is_mapping(value):
        return {
            k: "[redacted:value]" if _SECRET_KEY.match(str(k)) and isinstance(v, str) else redact_json(v, extra)
            for k, v in value.items()
        }
    if _is_list(value):
        return [redact_json(v, extra) for v in value]
    return value


def _is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, bytes | bytearray)
