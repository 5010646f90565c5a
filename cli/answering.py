"""`firebreak incident approvals | approve | reject | modify | escalate | terminate`: a person's answer, from the terminal."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.client import AppClient, connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.action import ActionCall
from domain.errors import ConfigError
from domain.guard import Approval, ApprovalStatus, Decision

Id = Annotated[str, typer.Argument(metavar="ID", help="Incident id, e.g. inc-4f2a9c1be07d.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the record, shown to whoever comes second.")]
Needed = Annotated[str, typer.Option("--reason", help="Why; others will read it.", prompt="Why")]
Which = Annotated[str, typer.Option("--approval", help="Only this one, when the incident waits for several.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `incident`."""
    for command in (approvals, approve, reject, modify, escalate, terminate):
        app.command(command.__name__)(command)


def approvals(incident_id: Id, as_json: JsonFlag = False) -> None:
    """Show what the incident waits for: the call, its digest, its undo and what a yes pre-authorises.

    Example: firebreak incident approvals inc-4f2a9c1be07d
    """
    with connect(SESSION.home) as client:
        found = _asked(client, incident_id, "")
    waiting = _open(found)
    if as_json:
        print_json({"approvals": [a.model_dump(mode="json") for a in waiting]})
    for approval in [] if as_json else waiting:
        say("\n".join(card(approval)) + "\n")
    _end_when_none(incident_id, found, as_json)


def approve(incident_id: Id, reason: Reason = "", approval: Which = "", as_json: JsonFlag = False) -> None:
    """Approve what the incident waits for. Your own token of this home says who you are.

    Example: firebreak incident approve inc-1a2b3c4d5e6f
    """
    _answer(incident_id, {"decision": Decision.APPROVE, "reason": reason}, approval, as_json)


def reject(incident_id: Id, reason: Needed, approval: Which = "", as_json: JsonFlag = False) -> None:
    """Reject what the incident waits for; the planner looks for another way.

    Example: firebreak incident reject inc-1a2b3c4d5e6f --reason "not during the sale"
    """
    _answer(incident_id, {"decision": Decision.REJECT, "reason": reason}, approval, as_json)


def modify(
    incident_id: Id,
    args: Annotated[str, typer.Option("--args", help='The arguments as they should be, e.g. {"size": 10}.')],
    reason: Reason = "",
    approval: Which = "",
    as_json: JsonFlag = False,
) -> None:
    """Approve with other arguments; the changed call is judged again and gets its own digest.

    Example: firebreak incident modify inc-4f2a9c1be07d --args '{"size": 10}' --reason "20 is too much"
    """
    try:
        changed = json.loads(args)
    except ValueError as error:
        raise ConfigError(
            "The arguments are not JSON.", expected='an object such as {"size": 10}', found=args[:80]
        ) from error
    _answer(incident_id, {"decision": Decision.MODIFY, "reason": reason, "args": changed}, approval, as_json)


def escalate(incident_id: Id, reason: Needed, approval: Which = "", as_json: JsonFlag = False) -> None:
    """Pass the question on to other people; nothing is carried out.

    Example: firebreak incident escalate inc-1a2b3c4d5e6f --reason "ask the database team"
    """
    _answer(incident_id, {"decision": Decision.ESCALATE, "reason": reason}, approval, as_json)


def terminate(incident_id: Id, reason: Needed, approval: Which = "", as_json: JsonFlag = False) -> None:
    """End the plan: no step of it is carried out any more.

    Example: firebreak incident terminate inc-1a2b3c4d5e6f --reason "wrong plan"
    """
    _answer(incident_id, {"decision": Decision.TERMINATE, "reason": reason}, approval, as_json)


def card(approval: Approval) -> list[str]:
    """What a person must know to answer."""
    people = f"{len(approval.answered_by)} of {approval.quorum} people"
    ahead = [words(call) for call in approval.compensations]
    return [
        f"{approval.id}  {words(approval.call)}  ({people}, expires {approval.expires_at:%H:%M:%S} UTC)",
        f"  dry run         {approval.summary or 'could not tell'}",
        f"  blast radius    {approval.blast_radius or 'not stated'}",
        f"  undo            {approval.undo or 'none stated'}",
        f"  pre-authorised  {', '.join(ahead) or 'nothing: taking it back asks again'}",
        *[f"  asked because   {reason.text}" for reason in approval.reasons if reason.verdict != "allow"],
        f"  digest          {approval.digest}",
    ]


def words(call: ActionCall) -> str:
    """A call in one line."""
    return f"{call.action} {call.target} {json.dumps(call.args)}"


def _answer(incident_id: str, body: dict[str, Any], which: str, as_json: bool) -> None:
    with connect(SESSION.home) as client:
        found = _asked(client, incident_id, which)
        waiting = _open(found)
        said = [Approval.model_validate(client.post(f"/api/approvals/{a.id}", body)) for a in waiting]
    if as_json:
        print_json({"approvals": [a.model_dump(mode="json") for a in said]})
    for before, after in [] if as_json else zip(waiting, said, strict=True):
        say(f"{after.id}: {_became(after)} ({words(after.call)})")
        if after.digest != before.digest:
            say(f"  new digest {after.digest}")
    _end_when_none(incident_id, found, as_json)


def _became(approval: Approval) -> str:
    missing = approval.quorum - len(approval.answered_by)
    return (
        f"{approval.status.value}, waiting for {missing} more"
        if approval.status is ApprovalStatus.OPEN
        else approval.status.value
    )


def _asked(client: AppClient, incident_id: str, which: str) -> list[Approval]:
    """All questions of the incident, newest first."""
    document = client.get("/api/approvals", incident=incident_id)
    found = [Approval.model_validate(a) for a in document["approvals"]]
    return [a for a in found if a.change == incident_id and which in ("", a.id)]


def _open(found: list[Approval]) -> list[Approval]:
    return [a for a in found if a.status is ApprovalStatus.OPEN]


def _end_when_none(incident_id: str, found: list[Approval], as_json: bool) -> None:
    if _open(found):
        return
    if not as_json:
        say(f"{incident_id} waits for no approval.{_last_words(found)}")
    raise typer.Exit(int(Exit.FINDING))


def _last_words(found: list[Approval]) -> str:
    """What became of the newest question, so that whoever comes late knows why there is nothing to answer."""
    if not found:
        return ""
    by = f" by {', '.join(found[0].answered_by)}" if found[0].answered_by else ""
    why = f": {found[0].reason}" if found[0].reason else ""
    return f" The last one, {words(found[0].call)}, is {found[0].status.value}{by}{why}"
