"""What may be done at the table, as one typed value: a pure step from negotiation to negotiation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import Field, model_validator

from contracts.negotiation import Negotiation, Proof, offered, proven, rejected, said, signed
from domain.contract import OfferKind
from domain.value import Value

Text = Annotated[str, Field(max_length=2000)]


class Move(Value):
    """One move. Who makes it comes from the credential, never from here."""

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
        needed = {
            "offer": self.offer,
            "say": self.text.strip(),
            "prove": self.proof,
            "sign": self.digest,
            "reject": self.text.strip(),
        }
        if not needed[self.kind]:
            names = {"offer": "offer", "say": "text", "prove": "proof", "sign": "digest", "reject": "text (the reason)"}
            raise ValueError(f"a move of kind {self.kind} needs {names[self.kind]}")
        return self

    @property
    def binds(self) -> bool:
        """Whether it needs an approver and stands in the ledger."""
        return self.kind in ("sign", "reject")


def moved(table: Negotiation, move: Move, *, by: str, at: datetime) -> Negotiation:
    """The table after the move. Raises ConflictError or AuthError when it is not allowed."""
    match move.kind:
        case "offer":
            assert move.offer is not None
            return offered(table, move.offer, move.text, by=by, at=at)
        case "say":
            return said(table, move.text, by=by, at=at)
        case "prove":
            assert move.proof is not None
            return proven(table, move.proof, by=by, at=at)
        case "sign":
            return signed(table, move.digest, by=by, at=at)
        case "reject":
            return rejected(table, move.text, by=by, at=at)
        case never:
            assert_never(never)
