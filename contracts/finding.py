"""What was found in a change: one fact, how dangerous alone, where it stands, and what it means for taking it back."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.risk import FactorName, Percent
from domain.value import Value


class Mark(StrEnum):
    """Consequences that the terms, the rollback plan and the suggestions are made from."""

    SCHEMA = "schema"
    """The database schema changes."""
    DROPS_DATA = "drops_data"
    """Rows, columns or tables are gone afterwards; no down migration brings them back."""
    REWRITES_DATA = "rewrites_data"
    """Existing rows are changed."""
    BREAKS_OLD_CODE = "breaks_old_code"
    """The old version cannot live with the new schema."""
    NEEDS_NEW_SCHEMA = "needs_new_schema"
    """The new version cannot live with the old schema."""
    ADDITIVE = "additive"
    """The schema only grows: the old version does not notice."""
    LOCKS_TABLE = "locks_table"
    INDEX_BLOCKS = "index_blocks"
    """An index is built while writers wait."""
    NO_DOWN = "no_down"
    """A migration without a way back."""
    OPAQUE = "opaque"
    """A migration of which not every statement was understood, or that was only spoken of."""
    CACHE = "cache"
    CONFIG = "config"
    FLAG = "flag"
    """The change stands behind a feature flag."""
    KUBERNETES = "kubernetes"
    INFRASTRUCTURE = "infrastructure"
    API_REMOVED = "api_removed"
    MAJOR_UPGRADE = "major_upgrade"
    IRREVERSIBLE = "irreversible"
    """Its author says that there is no way back."""


class Finding(Value):
    """One fact about the change."""

    factor: FactorName
    points: Percent
    """How dangerous it is on its own."""
    reason: str
    where: list[str] = []
    sure: Annotated[float, Field(gt=0, le=1)] = 1.0
    """1: read from the change itself; less: from tags or words about it."""
    marks: frozenset[Mark] = frozenset()


def marks_of(findings: Iterable[Finding]) -> frozenset[Mark]:
    """Everything that any finding says."""
    return frozenset[Mark]().union(*(f.marks for f in findings))
