"""What a command does to the world, inferred from its program, verb and options: never from a substring.

`kubectl get pods -l app=delete-worker` reads; `kubectl --context prod delete pod x` does not, wherever its words stand.
What is not known is not harmless: an unknown program or verb has no inferred effect and must be declared irreversible.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.action import Effect
from domain.programs import BLOCKED, CONSTANT, INTERPRETERS, IRREVERSIBLE, PROGRAMS, READ, REDIS, WRAPPERS, Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known about a command."""

    program: str
    verb: str = ""
    effect: Effect | None
    """None: cannot be inferred."""
    refused: str = ""
    """Why it has no place in a skill at all."""
    takes_back: str = ""
    """`program verb` that takes it back, when there is one."""
    exit_code_answers: bool = False
    """The exit code is the answer (`test`, `kubectl wait`), not only word that the program ran."""
    constant: bool = False
    """It succeeds or fails whatever the world is like (`echo`, `true`)."""


def read_command(argv: Sequence[str]) -> Reading:
    """What is known about an argument list; wrappers such as `sudo` and `timeout 5` are looked through."""
    words = unwrapped(argv)
    if not words:
        return Reading(program=argv[0] if argv else "", effect=None, refused="it runs nothing")
    program, rest = words[0].rsplit("/", 1)[-1], words[1:]
    if program in INTERPRETERS:
        return Reading(program=program, effect=None, refused=f"{program} runs whatever text it is given")
    known = PROGRAMS.get(program)
    if known is None:
        return Reading(program=program, effect=None)
    verb = _verb(known, rest)
    return Reading(
        program=program,
        verb=verb,
        effect=_effect(program, known, verb, rest),
        takes_back=known.takes_back.get(verb, ""),
        exit_code_answers="*" in known.answers or verb in known.answers,
        constant=program in CONSTANT,
    )


def reads_only(argv: Sequence[str]) -> bool:
    """Whether this command, exactly as it stands, is known to change nothing.

    A program given by its path or behind another one (`sudo`, `timeout`) is never known.
    """
    plain = bool(argv) and "/" not in argv[0] and unwrapped(argv) == list(argv)
    return plain and read_command(argv).effect is READ


def _effect(program: str, known: Program, verb: str, rest: Sequence[str]) -> Effect | None:
    base = known.verbs[verb] if verb else known.default
    effect = _strictest(base, _options(known, rest))
    if known.words and any(not re.fullmatch(known.words, word) for word in _plain(known, rest)):
        effect = IRREVERSIBLE
    if program == "curl":
        effect = _strictest(effect, IRREVERSIBLE if _curl_method(rest) not in ("GET", "HEAD") else None)
    if effect is not IRREVERSIBLE and (_unclear(known, rest) or (program == "curl" and not _curl_reads(rest))):
        return None
    return READ if program == "kubectl" and effect is not None and _dry(rest) else effect


def _unclear(known: Program, words: Sequence[str]) -> bool:
    """A value joined to its option (`-ojson`) is no bundle of options."""
    found = [[w[:2]] if w[:2] in known.valued else _spelled(w) for w in words]
    return any(option in known.unclear for options in found for option in options)


_CURL_FLAGS = frozenset(["-s", "-S", "-f", "-I", "--silent", "--show-error", "--fail", "--head"])


def _curl_reads(words: Sequence[str]) -> bool:
    """One URL of the web, flags that only say how it is told, and times that are numbers: nothing is sent or kept."""
    urls, rest = 0, iter(words)
    for word in rest:
        if word in ("-m", "--max-time", "--connect-timeout"):
            if not next(rest, "").replace(".", "", 1).isdigit():
                return False
        elif word in ("-X", "--request"):
            next(rest, "")
        elif word.startswith(("http://", "https://")):
            urls += 1
        elif not word.startswith(("-X", "--request=")) and not set(_spelled(word)[1:] or [word]) <= _CURL_FLAGS:
            return False
    return urls == 1


_OWN_VALUES = {"-u": r"\S+", "-g": r"\S+", "-c": r"\d", "-s": r"\w+", "-k": r"\S+", "-n": r"-?\d+"}
"""Wrappers' options whose value may be the next word → what that value looks like (`sudo -n` has none)."""


def unwrapped(argv: Sequence[str]) -> list[str]:
    """Without `sudo -n`, `nice -n 5`, `timeout 10` and their like in front."""
    words = list(argv)
    while words and words[0].rsplit("/", 1)[-1] in WRAPPERS:
        own = WRAPPERS[words.pop(0).rsplit("/", 1)[-1]]
        while words and words[0].startswith("-"):
            valued = _OWN_VALUES.get(words.pop(0), "")
            if words and valued and re.fullmatch(valued, words[0]):
                words.pop(0)
        del words[:own]
    return words


def blocked(argv: Sequence[str]) -> str:
    """The blocked verb that a command uses, or empty."""
    words = unwrapped(argv)
    said = [words[0].rsplit("/", 1)[-1] if words else "", *(w.split("/", 1)[0] for w in plain_words(argv))]
    return next((b for b in sorted(BLOCKED) if said[: len(b.split())] == b.split()), "")


def plain_words(argv: Sequence[str]) -> list[str]:
    """Words that are neither the program, nor options, nor options' values."""
    words = unwrapped(argv)
    known = PROGRAMS.get(words[0].rsplit("/", 1)[-1]) if words else None
    return _plain(known, words[1:]) if known else words[1:]


def _plain(known: Program, words: Sequence[str]) -> list[str]:
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            skip = word in known.valued
        else:
            found.append(word)
    return found


def _verb(known: Program, words: Sequence[str]) -> str:
    if not known.verbs or _hidden_by_option(known, words):
        return ""
    plain = _plain(known, words)
    upper = [w.upper() for w in plain] if known is REDIS else plain
    return next((v for v in (" ".join(upper[:2]), *upper[:1]) if v in known.verbs), "")


def _hidden_by_option(known: Program, words: Sequence[str]) -> bool:
    """Whether an option before the verb may swallow the next word, so that the verb is not where it seems to be."""
    for word in words:
        if not word.startswith("-"):
            return False
        if word in known.valued:
            return _hidden_by_option(known, words[words.index(word) + 2 :])
        if "=" not in word:
            return True
    return False


def _options(known: Program, words: Sequence[str]) -> Effect | None:
    found: Effect | None = None
    for word in words:
        for option in _spelled(word):
            found = _strictest(found, known.worse.get(option))
    return found


def _spelled(word: str) -> list[str]:
    """An option in all the ways it may be meant: `--out=x` as `--out`, `-sSo` also as `-s -S -o`."""
    head = word.split("=", 1)[0]
    bundle = [f"-{letter}" for letter in word[1:]] if word[:1] == "-" and word[1:].isalpha() else []
    return [head, *bundle]


def _strictest(one: Effect | None, other: Effect | None) -> Effect | None:
    order = list(Effect)
    return max((e for e in (one, other) if e is not None), key=order.index, default=None)


def _dry(words: Sequence[str]) -> bool:
    return any(w in ("--dry-run=client", "--dry-run=server") for w in words)


def _curl_method(words: Sequence[str]) -> str:
    for at, word in enumerate(words):
        if word in ("-X", "--request") and at + 1 < len(words):
            return words[at + 1].upper()
        if word.startswith("-X") and len(word) > 2:
            return word[2:].upper()
        if word.startswith("--request="):
            return word.split("=", 1)[1].upper()
    return "GET"
