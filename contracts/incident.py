"""What a contract means to an incident: the release as a change that can be cited, and its rehearsed way back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.rehearsal.trial import Trial, TrialStatus
from domain.action import ActionCall
from domain.alert import Change
from domain.contract import RollbackKind
from domain.diagnosis import Hypothesis

SOON = timedelta(hours=1)
"""So long after its end a release is still looked at: leaks and full pools show late."""
RECORDED_S = 30.0
"""A deploy that others recorded so much before the first share, and until the end, is this release and no second one."""
FACTORS = 4


def recent(rollouts: Iterable[Rollout], now: datetime) -> list[Rollout]:
    """Those that gave a share and are under way, or ended lately."""
    return [
        r for r in rollouts if r.stages[0].began_at is not None and (r.ended_at is None or now - r.ended_at <= SOON)
    ]


def out_since(rollout: Rollout) -> datetime:
    """When the first request could reach the new version."""
    return rollout.started_at + timedelta(seconds=rollout.stages[0].began_at or 0.0)


def as_change(rollout: Rollout, diff: str = "") -> Change:
    """The release as evidence: whose contract, how far it is, and the places in the change that its risk rests on."""
    contract, risk = rollout.contract, rollout.contract.risk
    heavy = risk.factors[:FACTORS]
    why = "; ".join(f"{f.name.value.replace('_', ' ')} {f.weight:.0f}: {f.reason}{_at(f.where)}" for f in heavy)
    summary = (
        f"contract {contract.id}: {rollout.former} → {rollout.version}, {rollout.status.value.replace('_', ' ')} at "
        f"{rollout.now.percent:g} %; {risk.level.value} risk {risk.score:.0f}{f' ({why})' if why else ''}"
    )
    places = [place.partition(":")[0] for factor in risk.factors for place in factor.where]
    return Change(
        id=rollout.id,
        kind="deploy",
        time=out_since(rollout),
        service=rollout.service,
        version=rollout.version,
        commit=contract.head,
        summary=summary[:1500],
        files=list(dict.fromkeys(p for p in places if "/" in p or "." in p))[:50],
        diff=diff,
        author=rollout.started_by,
    )


def merged(recorded: Sequence[Change], released: Sequence[tuple[Rollout, Change]]) -> list[Change]:
    """What others recorded of the same releases gives way to the contract's word, so that one deploy is one suspect."""
    kept = [c for c in recorded if not any(_same(c, rollout) for rollout, _ in released)]
    return sorted((*kept, *(change for _, change in released)), key=lambda c: c.time)


def at_fault(hypothesis: Hypothesis, rollout: Rollout, regressed: Iterable[str]) -> bool:
    """Whether a hypothesis blames this release. `regressed`: services at which a worse release was read."""
    return hypothesis.change == rollout.id or rollout.service in regressed


def rehearsed_by(rollout: Rollout, trials: Iterable[Trial]) -> Trial | None:
    """The newest rehearsal that passed and speaks of this state of the change."""
    contract = rollout.contract
    own = (t for t in trials if (t.contract, t.context) == (contract.id, contract.context))
    return next((t for t in own if t.status is TrialStatus.PASSED), None)


def may_go_back(rollout: Rollout) -> bool:
    """Whether there is something to take back, and a way that was tried out."""
    return rollout.status is not RolloutStatus.ROLLED_BACK and rollout.contract.rollback.rehearsed_at is not None


def way_back(rollout: Rollout, trial: Trial | None, cache: str) -> list[ActionCall]:
    """The rehearsed steps on the real service: the former version, then the former schema, then the cache below it.

    Without Firebreak's own record (`trial`) nobody knows the former schema, and it stays as it is.
    """
    kinds = {step.kind for step in rollout.contract.rollback.steps}
    calls = [ActionCall(action="rollback_release", target=rollout.service, args={"version": rollout.former})]
    if trial is not None and trial.downs and trial.before is not None and trial.before.revision:
        calls.append(ActionCall(action="migrate", target=rollout.service, args={"revision": trial.before.revision}))
    if RollbackKind.FLUSH_CACHE in kinds and cache:
        calls.append(ActionCall(action="clear_cache", target=cache))
    return calls


def _same(change: Change, rollout: Rollout) -> bool:
    if change.kind != "deploy" or (change.service, change.version) != (rollout.service, rollout.version):
        return False
    late = change.time > rollout.ended_at if rollout.ended_at else False
    return not late and change.time >= out_since(rollout) - timedelta(seconds=RECORDED_S)


def _at(where: Sequence[str]) -> str:
    return f" [{', '.join(where[:3])}]" if where else ""
