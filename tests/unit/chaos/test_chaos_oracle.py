"""The oracle's rules, on a patient in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.model import Durability
from chaos.oracle import SLOW_MS, Baseline, Judging, compare, judge, steady, take_baseline
from chaos.site import Visit
from domain.clock import ManualClock
from tests.fakes.chaos_site import FakeFault, World, fake_site

VISITS = st.builds(Visit, ok=st.booleans(), ms=st.floats(1, 5000), text=st.just("x"))
COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50))
NAMES = st.lists(st.sampled_from(["api", "postgres", "cache"]), unique=True)


@given(visits=st.lists(VISITS, min_size=1))
def test_a_failing_end_is_never_steady(visits: list[Visit]) -> None:
    """However good it was before, users who fail now are not served."""
    assert steady([*visits, Visit(ok=False, ms=1, text="x")]).ok is False


@given(ms=st.lists(st.floats(1, 5000), min_size=1))
def test_slow_service_is_no_service(ms: list[float]) -> None:
    """All visits succeed: steady exactly when the median is quick enough."""
    middle = sorted(ms)
    median = (middle[(len(ms) - 1) // 2] + middle[len(ms) // 2]) / 2
    assert steady([Visit(ok=True, ms=m, text="x") for m in ms]).ok is (median <= SLOW_MS)


@given(rows=COUNTS, more=COUNTS, running=NAMES, extra=NAMES)
def test_growing_breaks_nothing(
    rows: dict[str, int], more: dict[str, int], running: list[str], extra: list[str]
) -> None:
    """More rows and more processes are never a loss."""
    after = {name: rows.get(name, 0) + more.get(name, 0) for name in rows | more}
    assert compare(Baseline(rows=rows, running=running), Baseline(rows=after, running=[*running, *extra])) == []


@given(rows=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50), min_size=1), data=st.data())
def test_every_loss_is_seen(rows: dict[str, int], data: st.DataObject) -> None:
    """One row less anywhere is one complaint."""
    victim = data.draw(st.sampled_from(sorted(rows)))
    assert len(compare(Baseline(rows=rows), Baseline(rows=rows | {victim: rows[victim] - 1}))) == 1


def test_processes_receipts_and_keys_may_not_vanish() -> None:
    """Each of the other invariants complains in its own words."""
    before = Baseline(running=["api"], kept_files={"api": ["receipts/1.json"]}, config_keys={"api": ["A", "B"]})
    lost = compare(before, Baseline(config_keys={"api": ["A"]}))
    assert len(lost) == 3
    rotated = [f"receipts/{n}.json" for n in range(2, 300)]
    assert compare(before, before.model_copy(update={"kept_files": {"api": rotated}})) == []


@pytest.mark.parametrize(
    ("durability", "cured", "lasting", "expected"),
    [
        (Durability.STEADY, True, True, (True, True)),
        (Durability.STEADY, False, True, (False, False)),
        (Durability.EVENT, True, True, (True, True)),
        (Durability.EVENT, True, False, (True, False)),
        (Durability.WORKLOAD, True, True, (True, True)),
        (Durability.WORKLOAD, True, False, (True, False)),
    ],
)
async def test_judgement(
    tmp_path: Path, durability: Durability, cured: bool, lasting: bool, expected: tuple[bool, bool]
) -> None:
    """No cure is not served; a cure that the event undoes is served and not durable; a real one is both."""
    world = World(clock=ManualClock(), broken=True, cured=cured, lasting=lasting)
    site = fake_site(world, tmp_path)
    verdict = await judge(site, FakeFault(world, durability=durability), {}, await take_baseline(site), Judging())
    assert (verdict.served, verdict.durable) == expected
    assert verdict.intact


async def test_a_cure_that_loses_data_does_not_pass(tmp_path: Path) -> None:
    """Users served, rows gone: not intact."""
    world = World(clock=ManualClock(), broken=True)
    site = fake_site(world, tmp_path)
    before = await take_baseline(site)
    world.cured = True
    world.rows["orders"] = 3
    verdict = await judge(site, FakeFault(world), {}, before, Judging())
    assert verdict.served
    assert not verdict.passed
    assert verdict.broken_invariants == ["table orders shrank from 10 to 3 rows"]
