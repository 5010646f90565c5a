"""Lines of code, by the words in them: which touch caches, locks, rights, secrets, routes, signals and tests."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from contracts.change.files import ChangedFile, Line, at
from contracts.change.limits import limit_findings
from contracts.finding import Finding, Mark
from contracts.paths import is_document, is_generated, is_test
from contracts.priors import POINTS
from domain.risk import FactorName as F

_VOCABULARY: Mapping[F, str] = {
    F.CACHING: "cache cached caches caching redis memcached memcache ttl lru expire expires invalidate etag",
    F.CONCURRENCY: "timeout timeouts retry retries backoff lock locks mutex semaphore thread threads threading pool "
    "executor deadline atomic",
    F.PERMISSIONS: "permission permissions authorize authorization authenticate authentication auth login roles acl rbac "
    "oauth jwt csrf cors superuser",
    F.SECRETS: "encrypt decrypt cipher secret secrets password hmac tls ssl certificate credential credentials nonce",
    F.TRAFFIC: "ratelimit throttle limiter qps batch fanout backpressure",
    F.ROUTING: "upstream proxy proxies balancer nginx envoy dns failover",
    F.STORAGE: "bucket blob upload unlink rmtree fsync volume retention",
}
_BY_WORD = {word: factor for factor, words in _VOCABULARY.items() for word in words.split()}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_COMMENT = re.compile(r"^\s*(#|//|\*|--|;|/\*)")
_IDLE = re.compile(r"^\s*(#|//|\*|--|;|/\*|import\b|from\b|[\W_]*$)")
"""Comments, imports and lone brackets."""
_PER_DOUBLING, _MOST_REWRITTEN = 6.0, 20.0
"""Half again what the whole size has per doubling; see the figures in docs/how-to/draft-a-contract.md."""
_PER_WORDS_DOUBLED, _MOST_WORDS = 0.08, 0.6
"""Of an ordinary case's points: one line that speaks of a lock says little, and every doubling of such lines says as much again."""
_ROUTE = re.compile(
    r"@\w+\.(get|post|put|patch|delete|route)\(|@(Get|Post|Put|Patch|Delete|Request)Mapping|\b(app|router)\.(get|post|put|patch|delete)\(|\b(re_)?path\([\"']|^\s*rpc\s+\w+"
)
_SIGNAL = re.compile(
    r"\b(log(ger|ging)?|metrics?|counter|gauge|histogram|tracer|span|statsd|sentry\w*)\b\w*[.(]", re.IGNORECASE
)
_TEST = re.compile(r"^\s*(async\s+)?def test_|^\s*func Test|@Test\b|\b(it|test)\([\"'`]|^\s*#\[test\]")
_SKIP = re.compile(
    r"mark\.(skip|xfail)|@(Disabled|Ignore)\b|\b(it|test|describe)\.skip\(|\bxit\(|t\.Skip\(|unittest\.skip|#\[ignore\]"
)
_FLAG = re.compile(r"feature_?flag|flag_?enabled|is_?enabled\(|feature_?enabled|\.variation\(|isFeature", re.IGNORECASE)
_CODE = {
    ".py", ".js", ".jsx", ".ts", ".tsx", ".go", ".java", ".kt", ".rb", ".rs", ".cs", ".php", ".scala", ".c", ".cc", ".cpp",
    ".h", ".swift", ".ex", ".exs", ".erl", ".clj", ".sh", ".proto", ".graphql", ".vue", ".lua", ".pl",
}  # fmt: skip
_SIGNAL_FILES = re.compile(r"alert|dashboard|monitor|prometheus|grafana|recording.?rules", re.IGNORECASE)


def is_code(file: ChangedFile) -> bool:
    """Whether its lines are read as a program's."""
    return file.suffix in _CODE and not is_document(file.path) and not is_generated(file.path)


def code_findings(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """Per file and factor one finding with its lines; what was removed and not put back is compared over all files."""
    program = [f for f in files if is_code(f) and not is_test(f.path)]
    for file in program:
        yield from _words(file)
        yield from limit_findings(file)
        yield from _flag(file)
    yield from _rewritten(program)
    yield from _routes(program)
    yield from _signals(program, files)
    yield from _tests([f for f in files if is_test(f.path) and f.kind == "text"])


def _words(file: ChangedFile) -> Iterator[Finding]:
    hits: dict[F, dict[str, list[int]]] = {}
    for number, text in (*file.lines_added, *file.lines_removed):
        if _COMMENT.match(text):
            continue
        for word in _WORD.findall(text):
            if factor := _BY_WORD.get(word.lower()):
                hits.setdefault(factor, {}).setdefault(word.lower(), []).append(number)
    for factor, words in hits.items():
        lines = [n for numbers in words.values() for n in numbers]
        points = POINTS[factor] * min(_MOST_WORDS, _PER_WORDS_DOUBLED * math.log2(1 + len(lines)))
        said = f"lines with {', '.join(sorted(words)[:4])}"
        marks = frozenset({Mark.CACHE}) if factor is F.CACHING else frozenset[Mark]()
        yield Finding(factor=factor, points=points, reason=said, where=[at(file, lines)], sure=0.7, marks=marks)


def _rewritten(program: Sequence[ChangedFile]) -> Iterator[Finding]:
    """Lines that ran until now and are gone, not only elsewhere: adding beside what works breaks less than changing it
    (lines deleted, Kamei 2013)."""
    kept = {_squeezed(text) for f in program for _, text in f.lines_added}
    gone = [(f, n) for f in program for n, t in f.lines_removed if not _IDLE.match(t) and _squeezed(t) not in kept]
    if gone:
        points = min(_MOST_REWRITTEN, _PER_DOUBLING * math.log2(1 + len(gone)))
        said = f"takes away or rewrites {len(gone)} lines that ran until now"
        yield Finding(factor=F.CHURN, points=points, reason=said, where=_places(gone))


def _flag(file: ChangedFile) -> Iterator[Finding]:
    lines = [n for n, text in file.lines_added if _FLAG.search(text)]
    if lines:
        said = "asks a feature flag"
        yield Finding(
            factor=F.CONFIGURATION,
            points=5,
            reason=said,
            where=[at(file, lines)],
            sure=0.8,
            marks=frozenset({Mark.FLAG}),
        )


def _routes(files: Iterable[ChangedFile]) -> Iterator[Finding]:
    """Routes that are gone: a line that only moved is no break."""
    files = list(files)
    kept = {_squeezed(text) for f in files for _, text in f.lines_added if _ROUTE.search(text)}
    for file in files:
        gone = [(n, t) for n, t in file.lines_removed if _ROUTE.search(t) and _squeezed(t) not in kept]
        if gone:
            said = f"removes {gone[0][1].strip()[:60]}" + (f" and {len(gone) - 1} more routes" if len(gone) > 1 else "")
            where = [at(file, [n for n, _ in gone])]
            marks = frozenset({Mark.API_REMOVED})
            yield Finding(
                factor=F.API_BREAK, points=POINTS[F.API_BREAK], reason=said, where=where, sure=0.8, marks=marks
            )


def _signals(program: Sequence[ChangedFile], files: Iterable[ChangedFile]) -> Iterator[Finding]:
    removed = [(f, n) for f in program for n in _matching(f.lines_removed, _SIGNAL)]
    added = sum(len(_matching(f.lines_added, _SIGNAL)) for f in program)
    if len(removed) > added:
        net = len(removed) - added
        points = POINTS[F.OBSERVABILITY] * min(1.0, 0.4 + 0.1 * net)
        said = f"{net} more lines that log, count or trace are removed than added"
        yield Finding(factor=F.OBSERVABILITY, points=points, reason=said, where=_places(removed), sure=0.9)
    for file in files:
        if file.status == "D" and _SIGNAL_FILES.search(file.path) and not is_document(file.path):
            said = "removes alerts, rules or a dashboard"
            yield Finding(factor=F.OBSERVABILITY, points=POINTS[F.OBSERVABILITY], reason=said, where=[file.path])


def _tests(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    removed = [(f, n) for f in files for n in _matching(f.lines_removed, _TEST)]
    added = sum(len(_matching(f.lines_added, _TEST)) for f in files)
    if len(removed) > added:
        net = len(removed) - added
        points = POINTS[F.TESTS] * min(1.5, 0.6 + 0.1 * net)
        yield Finding(
            factor=F.TESTS, points=points, reason=f"{net} more tests are removed than added", where=_places(removed)
        )
    skipped = [(f, n) for f in files for n in _matching(f.lines_added, _SKIP)]
    if skipped:
        said = f"{len(skipped)} tests are skipped now"
        yield Finding(factor=F.TESTS, points=POINTS[F.TESTS], reason=said, where=_places(skipped))


def _matching(lines: Iterable[Line], pattern: re.Pattern[str]) -> list[int]:
    return [number for number, text in lines if pattern.search(text) and not _COMMENT.match(text)]


def _places(found: Sequence[tuple[ChangedFile, int]]) -> list[str]:
    by_file: dict[str, list[int]] = {}
    for file, number in found:
        by_file.setdefault(file.path, []).append(number)
    files = {file.path: file for file, _ in found}
    return [at(files[path], numbers) for path, numbers in by_file.items()]


def _squeezed(text: str) -> str:
    return "".join(text.split())
