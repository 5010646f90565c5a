"""The reading part of kubectl as argument lists, understood here so that no program is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.kubernetes.kinds import Kind, kind_named

UNDERSTOOD = (
    "kubectl get RESOURCE [NAME] [-l LABEL=VALUE] -o json, kubectl logs POD|KIND/NAME [--tail=N], "
    "kubectl auth can-i VERB RESOURCE, kubectl rollout status KIND/NAME (deployment, statefulset, daemonset), kubectl version"
)
"""What the cluster's runner answers."""

DEFAULT_LINES = 200
MOST_LINES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One reading of the cluster."""

    verb: str
    """get, logs, can, rollout or version."""
    kind: Kind | None = None
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    lines: int = DEFAULT_LINES
    asked: str = ""
    """Of `can`: the verb that is asked for."""
    sub: str = ""


class NotUnderstoodError(Exception):
    """The words are none that this runner answers; the text says which."""


def parse(argv: Sequence[str], namespace: str) -> Question:
    """The question in a `kubectl …` argument list. Raises NotUnderstoodError, also for another namespace."""
    if argv[0] != "kubectl":
        raise NotUnderstoodError(f"only kubectl is answered here, found {argv[0]}")
    words, options = _split(argv[1:])
    if options.pop("namespace", namespace) != namespace:
        raise NotUnderstoodError(f"the TARGET names namespace {namespace}; no other is read")
    match words:
        case ["version"]:
            found = Question(verb="version")
        case ["get", resource, *names] if len(names) <= 1 and options.pop("output", "") == "json":
            kind, name = _thing(resource, names)
            found = Question(verb="get", kind=kind, name=name, labels=_labels(options.pop("selector", "")))
        case ["get", *_]:
            raise NotUnderstoodError("`get` needs one resource and `-o json`")
        case ["logs", what]:
            kind, name = _thing(what if "/" in what else f"pod/{what}", [])
            found = Question(verb="logs", kind=kind, name=name, lines=_number(options.pop("tail", str(DEFAULT_LINES))))
        case ["rollout", "status", what]:
            kind, name = _thing(what, [])
            found = Question(verb="rollout", kind=kind, name=name)
        case ["auth", "can-i", verb, resource]:
            plain, _, sub = resource.partition("/")
            found = Question(verb="can", kind=_kind(plain), asked=verb, sub=sub)
        case _:
            raise NotUnderstoodError(f"understood are: {UNDERSTOOD}")
    if options:
        raise NotUnderstoodError(f"not understood: {', '.join(sorted(options))}; understood are: {UNDERSTOOD}")
    return found


_LONG = {"-n": "namespace", "-o": "output", "-l": "selector", "--tail": "tail"}


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Positional words, and options by their long name."""
    plain: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            plain.append(word)
            continue
        name, mark, value = word.partition("=")
        options[_LONG.get(name, name.lstrip("-"))] = value if mark else next(rest, "")
    return plain, options


def _thing(resource: str, names: Sequence[str]) -> tuple[Kind, str]:
    plain, mark, name = resource.partition("/")
    if mark and names:
        raise NotUnderstoodError("name the object once: `deployment/web` or `deployment web`")
    return _kind(plain), name or next(iter(names), "")


def _kind(word: str) -> Kind:
    found = kind_named(word)
    if found is None:
        raise NotUnderstoodError(f"{word} is no resource that is read here")
    return found


def _labels(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.replace("==", "=").split(",") if part]
    if any(not mark or not key for key, mark, _ in pairs):
        raise NotUnderstoodError("a selector is LABEL=VALUE, several with commas")
    return {key: value for key, _, value in pairs}


def _number(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MOST_LINES:
        raise NotUnderstoodError(f"--tail is a number from 1 to {MOST_LINES}")
    return int(text)
