"""What the action server is sent and answers, beyond the shapes of the guard itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from domain.action import ActionSpec, Judgement
from domain.guard import Actor, Approval, LedgerEntry
from domain.plan import Plan
from domain.value import Value
from governance.guard.face import UnwindItem
from governance.shadow import Agreement, Shadowed

Id = Annotated[str, Field(min_length=1, max_length=200)]


class JudgeBody(Value):
    """`POST /v1/judge`."""

    plan: Plan
    actor: Actor


class StepBody(Value):
    """`POST /v1/apply` and `/v1/compensate`."""

    plan_id: Id
    step_id: Id
    actor: Actor
    approval_id: Id | None = None


class ReasonBody(Value):
    """`POST /v1/freeze` and `/v1/resume`."""

    reason: Annotated[str, Field(max_length=1000)] = ""


class UnwindBody(Value):
    """`POST /v1/unwind`."""

    change: Id | None = None


class RecordBody(Value):
    """`POST /v1/ledger`."""

    kind: Annotated[str, Field(max_length=40)]
    change: Annotated[str, Field(max_length=200)]
    content: dict[str, Any]


class Judgements(Value):
    """Answer of `/v1/judge`."""

    judgements: list[Judgement]


class Specs(Value):
    """Answer of `/v1/specs`."""

    specs: list[ActionSpec]


class Approvals(Value):
    """Answer of `/v1/approvals`."""

    approvals: list[Approval]


class Entries(Value):
    """Answer of `/v1/ledger`. `next` is the `after` of the following page, or null at the end."""

    entries: list[LedgerEntry]
    next: int | None


class Unwindable(Value):
    """Answer of `GET /v1/unwind`."""

    items: list[UnwindItem]


class LabelBody(Value):
    """`POST /v1/shadow/{proposal}`."""

    label: Agreement


class ShadowedSteps(Value):
    """Answer of `GET /v1/shadow`."""

    proposals: list[Shadowed]


class Done(Value):
    """Answer of `/v1/changes/…`."""

    change: str


class Health(Value):
    """Answer of `/healthz`; says nothing that needs a credential."""

    status: str
    frozen: bool
