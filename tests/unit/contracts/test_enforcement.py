"""A rollout on a simulated clock: good versions go through, bad ones are taken back, killed judges lose nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.freeze import Exemption
from contracts.enforcement.opening import Order, opened
from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.enforcement.terms import check_ramp
from contracts.keeping import keep
from domain.action import Verdict
from domain.contract import Canary, ContractStatus, DataLoss, Guardrail, Metric, Rollback, Stage
from domain.errors import ConfigError, ConflictError, NotFoundError, StorageUnavailableError
from domain.guard import ApprovalStatus
from domain.inventory import Environment
from tests.fakes.rollouts import Site, contract

TICK_S = 5.0
SAME_WALK = pytest.mark.no_cover
"""A long walk over lines that another test traces: the tracer takes half as long again."""
LONG = Rollback(possible=True, window_s=600, data_loss_risk=DataLoss.NONE)


async def begun(site: Site, **changes: object) -> Enforcer:
    found = await opened(site.order(**changes), site.yard(), "maria", "v1")
    site.files().keep(found.rollout.id, "before", found.before, [], 0.0)
    site.files().save(found.rollout)
    return Enforcer(found.rollout, site.yard(), site.files())


async def carried(
    site: Site, enforcer: Enforcer, until: Callable[[Rollout], bool] = lambda rollout: False, most: int = 200
) -> Rollout:
    """Tick until it ended, or until something shows."""
    for _ in range(most):
        rollout = await enforcer.tick()
        if rollout.status.ended or until(rollout):
            return rollout
        site.clock.advance(TICK_S)
    raise AssertionError(f"still {enforcer.rollout.status}: {enforcer.rollout.now}")


async def test_a_version_without_a_change_reaches_everybody(tmp_path: Path) -> None:
    """Stage by stage, each successful only when it is over; the plan said beforehand what each can see."""
    site = Site(tmp_path)
    rollout = await carried(site, await begun(site))
    assert rollout.status is RolloutStatus.FULFILLED
    assert site.calls == ["split_release 10", "split_release 50", "promote_release 100"]
    assert [row.result for row in rollout.stages] == ["successful"] * 3
    assert all(row.sees for row in rollout.stages[:2])
    assert rollout.stages[1].began_at is not None
    assert rollout.stages[1].began_at >= 120.0
    assert rollout.exposed > 1000
    assert [note["event"] for note in site.notes if note["event"] != "judged"] == ["fulfilled"]
    assert rollout.status.contract is ContractStatus.FULFILLED


@pytest.mark.parametrize(
    ("worse", "word", "latest"),
    [
        ({"failing": 0.5}, "times the budget", 0),
        ({"failing": 0.08}, "errors of all requests", 0),
        ({"slower": 1.3}, "latency of all requests", 1),
        ({"leak": 4e5}, "memory of all requests", 1),
    ],
)
async def test_a_bad_version_is_taken_back_by_itself(
    tmp_path: Path, worse: dict[str, float], word: str, latest: int
) -> None:
    """At the first stage that can show it: explained with numbers, verified, in the ledger."""
    site = Site(tmp_path, **worse)  # type: ignore[arg-type]
    stages = [Stage(percent=10, seconds=120), Stage(percent=50, seconds=240 if "leak" in worse else 120)]
    rollout = await carried(site, await begun(site, canary=Canary(required=True, stages=stages)))
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert rollout.stage <= latest
    assert site.share == 0.0
    assert rollout.verified is True
    assert word in "\n".join(rollout.explanation)
    assert "no request reached v2" in rollout.explanation[-1]
    events = [note["event"] for note in site.notes if note["event"] != "judged"]
    assert events == ["violated", "taken_back", "rolled_back"]
    assert rollout.budget_lost > 0 or "failing" not in worse


async def test_a_leak_is_seen_when_nothing_is_left_to_compare_with(tmp_path: Path) -> None:
    """At 100 % the new version's own memory is judged against its limit."""
    site = Site(tmp_path, leak=1e6)
    rollout = await carried(site, await begun(site, canary=Canary(required=False), rollback=LONG))
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert "memory of all requests: uses" in "\n".join(rollout.explanation)


@SAME_WALK
async def test_whoever_takes_over_from_a_killed_judge_skips_no_window(tmp_path: Path) -> None:
    """Looks that fell due meanwhile are made one after the other, with the requests of that time, as if nobody had died."""
    whole = Site(tmp_path / "a")
    expected = await carried(whole, await begun(whole))
    site = Site(tmp_path / "b")
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.clock >= 20.0)
    site.clock.advance(75.0)
    heir = Enforcer(site.files().get(enforcer.rollout.id), site.yard(), site.files())
    await heir.tick()
    assert heir.rollout.now.looks == 3
    rollout = await carried(site, heir)
    assert rollout.status is RolloutStatus.FULFILLED
    assert [look["stage"] for look in rollout.judgements] == [look["stage"] for look in expected.judgements]
    counted = [sum(r["canary"] for r in look["rulings"] if r["metric"] == "errors") for look in rollout.judgements[:4]]
    assert counted == [
        sum(r["canary"] for r in look["rulings"] if r["metric"] == "errors") for look in expected.judgements[:4]
    ]


async def test_a_bad_version_is_taken_back_by_whoever_takes_over(tmp_path: Path) -> None:
    """Killed in the middle of taking it back, too: the next process goes on there."""
    site = Site(tmp_path, failing=0.5)
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.status is RolloutStatus.TAKING_BACK)
    heir = Enforcer(site.files().get(enforcer.rollout.id), site.yard(), site.files())
    assert (await carried(site, heir)).status is RolloutStatus.ROLLED_BACK


@pytest.mark.parametrize("jump", [3600.0, pytest.param(-3600.0, marks=SAME_WALK)])
async def test_a_clock_that_is_set_ends_no_stage_early(tmp_path: Path, jump: float) -> None:
    """The stages run by the monotonic clock; that the wall clock was set is noted."""
    site = Site(tmp_path)
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.clock >= 40.0)
    site.wall_off = jump
    rollout = await carried(site, enforcer)
    assert rollout.status is RolloutStatus.FULFILLED
    assert rollout.stages[1].began_at is not None
    assert 120.0 <= rollout.stages[1].began_at < 150.0
    assert any(f"{jump:+.0f} s" in note for note in rollout.notes)


async def test_after_a_restart_of_the_machine_the_wall_clock_is_believed(tmp_path: Path) -> None:
    """And that is noted."""
    site = Site(tmp_path)
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.clock >= 20.0)
    site.boot = "boot-2"
    site.clock.advance(30.0)
    rollout = await enforcer.tick()
    assert "the machine was restarted" in rollout.notes[0]
    assert rollout.clock == pytest.approx(50.0, abs=6.0)


async def test_missing_data_is_no_success(tmp_path: Path) -> None:
    """Looks in reserve are used up, then the release is taken back: nothing was shown."""
    site = Site(tmp_path)
    site.silent = lambda second: site.share > 0 and second % 60 < 40
    rollout = await carried(site, await begun(site))
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert rollout.stage == 0
    assert rollout.reserves == 3
    assert "could not be judged" in rollout.explanation[0]
    assert "nothing from the" in "\n".join(rollout.explanation)


async def test_a_broken_term_waits_for_no_open_gate(tmp_path: Path) -> None:
    """While a person is asked for the next share, the present one is watched and taken back."""
    site = Site(tmp_path)
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.clock >= 100.0)
    site.verdict = Verdict.ASK
    await carried(site, enforcer, lambda rollout: rollout.status is RolloutStatus.WAITING)
    site.failing = 0.6
    rollout = await carried(site, enforcer)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert site.calls == ["split_release 10", "back to 0"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [(ApprovalStatus.APPROVED, RolloutStatus.RUNNING), (ApprovalStatus.REJECTED, RolloutStatus.ROLLED_BACK)],
)
async def test_a_person_decides_on_a_share_where_the_guard_asks(
    tmp_path: Path, answer: ApprovalStatus, status: RolloutStatus
) -> None:
    """Approved it is given, rejected everything is taken back."""
    site = Site(tmp_path, verdict=Verdict.ASK)
    enforcer = await begun(site)
    waiting = await enforcer.tick()
    assert (waiting.status, site.calls) == (RolloutStatus.WAITING, [])
    site.answer = answer
    rollout = await carried(site, enforcer, lambda rollout: rollout.status is status)
    assert rollout.status is status
    assert (site.share == 10.0) is (answer is ApprovalStatus.APPROVED)


async def test_what_the_guard_denies_is_not_given(tmp_path: Path) -> None:
    """The rollout ends with the guard's reason."""
    site = Site(tmp_path, verdict=Verdict.DENY)
    rollout = await carried(site, await begun(site))
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert "the mode says so" in rollout.explanation[0]
    assert site.calls == []


async def test_a_version_that_does_not_start_is_not_released(tmp_path: Path) -> None:
    """The step failed and nothing came of it: there is nothing to take back, and the reason is told."""
    site = Site(tmp_path, broken="v2 did not become ready within 10 s")
    rollout = await carried(site, await begun(site))
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert "v2 did not become ready" in rollout.explanation[0]


async def test_a_release_that_cannot_be_taken_back_says_so(tmp_path: Path) -> None:
    """It stays violated, and a person must act."""
    site = Site(tmp_path, failing=0.5, stuck=True)
    rollout = await carried(site, await begun(site))
    assert rollout.status is RolloutStatus.VIOLATED
    assert "could not be taken back: the proxy is gone" in rollout.explanation[-1]


async def test_a_person_takes_it_back_at_any_time(tmp_path: Path) -> None:
    """With the reason that was given."""
    site = Site(tmp_path)
    enforcer = await begun(site)
    await carried(site, enforcer, lambda rollout: rollout.clock >= 20.0)
    await enforcer.stop("maria: customers call")
    rollout = await carried(site, enforcer)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert "customers call" in rollout.explanation[0]


async def test_a_low_risk_goes_out_at_once_and_is_still_watched(tmp_path: Path) -> None:
    """Without stages there is nothing to compare with; limits and budget are watched for the rollback window."""
    site = Site(tmp_path, failing=0.3)
    rollout = await carried(site, await begun(site, canary=Canary(required=False)))
    assert site.calls == ["promote_release 100", "back to 0"]
    assert rollout.status is RolloutStatus.ROLLED_BACK
    good = Site(tmp_path / "good")
    fine = await carried(good, await begun(good, canary=Canary(required=False)))
    assert fine.status is RolloutStatus.FULFILLED
    assert fine.exposed > 1000
    assert 0.0 <= fine.budget_lost < 1e-5 < rollout.budget_lost


async def test_a_used_up_budget_freezes_deployments_with_two_exemptions(tmp_path: Path) -> None:
    """Security and P0 fixes go out, with a reason that is kept."""
    site = Site(tmp_path)
    site.failing = 0.2
    site._shares.append((-1e8, 50.0))
    with pytest.raises(ConflictError, match="frozen"):
        await opened(site.order(), site.yard(), "maria", "v1")
    order = site.order()
    short = Order.model_construct(**{**dict(order), "exemption": Exemption.SECURITY, "reason": "urgent"})
    with pytest.raises(ConflictError):
        await opened(short, site.yard(), "maria", "v1")
    given = Order.model_construct(
        **{**dict(order), "exemption": Exemption.P0_FIX, "reason": "stops the outage of today"}
    )
    found = await opened(given, site.yard(), "maria", "v1")
    assert found.rollout.exemption == "p0_fix: stops the outage of today"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": ContractStatus.REJECTED}, ConflictError),
        ({"status": ContractStatus.DRAFT, "environment": Environment.PRODUCTION}, ConflictError),
        ({"service": "nobody"}, ConfigError),
        ({"canary": Canary(required=True, stages=[Stage(percent=1, seconds=5)])}, ConfigError),
        (
            {"canary": Canary(required=True, stages=[Stage(percent=50, seconds=60), Stage(percent=10, seconds=60)])},
            ConfigError,
        ),
    ],
)
async def test_what_cannot_go_out_is_refused_before_anything_is_changed(
    tmp_path: Path, changes: dict[str, object], error: type[Exception]
) -> None:
    """A contract that is not approved, an unknown service, a stage too short to show anything, a ramp that falls."""
    site = Site(tmp_path)
    with pytest.raises(error):
        await opened(site.order(**changes), site.yard(), "maria", "v1")
    assert site.calls == []


async def test_an_expired_contract_and_the_serving_version_are_refused(tmp_path: Path) -> None:
    """There is nothing to roll out, or no longer."""
    site = Site(tmp_path)
    late = site.order(expires_at=site.clock.now() - timedelta(seconds=1))
    with pytest.raises(ConflictError, match="expired"):
        await opened(late, site.yard(), "maria", "v1")
    with pytest.raises(ConfigError, match="does not serve yet"):
        await opened(site.order(), site.yard(), "maria", "v2")
    with pytest.raises(NotFoundError):
        site.files().get("dep-none")


def test_a_ramp_beyond_the_contracts_own_is_refused(tmp_path: Path) -> None:
    """One stage may add only so many points of the traffic."""
    site = Site(tmp_path)
    rail = Guardrail(metric=Metric.TRAFFIC_RAMP, limit=20.0, unit="percent", window_s=300, reason="ramp")
    with pytest.raises(ConfigError, match="own terms"):
        check_ramp(contract(site.clock, guardrails=[rail]))


@dataclass
class Full(RolloutFiles):
    """A disk without room, as the files see it."""

    folder: Path
    full: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def _room(self) -> None:
        if self.full:
            raise StorageUnavailableError("the record cannot be written", found="No space left on device")

    def save(self, rollout: Rollout) -> None:
        self._room()
        super().save(rollout)

    def keep(self, *given: Any) -> None:
        self._room()
        super().keep(*given)


@pytest.mark.parametrize("failing", [0.0, 0.5])
async def test_what_cannot_be_written_down_is_taken_back(tmp_path: Path, failing: float) -> None:
    """The release goes back and is verified without a record; with room again the record is whole."""
    site = Site(tmp_path, failing=failing)
    begun_one, files = await begun(site), Full(folder=tmp_path)
    enforcer = Enforcer(begun_one.rollout, site.yard(), files)
    await carried(site, enforcer, lambda rollout: rollout.now.began_at is not None)
    files.full = True
    rollout = await carried(site, enforcer)
    assert (rollout.status, rollout.verified, site.share) == (RolloutStatus.ROLLED_BACK, True, 0.0)
    assert "No space left" in enforcer.unsaved
    assert failing or "what cannot be written down does not go on" in rollout.explanation[0]
    assert site.calls == ["split_release 10", "back to 0"]
    assert site.files().get(rollout.id).status is RolloutStatus.RUNNING
    files.full = False
    await enforcer.tick()
    assert enforcer.unsaved == ""
    assert site.files().get(rollout.id) == enforcer.rollout


async def test_whoever_takes_over_on_a_full_disk_takes_it_back(tmp_path: Path) -> None:
    """The files still say that it runs: what the former process did without a record is done again, and does no harm."""
    site, files = Site(tmp_path), Full(folder=tmp_path)
    first = Enforcer((await begun(site)).rollout, site.yard(), files)
    await carried(site, first, lambda rollout: rollout.now.began_at is not None)
    files.full = True
    await carried(site, first, lambda rollout: rollout.back_at is not None)
    heir = Enforcer(files.get(first.rollout.id), site.yard(), files)
    assert (await carried(site, heir)).status is RolloutStatus.ROLLED_BACK
    assert site.share == 0.0


def test_a_real_full_disk_leaves_the_former_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails half-way: no half file is left, and the error says where room is needed."""
    file = tmp_path / "dep-1.json"
    keep(file, b"whole", "rollout dep-1")

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tools.file.os.fsync", no_room)
    with pytest.raises(StorageUnavailableError, match="rollout dep-1") as refused:
        keep(file, b"half", "rollout dep-1")
    assert (refused.value.found, [f.name for f in tmp_path.iterdir()]) == ("No space left on device", ["dep-1.json"])
    assert file.read_bytes() == b"whole"
