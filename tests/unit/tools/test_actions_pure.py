"""The pure halves of the actions: previews, confirmations, undo, and who is protected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import DryRun
from domain.conditions import Condition
from tools.actions.catalogue import ACTIONS
from tools.actions.processes import restarted
from tools.actions.release import ROLLBACK_RELEASE, RollbackRelease
from tools.actions.routing import SCALE_POOL, SHIFT_TRAFFIC, SWITCH_UPSTREAM, ScalePool, ShiftTraffic, SwitchUpstream
from tools.actions.terminate_sessions import TerminateSessions, protection
from tools.control import current_provider, current_route, current_size

SESSION: dict[str, Any] = {
    "pid": 7,
    "own": False,
    "backend_type": "client backend",
    "replication": False,
    "backend_start": "2026-01-01T00:00:00.000000Z",
    "blocks": 1,
    "state": "idle in transaction",
    "state_s": 3.0,
    "superuser": False,
    "query": "lock table orders",
}


@pytest.mark.parametrize(
    ("changes", "args", "why"),
    [
        ({}, {"pids": [7]}, ""),
        ({}, {"idle_in_transaction_s": 1}, ""),
        ({"own": True}, {"pids": [7]}, "our own"),
        ({"backend_type": "walsender"}, {"pids": [7]}, "walsender"),
        ({"backend_type": "autovacuum worker"}, {"pids": [7]}, "autovacuum"),
        ({}, {"pids": [7], "backend_starts": {"7": "2025-12-31T00:00:00.000000Z"}}, "another backend"),
        ({}, {"pids": [7], "backend_starts": {"7": "2026-01-01T00:00:00.000000Z"}}, ""),
        ({"blocks": 0, "state": "active"}, {"pids": [7]}, "holds nobody up"),
        ({"blocks": 0, "state": "idle", "state_s": 1.0}, {"pids": [7]}, "holds nobody up"),
        ({"blocks": 0, "state": "idle", "state_s": 90.0}, {"pids": [7]}, ""),
        ({"superuser": True}, {"idle_in_transaction_s": 1}, "not named"),
        ({"superuser": True}, {"pids": [7]}, ""),
        ({"superuser": True, "blocks": 0}, {"pids": [7]}, "holds nobody up"),
        ({"superuser": True, "blocks": 0}, {"pids": [7], "backend_starts": {"7": "2026-01-01T00:00:00.000000Z"}}, ""),
        (
            {"superuser": True, "blocks": 0, "state": "active"},
            {"pids": [7], "backend_starts": {"7": "2026-01-01T00:00:00.000000Z"}},
            "holds nobody up",
        ),
        ({"superuser": True, "state": "active", "query": "VACUUM FULL orders"}, {"pids": [7]}, "maintenance"),
        ({"superuser": True, "state": "active", "query": "select pg_sleep(99)"}, {"pids": [7]}, ""),
    ],
)
def test_who_is_spared(changes: dict[str, Any], args: dict[str, Any], why: str) -> None:
    """Only a session that was meant and does harm is ended; a recycled pid never is."""
    found = protection({**SESSION, **changes}, TerminateSessions(**args))
    assert why in found
    assert bool(found) == bool(why)


@given(st.integers(1, 2**31), st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_recycled_pid_is_never_ended(pid: int, meant: str, found: str) -> None:
    """Whatever else holds, a backend with another start than the named one is spared."""
    row = {**SESSION, "pid": pid, "backend_start": found}
    args = TerminateSessions(pids=[pid], backend_starts={str(pid): meant})
    assert (protection(row, args) == "") == (meant == found)


def test_nothing_selected_is_refused() -> None:
    """An empty choice never means everybody."""
    with pytest.raises(ValueError, match="name pids"):
        TerminateSessions()


def test_a_restart_needs_another_process_that_runs() -> None:
    """The same process, or one that does not run, is no restart."""
    before = {"state": "running", "pid": 1, "started_at": 5.0}
    assert not restarted(before, before)
    assert restarted(before, {"state": "running", "pid": 2, "started_at": 6.0})
    assert restarted(before, {"state": "running", "pid": 1, "started_at": 6.0})
    assert not restarted(before, {"state": "backoff", "pid": None, "started_at": 6.0})


@pytest.mark.parametrize(
    ("action", "args", "key", "values"),
    [
        (SWITCH_UPSTREAM, SwitchUpstream(), "provider", ("primary", "fallback")),
        (SHIFT_TRAFFIC, ShiftTraffic(), "route", ("a", "b")),
        (SCALE_POOL, ScalePool(), "size", (5, 20)),
    ],
)
def test_choices_preview_confirm_and_undo(action: Any, args: Any, key: str, values: tuple[Any, Any]) -> None:
    """Where there is another choice it would change, is confirmed when reached, and the former one is the undo."""
    before = {key: values[0], "wanted": values[1], "live": None, "link": "db"}
    after = {**before, key: values[1]}
    assert action.preview(args, before).answer is DryRun.WOULD_CHANGE
    assert action.preview(args, after).answer is DryRun.NO_CHANGE
    assert action.preview(args, {**before, "wanted": None}).answer is DryRun.CANNOT_TELL
    assert action.confirm(args, before, after) is True
    assert action.confirm(args, before, before) is False
    assert not action.confirm(args, {}, after), "without the pre-state an open choice cannot be confirmed"
    assert next(iter(action.undo(args, before).args.values())) == values[0]
    assert action.undo(args, {**before, key: None}) is None


def test_a_pool_that_only_claims_to_be_larger_is_not_confirmed() -> None:
    """The service's own gauge must say so too."""
    before = {"size": 5, "live": 5, "wanted": 20}
    assert SCALE_POOL.confirm(ScalePool(), before, {**before, "size": 20}) is False
    assert SCALE_POOL.confirm(ScalePool(), before, {**before, "size": 20, "live": 20}) is True
    assert SCALE_POOL.preview(ScalePool(), {**before, "size": 20}).answer is DryRun.WOULD_CHANGE


def test_a_release_without_a_former_one_cannot_be_rolled_back() -> None:
    """The dry run says so instead of guessing."""
    state: dict[str, Any] = {"version": "v1", "weights": {}, "previous": None, "wanted": None, "wanted_weights": {}}
    assert ROLLBACK_RELEASE.preview(RollbackRelease(), state).answer is DryRun.CANNOT_TELL
    assert ROLLBACK_RELEASE.confirm(RollbackRelease(), {}, state) is None
    assert ROLLBACK_RELEASE.undo(RollbackRelease(), {**state, "version": None}) is None
    there = {**state, "wanted": "v1", "wanted_weights": {"v1": 100}}
    assert ROLLBACK_RELEASE.preview(RollbackRelease(), there).answer is DryRun.NO_CHANGE


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, (None, None, None)),
        ({"upstream": "p", "route": {"db": "a"}, "pool_size": 5}, ("p", "a", 5)),
        ({"upstream": {"payments": "p"}, "route": {"cache": "a"}, "pool_size": {"api": 5}}, ("p", None, 5)),
        ({"upstream": {"api": {"provider": "p"}}, "pool_size": {"api": {"size": 7}}}, ("p", None, 7)),
    ],
)
def test_a_status_document_may_say_things_in_several_ways(status: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Plain, per service or per dependency; missing facts are None."""
    found = (
        current_provider(status, "api", "payments"),
        current_route(status, "db"),
        current_size(status, "api"),
    )
    assert found == expected


def test_every_condition_that_something_can_change_has_an_action() -> None:
    """What no action removes is listed here on purpose: the cache and the queue come back with their process."""
    removed = {condition for action in ACTIONS for condition in action.removes}
    assert set(Condition) - removed == {Condition.CACHE_UNREACHABLE, Condition.QUEUE_GROWING}


def test_names_are_unique_and_undo_actions_exist() -> None:
    """One registration per action; an undo names a registered one."""
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names))
    assert {action.undo_action for action in ACTIONS if action.undo_action} <= set(names)
