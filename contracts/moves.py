"""What may be done at the table, as one typed value: a pure step from negotiation to negotiation."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import ConfigDict, Field, JsonValue, model_validator

from agents.negotiator import Explained
from contracts.negotiation import Negotiation, Proof, offered, proven, rejected, said, signed
from domain.contract import OfferKind
from domain.value import Value

Text = Annotated[str, Field(max_length=2000)]


_WORDS: dict[str, JsonValue] = {"type": "string", "pattern": "[0-9A-Za-z]"}
_NEEDED: dict[str, tuple[str, dict[str, JsonValue]]] = {
    "offer": ("offer", {"type": "string"}),
    "say": ("text", _WORDS),
    "prove": ("proof", {"type": "object"}),
    "sign": ("digest", {"type": "string", "minLength": 1}),
    "reject": ("text", _WORDS),
}
"""Kind of a move → what it cannot do without, as the published schema says it."""
_RULES: dict[str, JsonValue] = {
    "allOf": [
        {
            "if": {"properties": {"kind": {"const": kind}}},
            "then": {"required": [name], "properties": {name: dict(needed)}},
        }
        for kind, (name, needed) in _NEEDED.items()
    ]
}


class Move(Value):
    """One move. Who makes it comes from the credential, never from here."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_RULES)

    kind: Literal["offer", "say", "prove", "sign", "reject"]
    offer: OfferKind | None = None
    """With `offer`."""
    text: Text = ""
    """With `offer` and `say`: words. With `reject`: the reason."""
    proof: Proof | None = None
    """With `prove`."""
    digest: Annotated[str, Field(max_length=64)] = ""
    """With `sign`: the terms that were read."""

    @model_validator(mode="after")
    def _whole(self) -> Move:
        name, _ = _NEEDED[self.kind]
        given = getattr(self, name)
        if not given or (name == "text" and not re.search("[0-9A-Za-z]", given)):
            raise ValueError(
                f"a move of kind {self.kind} needs {name}{' (letters or digits)' if name == 'text' else ''}"
            )
        return self

    @property
    def binds(self) -> bool:
        """Whether it needs an approver and stands in the ledger."""
        return self.kind in ("sign", "reject")


def moved(table: Negotiation, move: Move, *, by: str, at: datetime, explained: Explained | None = None) -> Negotiation:
    """The table after the move; `explained`: what a mind made of words. Raises ConflictError, AuthError."""
    match move.kind:
        case "offer":
            assert move.offer is not None
            return offered(table, move.offer, move.text, by=by, at=at)
        case "say":
            return said(table, move.text, by=by, at=at, explained=explained)
        case "prove":
            assert move.proof is not None
            return proven(table, move.proof, by=by, at=at)
        case "sign":
            return signed(table, move.digest, by=by, at=at)
        case "reject":
            return rejected(table, move.text, by=by, at=at)
        case never:
            assert_never(never)
