"""Numbers that bound something (timeouts, pools, lifetimes, quotas) and locks: changed or taken away in code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from contracts.change.files import ChangedFile, Line, at
from contracts.finding import Finding, Mark
from contracts.priors import POINTS
from domain.risk import FactorName as F

_BOUNDS: Mapping[F, str] = {
    F.CACHING: "ttl expiry expiration maxage",
    F.CONCURRENCY: "timeout deadline retries attempts backoff pool conns connections workers threads interval",
    F.TRAFFIC: "limit quota rate batch capacity burst throttle",
    F.CONFIGURATION: "max min size threshold window leeway skew budget count",
}
_BY_WORD = {word: factor for factor, words in _BOUNDS.items() for word in words.split()}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_NUMBER = re.compile(r"(?<![\w.])\d[\d_.]*")
_UNIT = re.compile(r"(?:nano|micro|milli)?seconds?|minutes?|hours?|days?|(?<=\d)(?:ns|us|ms|s|m|h|d)\b", re.IGNORECASE)
_LOCK = re.compile(r"\b(mutex|rlock|lock|synchronized|semaphore|atomic)\b|\.(?:r?lock|acquire|unlock)\(", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*(#|//|\*|--|;|/\*)")


def limit_findings(file: ChangedFile) -> Iterator[Finding]:
    """What bounds the program differently, each at the full points of its factor: the change is the danger itself."""
    then, now = _bounds(file.lines_removed), _bounds(file.lines_added)
    seen: set[F] = set()
    for word in then.keys() & now.keys():
        (_, old), (line, new) = then[word], now[word]
        factor = _BY_WORD[word]
        if old != new and factor not in seen:
            seen.add(factor)
            said = f"changes a bound: {word} from {' '.join(old)} to {' '.join(new)}"
            marks = frozenset({Mark.CACHE}) if factor is F.CACHING else frozenset[Mark]()
            yield Finding(
                factor=factor, points=POINTS[factor], reason=said, where=[at(file, [line])], sure=0.9, marks=marks
            )
    yield from _unlocked(file)


def _bounds(lines: Iterable[Line]) -> dict[str, tuple[int, list[str]]]:
    """Bounding word → first line that has it beside a number, and the numbers with their units."""
    found: dict[str, tuple[int, list[str]]] = {}
    for number, text in lines:
        if _COMMENT.match(text) or not (figures := _NUMBER.findall(text)):
            continue
        for word in map(str.lower, _WORD.findall(text)):
            if word in _BY_WORD:
                found.setdefault(word, (number, [*figures, *_UNIT.findall(text)]))
    return found


def _unlocked(file: ChangedFile) -> Iterator[Finding]:
    gone = [n for n, text in file.lines_removed if _LOCK.search(text) and not _COMMENT.match(text)]
    come = [n for n, text in file.lines_added if _LOCK.search(text) and not _COMMENT.match(text)]
    if len(gone) > len(come):
        points = POINTS[F.CONCURRENCY]
        yield Finding(
            factor=F.CONCURRENCY, points=points, reason="takes locking away", where=[at(file, gone)], sure=0.9
        )
