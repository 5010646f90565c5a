"""Flagger's webhooks: the whole table of states, and that what is unclear is a no."""

from __future__ import annotations

import pytest

from contracts.flagger import Hook, answer, chosen
from domain.contract import ContractStatus as S
from tests.unit.contracts.test_contracts_comment import contract

FORWARD = [hook for hook in Hook if hook.forward]


@pytest.mark.parametrize("hook", FORWARD)
@pytest.mark.parametrize("status", S)
def test_only_an_approved_contract_goes_out(hook: Hook, status: S) -> None:
    """And one that is on its way goes on."""
    said = answer(hook, contract().model_copy(update={"status": status}))
    assert said.yes == (status in (S.APPROVED, S.DEPLOYED))
    begins = status is S.APPROVED and hook is not Hook.CONFIRM_ROLLOUT
    assert said.becomes == (S.DEPLOYED if begins else None)
    assert status.value in said.reason


@pytest.mark.parametrize("status", S)
def test_a_yes_to_rollback_takes_back(status: S) -> None:
    """So it is only said of what is broken or over."""
    said = answer(Hook.ROLLBACK, contract().model_copy(update={"status": status}))
    assert said.yes == (status in (S.VIOLATED, S.ROLLED_BACK, S.REJECTED, S.EXPIRED))
    assert said.becomes is None


@pytest.mark.parametrize(
    ("status", "phase", "becomes"),
    [
        (S.DEPLOYED, "Succeeded", S.FULFILLED),
        (S.DEPLOYED, "Failed", S.ROLLED_BACK),
        (S.DEPLOYED, "Progressing", None),
        (S.APPROVED, "Succeeded", None),
        (S.FULFILLED, "Failed", None),
    ],
)
def test_the_end_is_heard(status: S, phase: str, becomes: S | None) -> None:
    said = answer(Hook.POST_ROLLOUT, contract().model_copy(update={"status": status}), phase)
    assert (said.yes, said.becomes) == (True, becomes)


def test_whose_word_counts() -> None:
    """What goes out before what is approved before a newer draft; a name or a version settles it."""
    rows = [
        contract(head=head, version=head).model_copy(update={"id": f"con-{head}", "status": status})
        for head, status in (("c", S.DRAFT), ("b", S.APPROVED), ("a", S.DEPLOYED))
    ]
    assert getattr(chosen(rows, service="pay"), "id", "") == "con-a"
    assert getattr(chosen(rows[:2], service="pay"), "id", "") == "con-b"
    assert getattr(chosen(rows, service="pay", contract="con-c"), "id", "") == "con-c"
    assert getattr(chosen(rows, service="pay", version="b"), "id", "") == "con-b"
    assert chosen(rows, service="shop") is None
    assert chosen(rows, service="pay", version="x") is None
