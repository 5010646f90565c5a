"""Leases: deadlines, claims and the stores that keep them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.lease import CLAIM_STALE_S, Lease, LeaseState, LeaseStore, claimable, due
from chaos.lease_memory import MemoryLeaseStore
from chaos.sqlite import ChaosDatabase
from domain.drills import DrillRun, DrillState
from domain.errors import ConflictError, NotFoundError

T0 = datetime(2026, 1, 1, tzinfo=UTC)
Store = Callable[[], LeaseStore]


def lease(name: str = "lease-1", **more: object) -> Lease:
    """A prepared lease with a deadline a minute away."""
    fields: dict[str, object] = {"id": name, "fault": "hang", "prepared_at": T0, "deadline": T0 + timedelta(seconds=60)}
    return Lease.model_validate(fields | more)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LeaseStore:
    """Each implementation of the port."""
    return MemoryLeaseStore() if request.param == "memory" else ChaosDatabase(tmp_path / "chaos.db")


@given(
    seconds=st.integers(0, 500),
    state=st.sampled_from(list(LeaseState)),
    age=st.integers(0, 120),
    attempts=st.integers(0, 20),
)
def test_nothing_outlives_its_deadline(seconds: int, state: LeaseState, age: int, attempts: int) -> None:
    """Whatever state a lease is in, some time after its deadline it is due unless it was restored."""
    now = T0 + timedelta(seconds=seconds)
    found = lease(state=state, claimed_at=now - timedelta(seconds=age), attempts=attempts)
    later = max(now, found.deadline) + timedelta(seconds=CLAIM_STALE_S)
    assert (found in due([found], later)) is (state is not LeaseState.RESTORED)


@given(seconds=st.integers(0, 59), state=st.sampled_from([LeaseState.PREPARED, LeaseState.ACTIVE]))
def test_a_standing_lease_is_left_alone_before_its_deadline(seconds: int, state: LeaseState) -> None:
    """Before its time a lease is due only when the kill switch is thrown."""
    now = T0 + timedelta(seconds=seconds)
    found = lease(state=state)
    assert due([found], now) == []
    assert due([found], now, halted=True) == [found]


def test_a_claim_holds_until_it_is_stale() -> None:
    """A second restorer must wait until the first one was silent for long."""
    held = lease(state=LeaseState.RESTORING, claimed_at=T0)
    assert not claimable(held, T0 + timedelta(seconds=CLAIM_STALE_S - 1))
    assert claimable(held, T0 + timedelta(seconds=CLAIM_STALE_S))


def test_a_lease_is_restored_by_one_only(store: LeaseStore) -> None:
    """Of two who claim, the first one gets it; a finished lease is nobody's."""
    store.add(lease())
    assert store.activate("lease-1", T0).state is LeaseState.ACTIVE
    assert store.claim("lease-1", "reaper", T0)
    assert not store.claim("lease-1", "server", T0)
    done = store.finish("lease-1", by="reaper", at=T0, restored=True, verified=True)
    assert (done.state, done.restored_by, done.verified) == (LeaseState.RESTORED, "reaper", True)
    assert not store.claim("lease-1", "server", T0 + timedelta(days=1))
    assert store.leases(unfinished=True) == []


def test_a_failed_restoration_is_tried_again_after_a_pause(store: LeaseStore) -> None:
    """Failed leases stay unfinished and can be claimed later."""
    store.add(lease())
    assert store.claim("lease-1", "reaper", T0)
    store.finish("lease-1", by="reaper", at=T0, restored=False, verified=False, note="no")
    assert not store.claim("lease-1", "reaper", T0 + timedelta(seconds=1))
    assert store.claim("lease-1", "reaper", T0 + timedelta(seconds=3))
    assert store.get("lease-1").attempts == 2


def test_what_is_noted_is_there_afterwards(store: LeaseStore) -> None:
    """Facts added to the undo join the ones that were there."""
    store.add(lease(undo={"a": 1}))
    store.amend("lease-1", {"b": {"pid": 2}})
    assert store.get("lease-1").undo == {"a": 1, "b": {"pid": 2}}


def test_the_store_refuses_what_does_not_fit(store: LeaseStore) -> None:
    """Unknown ids, a second lease of the same id and an activation after restoring began are errors."""
    with pytest.raises(NotFoundError):
        store.get("lease-1")
    store.add(lease())
    with pytest.raises(ConflictError):
        store.add(lease())
    store.claim("lease-1", "kill", T0)
    with pytest.raises(ConflictError):
        store.activate("lease-1", T0)


def test_the_kill_switch_is_remembered_until_it_is_put_back(store: LeaseStore) -> None:
    """`halted` says why, and None after `resume`."""
    assert store.halted() is None
    store.halt("smoke", T0)
    assert "smoke" in (store.halted() or "")
    store.resume()
    assert store.halted() is None


def test_leases_and_drills_outlive_the_process(tmp_path: Path) -> None:
    """A second opening of the same file sees everything, newest first."""
    first = ChaosDatabase(tmp_path / "chaos.db")
    first.add(lease("lease-1"))
    first.add(lease("lease-2"))
    run = DrillRun(id="drill-1", state=DrillState.RUNNING, started_at=T0)
    first.put_drill(run)
    first.put_drill(run.model_copy(update={"state": DrillState.FINISHED}))
    second = ChaosDatabase(tmp_path / "chaos.db")
    assert [row.id for row in second.leases()] == ["lease-2", "lease-1"]
    assert second.drill("drill-1").state is DrillState.FINISHED
    assert [row.id for row in second.drills()] == ["drill-1"]
    with pytest.raises(NotFoundError):
        second.drill("drill-2")


def test_only_the_owner_may_read_the_store(tmp_path: Path) -> None:
    """The file holds what the responder must not see."""
    ChaosDatabase(tmp_path / "chaos.db")
    assert (tmp_path / "chaos.db").stat().st_mode & 0o077 == 0
