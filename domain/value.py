"""How values that cross a boundary look: frozen, nothing extra, canonical form and digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict

Json: TypeAlias = "str | int | float | bool | None | Sequence[Json] | Mapping[str, Json]"


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("expected a time with a zone (for example 2026-01-01T12:00:00Z), found one without")
    return value.astimezone(UTC)


UtcTime = Annotated[datetime, AfterValidator(_aware)]
"""An aware time, kept in UTC."""


class Value(BaseModel):
    """Base of everything that crosses HTTP, YAML, a model's answer or a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical(value: Json | BaseModel) -> bytes:
    """RFC 8785 canonical JSON of a plain JSON value or a model. Integers above 2^53 and NaN raise ValueError."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return rfc8785.dumps(plain)


def digest(value: Json | BaseModel) -> str:
    """Full SHA-256 (64 hex digits) of the canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def new_id(prefix: str) -> str:
    """A fresh id such as `inc-4f2a9c1be07d`: prefix, dash, 12 random hex digits."""
    return f"{prefix}-{secrets.token_hex(6)}"
