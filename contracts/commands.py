"""What may be said to a contract in a comment: one line that begins with `/firebreak`. Everything else is not read. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from domain.contract import OfferKind, ValidatorKind
from domain.value import Value

HELP = (
    "say `/firebreak offer KIND`, `/firebreak prove KIND LINK`, `/firebreak accept DIGEST`, `/firebreak reject REASON`, "
    "`/firebreak why TERM` or `/firebreak say WORDS`"
)
SHORTEST = 8
"""Characters of a digest that say which terms were read."""
Verb = Literal["offer", "prove", "accept", "reject", "why", "say"]
_LINE = re.compile(r"/firebreak(?:\s+(\w+))?(?:\s+(.*))?", re.DOTALL)
_FOR = re.compile(r"^(.*?)\s+for\s+([a-z][a-z0-9-]*)$", re.DOTALL)
_NEEDS = {
    "offer": f"a kind: {', '.join(OfferKind)}",
    "prove": f"a kind ({', '.join(ValidatorKind)}) and a link or a sentence",
    "accept": "the first characters of the digest that you have read, as the comment shows it",
    "reject": "a reason",
    "why": "a term: a guardrail, a proof, a factor, canary, rollback or risk",
    "say": "words, which are explained and decide nothing",
}


class Command(Value):
    """One command. Who gives it is whoever wrote the comment, never a word in it."""

    verb: Verb
    word: Annotated[str, Field(min_length=1, max_length=500)]
    """With `offer` a kind, `prove` a kind and what shows it, `accept` a digest, `reject` a reason, `why` a term, `say` words."""
    service: str = ""
    """Whose contract, where a pull request has several; empty: the only one."""


class Mistake(Value):
    """A line that begins like a command and is none."""

    answer: str


def read_command(body: str) -> Command | Mistake | None:
    """The command of a comment; None for talk. Only its first line is looked at, so that quotes and code are none."""
    first = body.lstrip("\ufeff").split("\n", 1)[0].strip()
    found = _LINE.fullmatch(first)
    if not found:
        return None
    verb, rest = (found[1] or "").lower(), (found[2] or "").strip()[:500]
    match verb:
        case "offer" | "prove" | "accept" | "reject" | "why" | "say":
            return _whole(verb, rest)
        case _:
            return Mistake(answer=HELP)


def _whole(verb: Verb, rest: str) -> Command | Mistake:
    word, service = rest, ""
    if verb not in ("reject", "prove", "say") and (named := _FOR.match(rest)):
        word, service = named[1].strip(), named[2]
    if not word or (verb in ("reject", "say") and not re.search(r"[0-9A-Za-z]", word)):
        return Mistake(answer=f"`{verb}` needs {_NEEDS[verb]}")
    if verb == "offer":
        word = re.sub(r"[\s-]+", "_", word.lower())
        if word not in set(OfferKind):
            return Mistake(answer=f"there is no such offer; `offer` needs {_NEEDS[verb]}")
    if verb == "prove":
        kind, _, shown = word.partition(" ")
        word = f"{kind.lower().replace('-', '_').rstrip(':=')} {shown.strip()}"
        if word.split(" ", 1)[0] not in set(ValidatorKind) or len(shown.strip()) < 3:
            return Mistake(answer=f"`prove` needs {_NEEDS[verb]}")
    if verb == "accept":
        word = word.strip("`").lower()
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", word):
            return Mistake(answer=f"`accept` needs {_NEEDS[verb]}, at least {SHORTEST} of them")
    return Command(verb=verb, word=word, service=service)
