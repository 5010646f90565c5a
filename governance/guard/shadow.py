"""Shadow mode at the guard: what would have been done is kept when it is judged; people say how it compares."""

from __future__ import annotations

from domain.action import Verdict
from domain.errors import NotFoundError
from domain.inventory import Mode
from governance.guard.attempt import Attempt, Parts
from governance.identity import Identity
from governance.ledger.port import Draft, Transaction
from governance.outcomes import keep_agreement
from governance.shadow import KIND, Agreement, Shadowed, keep_shadowed, load_shadowed


def note_shadow(tx: Transaction, attempt: Attempt) -> None:
    """Write down what only the mode forbids. Anything else that denies it says that it would not have been done."""
    if not only_shadowed(attempt):
        return
    others = [reason.verdict for reason in attempt.reasons if reason.wrapper != "mode"]
    shadowed = Shadowed(
        id=f"{attempt.pinned.plan.id}:{attempt.step.id}",
        change=attempt.pinned.change,
        agent=attempt.actor.agent,
        call=attempt.call,
        would=max(others, key=lambda verdict: verdict.strictness, default=Verdict.ASK),
        summary=attempt.dry_run.summary if attempt.dry_run else "",
        at=tx.now,
    )
    if load_shadowed(tx, shadowed.id) is None:
        keep_shadowed(tx, shadowed)
        content = {**attempt.facts(), "would": shadowed.would.value, "dry_run": shadowed.summary}
        tx.append(Draft(kind=KIND, actor=attempt.actor.agent, change=shadowed.change, content=content))


def only_shadowed(attempt: Attempt) -> bool:
    """Whether nothing but shadow mode speaks against it."""
    shadow = attempt.service is not None and attempt.service.mode is Mode.SHADOW
    denials = attempt.denials()
    return shadow and bool(denials) and all(reason.wrapper == "mode" for reason in denials)


def label(parts: Parts, person: Identity, id: str, agreement: Agreement) -> Shadowed:
    """A person's word on how a proposal compares with what happened, for the agent's record too. Raises NotFoundError."""
    with parts.ledger.transaction() as tx:
        found = load_shadowed(tx, id)
        if found is None:
            raise NotFoundError(
                f"there is no shadow proposal {id[:80]!r}", expected="an id that `firebreak shadow report` shows"
            )
        labelled = found.model_copy(update={"label": agreement, "labelled_by": person.name})
        keep_shadowed(tx, labelled)
        keep_agreement(tx, labelled, parts.inventory, parts.executor, parts.policy)
        content = {"proposal": id, "label": agreement.value, "call": found.call.model_dump(mode="json")}
        tx.append(Draft(kind="shadow_label", actor=person.name, change=found.change, content=content))
    return labelled
