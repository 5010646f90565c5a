"""A command on a pull request becomes a move at the table, in the name that the inventory has for its author, or an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contracts.commands import Command
from contracts.moves import Move
from contracts.negotiation import Negotiation, Proof
from contracts.why import terms, why
from domain.contract import OfferKind, ValidatorKind
from domain.errors import AuthError, ConflictError
from domain.inventory import Inventory, Person
from graph.contracts.bargains import Bargains

Vouch = Callable[[str], Awaitable[str]]
"""Name of a person of the inventory → a token of theirs, on the app's word. Raises AuthError."""
_MAY_OFFER = frozenset({"responder", "approver", "admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Says what somebody's command comes to. `vouch` None: nobody signs by comment here."""

    inventory: Inventory
    bargains: Bargains
    vouch: Vouch | None

    def person(self, login: str) -> Person | None:
        """Whom the inventory knows by that login; logins have no case."""
        wanted = login.lower()
        return next((p for p in self.inventory.people if p.github and p.github.lower() == wanted), None)

    def name(self, login: str) -> str:
        """How somebody is called here, known or not."""
        found = self.person(login)
        return found.name if found else f"github:{login or 'unknown'}"

    async def hear(self, command: Command, login: str, contract: str, head: str) -> str:
        """The answer; empty when a move was made, which stands in the contract. `head`: the pull request's, as GitHub says now.

        Raises AuthError and ConflictError with what is to be done.
        """
        person, table = self._known(login), self.bargains.get(contract)
        if command.verb == "why":
            return "; ".join(why(table.contract, command.word)) or _no_term(table)
        if head != table.contract.head:
            raise ConflictError(
                "the commit changed", expected=f"terms for {head[:12]}", found=table.contract.head[:12] or "none"
            )
        if command.verb in ("offer", "prove", "say"):
            self._may(person, _MAY_OFFER)
            await self.bargains.move(contract, _open(command), person=person.name, token="")
        else:
            await self.bargains.move(
                contract, _binding(command, table), person=person.name, token=await self._token(person)
            )
        return ""

    def _known(self, login: str) -> Person:
        person = self.person(login)
        if person is None:
            raise AuthError(
                "nobody here goes by that login",
                expected="a person of the inventory's `people`",
                found=login,
                hint=f"an administrator adds `github: {login}` beside a name there; nothing was changed",
            )
        return person

    def _may(self, person: Person, roles: frozenset[str]) -> None:
        if not roles & set(person.roles):
            raise AuthError(f"{person.name} only looks here", expected=", ".join(sorted(roles)), found="viewer")

    async def _token(self, person: Person) -> str:
        if self.vouch is None:
            raise AuthError(
                "nobody signs or rejects by comment here",
                expected="FIREBREAK_GITHUB_SIGNS",
                found="not set",
                hint="sign on the contract's page or with `firebreak contract negotiate`",
            )
        return await self.vouch(person.name)


def _open(command: Command) -> Move:
    """A move that binds nobody."""
    if command.verb == "say":
        return Move(kind="say", text=command.word)
    if command.verb == "offer":
        return Move(kind="offer", offer=OfferKind(command.word))
    kind, _, shown = command.word.partition(" ")
    return Move(kind="prove", proof=Proof(kind=ValidatorKind(kind), text=shown[:500]))


def _binding(command: Command, table: Negotiation) -> Move:
    if command.verb == "reject":
        return Move(kind="reject", text=command.word)
    digest = table.contract.terms_digest()
    if not digest.startswith(command.word):
        raise ConflictError("these are not the terms on the table", expected=digest[:12], found=command.word[:12])
    return Move(kind="sign", digest=digest)


def _no_term(table: Negotiation) -> str:
    return f"there is no such term; there are {', '.join(terms(table.contract))}"
