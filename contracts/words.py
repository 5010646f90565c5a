"""What the words about a change say: risk tags, change types, descriptions and file names. Words raise, they never lower."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from contracts.context import FileChange
from contracts.finding import Finding, Mark
from contracts.paths import is_document, is_test
from contracts.priors import POINTS
from domain.risk import FactorName as F

_WORDS: Mapping[F, str] = {
    F.CACHING: r"cach(e|es|ed|ing)|redis|memcached?|ttl|invalidat\w+|cdn",
    F.SCHEMA: r"schemas?|migrations?|migrate[sd]?|databases?|db|ddl|sql|columns?|tables|backfill\w*|index(es)?"
    r"|(alter|drop\w*) (\w+ ){0,3}table",
    F.API_BREAK: r"api|seriali[sz]\w+|endpoints?|breaking( change)?|graphql|protobuf|grpc|openapi|response format",
    F.TRAFFIC: r"traffic|load( test\w*)?|throughput|rate limit\w*|qps|scal(e|es|ing)|burst|fan ?out",
    F.PERMISSIONS: r"permissions?|auth[nz]?|authenticat\w+|authori[sz]\w+|rbac|acls?|roles?|login|oauth2?|sso|session tokens?",
    F.SECRETS: r"encrypt\w*|decrypt\w*|secrets?|credentials?|certificates?|tls|kms|key rotation|cipher\w*|crypto\w*",
    F.ROUTING: r"load balanc\w+|rout(e|es|ing|er)|proxy|proxies|ingress|gateway|dns|nginx|envoy|service mesh",
    F.STORAGE: r"storage|disks?|volumes?|s3|blobs?|buckets?|file ?systems?|retention|archiv\w+",
    F.DEPENDENCY: r"dependenc(y|ies)|upgrade[sd]?|bump(s|ed)?|librar(y|ies)|package versions?",
    F.CONFIGURATION: r"config(s|uration)?|feature flags?|toggles?|settings?|environment variables?",
    F.CONCURRENCY: r"concurren\w+|threads?|threading|locks?|locking|deadlocks?|timeouts?|retr(y|ies)|async|race|pool(s|ing)?",
    F.INFRASTRUCTURE: r"infra(structure)?|terraform|kubernetes|k8s|helm|docker\w*|cluster|iac|autoscal\w+",
    F.OBSERVABILITY: r"(remov|delet|drop|disabl|silenc)\w* (\w+ ){0,3}"
    r"(metrics?|logs?|logging|trac(es?|ing)|alerts?|dashboards?|monitor\w*)"
    r"|observability removal|(metrics?|alerts?|monitoring) removed",
    F.TESTS: r"(remov|delet|drop|disabl|skip)\w* (\w+ ){0,3}tests?|test removal|tests? (removed|skipped|disabled)",
}
_COMPILED = {factor: re.compile(rf"\b({words})\b") for factor, words in _WORDS.items()}
_DESTROYS = re.compile(
    r"\b(drop\w*|delet\w+|remov\w+|truncat\w+) (\w+ ){0,3}(column|table|data|rows?|schema)s?\b|\bdestructive\b"
)
_NO_WAY_BACK = re.compile(
    r"\birreversible\b|\b(no|without|cannot) (be )?(a )?(roll(ed)? ?back|rollback|undo|down migration)\b"
)
_REWRITES = re.compile(r"\bbackfill\w*|\b(renam|rewrit|convert)\w* (\w+ ){0,3}(column|table|rows?|data)s?\b")
_PLAIN = re.compile(r"[^a-z0-9]+")
_SURE_TAG, _SURE_WORDS, _SURE_PATH = 0.85, 0.75, 0.65
_SHARE_WORDS, _SHARE_PATH = 0.9, 0.6
"""A description weighs a little less than a tag that somebody chose, a file's name a good deal less."""
_SHARE_READ = 0.05
"""Of an ordinary case's points, for the name of a file whose lines are read: they say more than it."""


def declared(change: FileChange) -> Iterator[Finding]:
    """What tags, change type, description and name of one file say. A document's description and name say nothing."""
    document = is_document(change.file_path)
    tags = _text(" . ".join((*change.risk_tags, change.change_type)))
    words = "" if document else _text(change.description)
    path = "" if document or is_test(change.file_path) else _text(change.file_path)
    found = [
        f for factor, pattern in _COMPILED.items() for f in _said(factor, pattern, tags, words, path, change.file_path)
    ]
    if not found and (said := _NO_WAY_BACK.search(f"{tags} {words}")):
        found = [_final(said[0], change.file_path)]
    yield from found


def located(path: str) -> Iterator[Finding]:
    """What the name of a file says whose lines are known: less, and nothing about taking it back."""
    for factor, pattern in _COMPILED.items():
        if found := pattern.search(_text(path)):
            points = POINTS[factor] * _SHARE_READ
            yield Finding(
                factor=factor, points=points, reason=f"touches “{found[0]}” by its name", where=[path], sure=_SURE_PATH
            )


def _final(word: str, where: str) -> Finding:
    reason, marks = f"its author says “{word}”", frozenset({Mark.IRREVERSIBLE})
    return Finding(
        factor=F.STORAGE, points=POINTS[F.STORAGE], reason=reason, where=[where], sure=_SURE_WORDS, marks=marks
    )


def _said(factor: F, pattern: re.Pattern[str], tags: str, words: str, path: str, where: str) -> Iterator[Finding]:
    sources = (
        (tags, "its tags say", 1.0, _SURE_TAG),
        (words, "its description says", _SHARE_WORDS, _SURE_WORDS),
        (path, "its name says", _SHARE_PATH, _SURE_PATH),
    )
    for text, says, share, sure in sources:
        if found := pattern.search(text):
            marks = _marks(factor, f"{tags} {words}")
            points = POINTS[factor] * share * (1.3 if marks & {Mark.DROPS_DATA, Mark.REWRITES_DATA} else 1.0)
            reason = f"{says} “{found[0]}”"
            yield Finding(factor=factor, points=points, reason=reason, where=[where], sure=sure, marks=marks)
            return


def _marks(factor: F, text: str) -> frozenset[Mark]:
    marks: set[Mark] = {Mark.IRREVERSIBLE} if _NO_WAY_BACK.search(text) else set()
    if factor is F.SCHEMA:
        marks |= {Mark.SCHEMA, Mark.OPAQUE}
        marks |= {Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE} if _DESTROYS.search(text) else set()
        marks |= {Mark.REWRITES_DATA} if _REWRITES.search(text) else set()
    marks |= {_OF_FACTOR[factor]} if factor in _OF_FACTOR else set()
    return frozenset(marks)


_OF_FACTOR = {F.CACHING: Mark.CACHE, F.CONFIGURATION: Mark.CONFIG, F.INFRASTRUCTURE: Mark.INFRASTRUCTURE}


def _text(words: str) -> str:
    return _PLAIN.sub(" ", words.lower()).strip()
