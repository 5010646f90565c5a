"""From attempts to judgements, and what is pinned with them."""

from __future__ import annotations

from domain.action import Judgement, Verdict
from domain.errors import ConflictError, GovernanceError
from domain.guard import Actor
from domain.inventory import Environment, Service
from domain.plan import Plan, Step
from domain.zone import KIND
from governance.approval import close_unused
from governance.claims import Purpose, claim_key
from governance.credentials.terms import plan_deadline
from governance.guard.approval import ask_people
from governance.guard.attempt import Attempt, Parts
from governance.guard.shadow import note_shadow
from governance.ledger.port import Draft, Transaction
from governance.plans import PinnedPlan, load_plan, save_plan, supersede_others
from governance.seats import tier_of


def check_plan(plan: Plan) -> None:
    """Raises GovernanceError for what no judgement can be bound to."""
    ids = [step.id for step in plan.steps]
    if not ids or len(set(ids)) < len(ids):
        raise GovernanceError(
            f"plan {plan.id} cannot be judged",
            expected="at least one step, every step with its own id",
            found=", ".join(ids) or "no step",
            code="plan.invalid",
        )
    try:
        plan.plan_digest()
        for step in plan.steps:
            step.binding_digest()
    except (ValueError, RecursionError) as error:
        raise GovernanceError(
            f"plan {plan.id} cannot be judged",
            expected="plain JSON arguments, numbers below 2^53",
            found=str(error)[:200],
            code="plan.invalid",
        ) from error


def pin(plan: Plan, actor: Actor, parts: Parts) -> PinnedPlan:
    """The plan as it will be pinned. Raises ConflictError when its id already means something else."""
    known = load_plan(parts.ledger, plan.id)
    fresh = PinnedPlan(
        plan=plan,
        change=actor.change,
        agent=actor.agent,
        policy=parts.policy.pin,
        judged_at=parts.ledger.now,
        entry=0,
        digests={step.id: step.binding_digest() for step in plan.steps},
        deadline=plan_deadline(tier_of(parts.ledger, actor.agent, parts.policy), parts.ledger.now),
    )
    if known is None:
        return fresh
    same = known.plan.plan_digest() == plan.plan_digest()
    if not same and plan.revision <= known.plan.revision:
        raise ConflictError(
            f"plan {plan.id} was judged with other content",
            expected=f"the same steps, another id, or a revision above {known.plan.revision}",
            found=f"revision {plan.revision} with other steps",
            code="plan.changed",
        )
    kept = {"modified": known.modified, "digests": known.digests} if same and known.policy == fresh.policy else {}
    return fresh.model_copy(update={**kept, "terminated_by": known.terminated_by})


def attempt_for(
    parts: Parts, pinned: PinnedPlan, step: Step, actor: Actor, purpose: Purpose, token: str = ""
) -> Attempt:
    """An attempt at one step with the call that is in force, and what is on record about action, target and agent."""
    service = parts.inventory.service(step.call.target)
    key = claim_key(
        change=pinned.change,
        plan=pinned.plan.id,
        revision=pinned.plan.revision,
        step=step.id,
        call=step.call,
        purpose=Purpose.COMPENSATE if purpose is Purpose.COMPENSATE else Purpose.APPLY,
    )
    return Attempt(
        purpose=purpose,
        step=step,
        actor=actor,
        key=key,
        pinned=pinned,
        token=token,
        spec=parts.executor.spec(step.call.action),
        service=service,
        environment=_environment(parts, service),
        tier=tier_of(parts.ledger, actor.agent, parts.policy),
    )


def _environment(parts: Parts, service: Service | None) -> Environment:
    """A policy that judges a sandbox as production rehearses the cure; the fault is injected into what is really there."""
    if service is not None and service.kind == KIND:
        return service.environment
    return parts.policy.environment(service.environment if service else Environment.PRODUCTION)


def register(tx: Transaction, pinned: PinnedPlan, attempts: list[Attempt], parts: Parts) -> list[Judgement]:
    """Pin the plan, write the judgement, open the approvals: all of it or nothing."""
    content = {
        "plan": pinned.plan.id,
        "revision": pinned.plan.revision,
        "plan_digest": pinned.plan.plan_digest(),
        "policy": pinned.policy,
        "hypothesis": pinned.plan.hypothesis,
        "steps": [_written(attempt) for attempt in attempts],
    }
    entry = tx.append(Draft(kind="judgement", actor=pinned.agent, change=pinned.change, content=content))
    verdicts = {attempt.step.id: attempt.verdict for attempt in attempts}
    pinned = pinned.model_copy(update={"entry": entry.seq, "verdicts": verdicts})
    save_plan(tx, pinned)
    for older in supersede_others(tx, pinned):
        close_unused(tx, pinned.change, f"superseded by plan {pinned.plan.id}", plan=older)
    for attempt in attempts:
        note_shadow(tx, attempt)
    return [_judgement(tx, attempt, pinned, parts) for attempt in attempts]


def _judgement(tx: Transaction, attempt: Attempt, pinned: PinnedPlan, parts: Parts) -> Judgement:
    asks = attempt.verdict is Verdict.ASK and not pinned.plan.dry
    approval = ask_people(tx, attempt, parts) if asks else None
    return Judgement(
        step_id=attempt.step.id,
        verdict=attempt.verdict,
        reasons=attempt.reasons,
        policy=pinned.policy,
        dry_run=attempt.dry_run,
        approval_id=approval.id if approval else None,
        digest=attempt.digest,
        judged_at=tx.now,
    )


def _written(attempt: Attempt) -> dict[str, object]:
    return {
        "step": attempt.step.id,
        "call": attempt.call.model_dump(mode="json"),
        "digest": attempt.digest,
        "verdict": attempt.verdict.value,
        "mode": attempt.service.mode.value if attempt.service else "",
        "tier": attempt.tier.value,
        "environment": attempt.environment.value,
        "reasons": [reason.model_dump(mode="json") for reason in attempt.reasons],
        "dry_run": attempt.dry_run.model_dump(mode="json") if attempt.dry_run else None,
    }
