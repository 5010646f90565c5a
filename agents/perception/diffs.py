"""What a diff could do: read as removed and added tokens, without comments, formatting and moved code."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMENT = re.compile(r"^\s*\*.*$|(^|\s)(//|#|--\s|/\*).*$")
_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?")
_AMOUNT = re.compile(
    r"(?P<n>\d+(?:\.\d+)?)\s*\*?\s*(?:time\.)?(?P<unit>milliseconds?|ms|seconds?|minutes?|hours?|[smh])?\b", re.I
)
_SCALE = {
    "ms": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "second": 1.0,
    "m": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
}
_IDLE = re.compile(
    r"\.(md|mdx|css|scss|svg|png|html|txt|lock|sum)$|(^|/)(docs?|documentation|tests?|testdata|\.github|\.circleci)/|"
    r"_test\.|\.test\.|\.spec\.|CODEOWNERS|LICENSE|go\.mod$|package-lock|golangci|theme\.|palette",
    re.I,
)
_TIDY = re.compile(r"\b(tidy|extract|rename|split|typo|restyle|gofmt|format|reword|cleanup|comment)\b", re.I)


_HARMLESS = re.compile(
    r"^(chore|docs?|tests?|ci|build|style)\b|\b(tidy|typo|rename|format|reword|comment|readme|codeowners|metrics?|counters?|"
    r"histogram|endpoint|log(ging)? line|lint|bump)\b",
    re.I,
)
"""Summaries of changes that seldom alter behaviour: what is said counts where no diff tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much a diff can change behaviour (0–1), in a word, and the names that it touches."""

    risk: float
    kind: str
    names: frozenset[str]
    read: bool = True
    """False where no diff told what it does."""


def effect(diff: str, files: list[str], summary: str) -> Effect:
    """Reads one unified diff; an empty one can do little that is known."""
    removed, added = sides(diff)
    names = frozenset(w for line in (*removed, *added) for w in words(line)) | frozenset(words(summary))
    if files and all(_IDLE.search(f) for f in files):
        return Effect(risk=0.05, kind="not executed", names=names)
    if not removed and not added:
        return Effect(risk=0.15 if _HARMLESS.search(summary) else 0.45, kind="diff unknown", names=names, read=False)
    tidy = 0.6 if _TIDY.search(summary) else 1.0
    tightened = _tightened(removed, added)
    if tightened >= 3:
        return Effect(risk=0.95, kind=f"a limit became {tightened:.0f} times tighter", names=names)
    before, after = {t for x in removed for t in _WORD.findall(x)}, {t for x in added for t in _WORD.findall(x)}
    lost, new = before - after, after - before
    if _work_in_loop(removed, added):
        return Effect(risk=0.8 * tidy, kind="a call for each item of a loop", names=names)
    if lost and len(new) <= 0.25 * len(lost):
        return Effect(risk=0.85 * tidy, kind="something was taken out", names=names)
    if not lost and not removed:
        return Effect(risk=0.4 * tidy, kind="something was added", names=names)
    return Effect(
        risk=(0.15 + 0.3 * len(lost | new) / max(1, len(before | after))) * tidy, kind="rewritten", names=names
    )


def words(text: str) -> list[str]:
    """Names in a text, split at case, underscores and hyphens, lower case, four letters and more."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return [w.lower() for w in re.findall(r"[A-Za-z]{4,}", spaced)]


def sides(diff: str) -> tuple[list[str], list[str]]:
    """Lines that a unified diff took out and put in, without comments and without what it only moved."""
    removed, added = [], []
    for line in diff.splitlines():
        if line.startswith(("---", "+++")):
            continue
        code = _COMMENT.sub("", line[1:]).strip()
        if line[:1] == "-" and code:
            removed.append(code)
        elif line[:1] == "+" and code:
            added.append(code)
    both = set(removed) & set(added)
    return [x for x in removed if x not in both], [x for x in added if x not in both]


def _tightened(removed: list[str], added: list[str]) -> float:
    """Largest factor by which a named amount shrank between a removed line and the added one most like it."""
    worst = 0.0
    for old in removed:
        twin = max(added, key=lambda new: _alike(old, new), default="")
        if _alike(old, twin) < 0.5:
            continue
        for a, b in zip(_amounts(old), _amounts(twin), strict=False):
            if a > 0 and b > 0 and a / b > worst:
                worst = a / b
    return worst


def _amounts(line: str) -> list[float]:
    found = ((float(m["n"]), (m["unit"] or "").lower()) for m in _AMOUNT.finditer(line))
    return [n * _SCALE.get(unit, _SCALE.get(unit.rstrip("s"), 1.0)) for n, unit in found]


def _alike(a: str, b: str) -> float:
    x, y = ({w for w in _WORD.findall(t) if not w.isdigit()} for t in (a, b))
    return len(x & y) / max(1, len(x | y))


def _work_in_loop(removed: list[str], added: list[str]) -> bool:
    """A call that was not made before, made inside a loop."""
    inside = False
    known = set(re.findall(r"\.(\w+)\(", "\n".join(removed))) | {"append"}
    for line in added:
        inside = inside or bool(re.match(r"(for|while)\b|.*\.(forEach|map)\(", line))
        new = set(re.findall(r"\.(\w+)\((?=\w)", line)) - known
        if inside and new and re.search(r"ctx|await|client|query|session|fetch|get", line, re.I):
            return True
    return False
