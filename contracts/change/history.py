"""What the repository's recent past says about the files of a change: how often they change, how often that was mended."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from contracts.change.files import ChangedFile
from contracts.finding import Finding
from contracts.paths import is_product
from contracts.priors import POINTS
from domain.risk import FactorName as F

DAYS = 90
Commits = Sequence[tuple[str, frozenset[str]]]
"""Subject and paths of each commit before the change."""
_MENDS = re.compile(r"\b(revert|roll ?back|hot ?fix|fix(es|ed)?|regression|broke(n)?)\b", re.IGNORECASE)
_OFTEN = 8
"""Commits in the time from which a file counts as restless."""


def history_findings(files: Sequence[ChangedFile], past: Commits) -> Iterator[Finding]:
    """Restless files, and files whose changes had to be mended."""
    names = {f.path for f in files if is_product(f.path)} | {f.old_path for f in files if is_product(f.path)}
    changes = Counter(path for _, paths in past for path in paths & names)
    restless = [(path, n) for path, n in changes.most_common(5) if n >= _OFTEN]
    if restless:
        points = min(POINTS[F.CHURN], 1.0 * restless[0][1])
        said = f"{restless[0][0]} changed in {restless[0][1]} commits within {DAYS} days"
        yield Finding(factor=F.CHURN, points=points, reason=said, where=[path for path, _ in restless])
    mended = Counter(path for subject, paths in past if _MENDS.search(subject) for path in paths & names)
    if mended:
        path, times = mended.most_common(1)[0]
        points = min(POINTS[F.HISTORY], 2.0 * times)
        said = f"{path} was mended {times} times within {DAYS} days, as the commits' subjects say"
        yield Finding(
            factor=F.HISTORY, points=points, reason=said, where=[p for p, _ in mended.most_common(5)], sure=0.8
        )
