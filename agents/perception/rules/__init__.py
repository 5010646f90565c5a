"""What faults look like, one function per fault class, grouped by family.

To add one: write a function `Facts, Symptoms -> Iterable[Claim]` in its family's module and name it in that module's `RULES`.
Each says its signature, what would speak against it, and its class (a name of the fault catalogue).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agents.perception import platform
from agents.perception.claim import Claim
from agents.perception.facts import Facts
from agents.perception.rules import (
    cache,
    cluster,
    configuration,
    credentials,
    database,
    disk,
    links,
    pool,
    process,
    release,
    schema,
    upstream,
)
from agents.perception.symptoms import Symptoms

Rule = Callable[[Facts, Symptoms], Iterable[Claim]]

RULES: tuple[Rule, ...] = (
    *process.RULES,
    *database.RULES,
    *pool.RULES,
    *credentials.RULES,
    *schema.RULES,
    *configuration.RULES,
    *release.RULES,
    *upstream.RULES,
    *links.RULES,
    *disk.RULES,
    *cache.RULES,
    *cluster.RULES,
    *platform.RULES,
)


def claims(facts: Facts, symptoms: Symptoms) -> list[Claim]:
    """What all rules say about this bundle; services outside the inventory stay (they may be external)."""
    return [claim for rule in RULES for claim in rule(facts, symptoms)]
