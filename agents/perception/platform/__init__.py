"""Consistency between platform objects (Kubernetes, as its API returns them): what does not fit together names object and cause.

To add a check: write a function `Cluster -> Iterable[Claim]` in its family's module and name it in that module's `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Iterable

from agents.perception.claim import Claim
from agents.perception.facts import Facts
from agents.perception.platform import access, capacity, pods, references, wiring
from agents.perception.platform.objects import Cluster
from agents.perception.symptoms import Symptoms

CHECKS = (*wiring.CHECKS, *pods.CHECKS, *references.CHECKS, *capacity.CHECKS, *access.CHECKS)


def inconsistencies(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """What all checks say about the platform's objects; nothing without any."""
    if not facts.bundle.platform:
        return []
    cluster = Cluster(facts)
    return [claim for check in CHECKS for claim in check(cluster)]


RULES = (inconsistencies,)
