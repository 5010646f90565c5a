"""Which skills a card gets, and in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from domain.severity import Severity
from skills.card import Family, TaskCard
from skills.choose import candidates
from skills.schema import Stage
from skills.shelf import Shelf
from tests.fakes.world import World
from tests.unit.skills.trial import Trial

CATALOGUE = Path("runbooks")


def test_a_recovery_that_only_looks_comes_after_those_that_mend(tmp_path: Path) -> None:
    """It would wait for users who are not served before anything was done for them."""
    card = TaskCard(
        name="lost-key",
        intent="bring the api back",
        workload="api",
        severity=Severity.CRITICAL,
        fault_domain="missing_env",
        family=Family.T3,
        expected="users are served",
    )
    bench = replace(Trial(tmp_path, World()).bench, shelf=Shelf(CATALOGUE))
    rows = candidates(card, Stage.RECOVERY, bench)
    acts = [bool(c.skill.actions) for c in rows]
    assert {c.skill.name for c in rows} >= {"wrong-configuration", "post-recovery-verification"}
    assert acts == sorted(acts, reverse=True)
