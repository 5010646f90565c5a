"""What runbooks say to tell a hypothesis apart from what looks like it: single statements, not whole pages. Pure.

A statement is worth showing when it speaks about the *difference*: it stands in the runbook of one side and names the other, or it
names what was observed about one side and not about the other. Words that every runbook has weigh nothing (inverse document
frequency, Spärck Jones 1972).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.diagnosis import Evidence, Hypothesis
from domain.retrieval import Passage

MOST = 2
"""Statements per hypothesis."""
LONGEST = 320
NAMES_BOTH = 3.0
"""What it weighs that a statement names both sides, or names one in the runbook of the other."""
TELLS_APART = 1.0
"""What it weighs that its section is about look-alikes."""
OWN = 1.0
"""What it weighs that it stands in the hypothesis' own runbook."""
LEAST = 2.0
"""Below this a statement says nothing about the difference."""
_WORD = re.compile(r"[a-z][a-z0-9]{2,}")
_BULLET = re.compile(r"^\s*(?:[-*]|\d+\.)\s+", re.M)
_BOLD = re.compile(r"^\*\*(.+?)\*\*")
_APART = re.compile(r"apart|look|differ|confus|versus|\bvs\b|not this", re.I)
_PLAIN = frozenset(("the", "and", "are", "was", "not", "for", "with", "that", "this", "from", "has", "have", "its", "one", "all",
                    "before", "during", "after", "service", "fault", "starts", "trouble", "shows", "where"))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One bullet or paragraph of a passage."""

    passage: Passage
    text: str
    score: float


def contrast(
    hypothesis: Hypothesis, rival: Hypothesis | None, evidence: Mapping[str, Evidence], passages: Sequence[Passage]
) -> list[Statement]:
    """The statements that best tell the hypothesis from its rival, best first; those of its own runbook without a rival."""
    rows = [(p, text) for p in passages for text in statements(p)]
    rare = _rarity([text for _, text in rows])
    own, other = naming(hypothesis.fault_class), naming(rival.fault_class if rival else None)
    telling = _telling(hypothesis, rival, evidence)
    scored = [Statement(passage=p, text=text, score=_score(p, text, own, other, telling, rare)) for p, text in rows]
    good = sorted((s for s in scored if s.score >= LEAST), key=lambda s: (-s.score, s.passage.id, s.text))
    return _different(good)[:MOST]


def statements(passage: Passage) -> list[str]:
    """The bullets of a passage, or its paragraphs where it has none."""
    parts = _BULLET.split(passage.text) if _BULLET.search(passage.text) else re.split(r"\n\s*\n", passage.text)
    return [" ".join(part.split())[:LONGEST] for part in parts if part.strip()]


def naming(fault_class: str | None) -> set[str]:
    """The words by which runbooks call a class: `long_transactions` → long, transaction, lock …"""
    if not fault_class:
        return set()
    words = {stem(w) for w in fault_class.split("_")}
    return words | {stem(w) for w in _ALSO.get(fault_class, "").split()}


_ALSO = {
    "long_transactions": "lock contention blocked",
    "hang": "hung paused process",
    "latency": "slow link",
    "partition": "link down",
    "missing_index": "slow query queries",
    "cpu_hog": "slow query queries",
    "missing_env": "wrong configuration setting",
    "wrong_env": "wrong configuration setting",
    "down": "database down",
    "crash": "process down",
    "upstream_429": "upstream rate limit quota",
    "upstream_5xx": "upstream provider down",
    "queue_lag": "queue stalled",
    "consumer_stopped": "queue stalled",
    "bad_release": "release deploy code",
    "failed_migration": "migration schema",
    "credential_revoked": "credential login password",
    "connection_limit": "connection limit sessions",
    "red_herring_deploy": "coincidence",
}
"""Class → other words for it."""


def stem(word: str) -> str:
    """Without a plural's or a tense's end; crude, but the same on both sides."""
    low = word.lower()
    return re.sub(r"(?<=\w{3})(ies|ied)$", "y", re.sub(r"(?<=\w{4})(ing|ed|es|s)$", "", low))


def words_of(text: str) -> set[str]:
    """Stemmed words that may carry meaning."""
    return {stem(w) for w in _WORD.findall(text.lower()) if w not in _PLAIN}


def about(passage: Passage, names: set[str], fault_class: str | None = None) -> bool:
    """Whether a passage's document is about a class: it lists it, or its name says so."""
    listed = str(passage.metadata.get("fault_classes", "")).split()
    return (fault_class in listed) if listed and fault_class else bool(names and names <= words_of(passage.document))


def _score(
    passage: Passage, text: str, own: set[str], other: set[str], telling: set[str], rare: Mapping[str, float]
) -> float:
    said, home = (
        words_of(text),
        words_of(f"{passage.document} {passage.title} {passage.metadata.get('fault_classes', '')}"),
    )
    label = _BOLD.match(text)
    subject = words_of(label.group(1)) if label else said
    in_own, in_other = _names(own, home), _names(other, home)
    score = min(3.0, sum(rare.get(w, 0.0) for w in said & telling))
    both = min(_names(own, said), _names(other, said))
    score += NAMES_BOTH * max(_names(other, subject) * in_own, _names(own, subject) * in_other, both)
    score += TELLS_APART * bool(_APART.search(passage.heading)) * max(in_own, in_other)
    return score + OWN * in_own if score else 0.0


def _names(names: set[str], words: set[str]) -> float:
    """Share of a class's naming words that occur, doubled and capped: half of them name it."""
    return min(1.0, 2 * len(names & words) / len(names)) if names else 0.0


def _telling(hypothesis: Hypothesis, rival: Hypothesis | None, evidence: Mapping[str, Evidence]) -> set[str]:
    """Words of what was observed about one side and not about the other."""
    mine, theirs = (_observed(h, evidence) for h in (hypothesis, rival))
    return (mine ^ theirs) if rival else mine


def _observed(hypothesis: Hypothesis | None, evidence: Mapping[str, Evidence]) -> set[str]:
    if hypothesis is None:
        return set()
    cited = [evidence[e] for e in (*hypothesis.evidence, *hypothesis.against) if e in evidence]
    return {w for e in cited if e.kind != "runbook" for w in words_of(f"{e.excerpt} {e.supports} {e.source}")}


def _rarity(texts: Sequence[str]) -> dict[str, float]:
    counts = Counter(w for text in texts for w in words_of(text))
    return {w: math.log(1 + len(texts) / n) / math.log(1 + max(len(texts), 2)) for w, n in counts.items()}


def _different(found: Iterable[Statement]) -> list[Statement]:
    """Each text once."""
    return list({s.text: s for s in reversed(list(found))}.values())[::-1]
