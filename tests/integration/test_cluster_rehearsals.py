"""Skills of a cluster, rehearsed against the API server of the tests: broken over the API, mended through the guard, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from skills.store import Trust
from skills.trust import trust_of
from tests.fakes.cluster.server import ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.cluster.theatre import theatre

pytestmark = pytest.mark.integration

MENDS: dict[str, tuple[str, *tuple[list[str], ...]]] = {
    "image-unpullable": ("web", ["put-the-image-back"]),
    "automatic-rollback": ("web", ["go-back"]),
    "replica-restore": ("web", ["scale-back"]),
    "dependency-reconnect": ("db", ["select-the-pods"]),
    "network-policy-repair": ("db", ["let-the-caller-in"], ["let-the-caller-in"]),
    "minimal-permission-repair": ("web", ["allow-it"], ["bind-the-role"]),
    "settings-restore": ("web", ["put-the-values-back"]),
    "recreate-pod": ("web", []),
    "rolling-restart": ("web", []),
    "event-burst": ("web", []),
}
"""Skill → (the service that it is rehearsed on, for each fault the steps that were taken back)."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


ORDERED = ("rolling-restart", "replica-restore", "automatic-rollback")
"""On a stateful set as well."""


@pytest.mark.parametrize(
    ("skill", "ordered"), [*((name, False) for name in MENDS), *((name, True) for name in ORDERED)]
)
async def test_a_skill_of_a_cluster_is_rehearsed(
    skill: str, ordered: bool, cluster: ClusterServer, tmp_path: Path
) -> None:
    """Every criterion fails under the fault, the run mends it, the rollback brings back what was; the fault is lifted after."""
    target, *taken_back = MENDS[skill]
    async with theatre(Shop.made(cluster, tmp_path), ordered=ordered) as stage:
        found = await stage.rehearse(skill, target)
        assert found.passed, found.model_dump_json(indent=1)
        assert [f.taken_back for f in found.faults] == taken_back
        assert all(f.back_as_before in (True, None) for f in found.faults)
        assert trust_of(stage.bench.shelf.procedure(skill)[0], stage.bench.store) is Trust.REHEARSED
        assert all(lease.state.finished and lease.verified for lease in stage.leases.leases())
        assert stage.scene.store.verify().verified
