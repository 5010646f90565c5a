"""Log templates: what a line says with its variable parts taken out.

A code location in the line (`OrderService#112`, `pool.py:48`) names the template by itself. Else numbers, ids and quoted values are
masked and drain3 groups what is left (He et al. 2017, Drain). Distinct masked lines are grouped, not every line, so that a million
lines cost little more than a thousand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

LOCATION = re.compile(r"\b[A-Za-z_][\w.$]*#\d+|\b[\w/.-]+\.(?:py|java|go|js|ts|rb|rs|cs|php|cc?|cpp|kt):\d+")
MOST_DISTINCT = 3000
LONGEST = 400
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.I), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.I), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ip>"),
    (re.compile(r"\"[^\"]{0,200}\"|'[^']{0,200}'"), "<text>"),
    (re.compile(r"(?<![A-Za-z_])[-+]?\d[\d.,:eTZ/-]*"), "<n>"),
)


@lru_cache(maxsize=65536)
def masked(message: str) -> str:
    """The line without its variable parts, at most LONGEST characters."""
    text = message[:LONGEST]
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return " ".join(text.split())


def templates(messages: Iterable[str]) -> dict[str, str]:
    """Message → template, for every distinct message."""
    named: dict[str, str] = {}
    loose: dict[str, list[str]] = {}
    for message in dict.fromkeys(messages):
        place = LOCATION.search(message)
        if place is not None:
            named[message] = place.group(0)
        else:
            loose.setdefault(masked(message), []).append(message)
    groups = _grouped(sorted(loose)) if len(loose) <= MOST_DISTINCT else {m: m for m in loose}
    for mask, originals in loose.items():
        for message in originals:
            named[message] = groups[mask]
    return named


def _grouped(lines: list[str]) -> dict[str, str]:
    if len(lines) < 2:
        return {line: line for line in lines}
    from drain3 import TemplateMiner  # heavy: only where there are lines to group
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.drain_sim_th = 0.6
    config.drain_depth = 5
    config.profiling_enabled = False
    miner = TemplateMiner(config=config)
    clusters = {line: miner.add_log_message(line)["cluster_id"] for line in lines}
    words = {c.cluster_id: c.get_template() for c in miner.drain.clusters}
    return {line: words[cluster] for line, cluster in clusters.items()}
