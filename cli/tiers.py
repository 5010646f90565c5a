"""`firebreak tiers …`: how much each agent may do, on what record, and what people decide about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.action import Tier
from domain.agents import AgentDetail, AgentRow

app = typer.Typer(help="Show, promote, demote, revoke and reinstate agents.")

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Name of the agent, e.g. responder.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]


@app.command()
def show(
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="One agent in full; all of them when left out.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show who sits where, the record behind it, and what the next tier asks for.

    Example: firebreak tiers show responder --json
    """
    with connect(SESSION.home) as client:
        document = client.get(f"/api/agents/{agent}" if agent else "/api/agents")
    if as_json:
        print_json(document)
    elif agent:
        for line in detail_lines(AgentDetail.model_validate(document)):
            say(line)
    else:
        _print_all([AgentRow.model_validate(row) for row in document["agents"]])


@app.command()
def promote(
    agent: Agent,
    to: Annotated[Tier | None, typer.Option("--to", help="The tier; one step up when left out.")] = None,
    waive: Annotated[
        bool, typer.Option("--waive", help="Beside the record: an admin's grant, and recorded as one.")
    ] = False,
    reason: Reason = "",
    as_json: JsonFlag = False,
) -> None:
    """Promote an agent by one tier, when its record carries it.

    Examples:
      firebreak tiers promote responder --reason "reviewed its twelve runs"
      firebreak tiers promote responder --to T2 --waive --reason "first week on staging"
    """
    _move(agent, "promote", {"to": to.value if to else None, "waive": waive, "reason": reason}, as_json)


@app.command()
def demote(
    agent: Agent,
    to: Annotated[Tier | None, typer.Option("--to", help="The tier; one step down when left out.")] = None,
    reason: Reason = "",
    as_json: JsonFlag = False,
) -> None:
    """Demote an agent.

    Example: firebreak tiers demote responder --to T1 --reason "a quiet week"
    """
    _move(agent, "demote", {"to": to.value if to else None, "reason": reason}, as_json)


@app.command()
def revoke(agent: Agent, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Revoke an agent: no further change, at once. What it applied can still be taken back.

    Example: firebreak tiers revoke responder --reason "restarts the wrong service"
    """
    with connect(SESSION.home) as client:
        document = client.post(f"/api/agents/{agent}/revoke", {"reason": reason})
    if as_json:
        print_json(document)
        return
    stopped = len(document["stopped"])
    say(f"{agent} is revoked; quiet after {document['seconds'] * 1000:.0f} ms, {stopped} running steps cut off.")
    say(f"Handoff: L{document['handoff']}. An admin gives it back: firebreak tiers reinstate {agent}")


@app.command()
def reinstate(agent: Agent, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Give a revoked agent back its right to act, at the tier where it sits now.

    Example: firebreak tiers reinstate responder --reason "the policy was wrong"
    """
    _move(agent, "reinstate", {"reason": reason}, as_json)


@app.command()
def overturn(
    violation: Annotated[str, typer.Argument(metavar="ID", help="Id of the charge, as `tiers show AGENT` prints it.")],
    reason: Reason = "",
    as_json: JsonFlag = False,
) -> None:
    """Overturn a charge: the agent did not cause it. What the charge took is given back.

    Example: firebreak tiers overturn vio-4f2a9c1be07d --reason "the network was down"
    """
    with connect(SESSION.home) as client:
        document = client.post(f"/api/violations/{violation}/overturn", {"reason": reason})
    if as_json:
        print_json(document)
    else:
        say(f"{document['violation']} is overturned.")


@app.command()
def review(
    agent: Agent,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Id of the plan, as the incident shows it.")],
    right: Annotated[bool, typer.Option("--right/--wrong", help="Whether it was what should have been done.")],
    as_json: JsonFlag = False,
) -> None:
    """Say whether a plan that nobody carried out was right: the record of an observer.

    Example: firebreak tiers review responder plan-4f2a9c1be07d --right
    """
    with connect(SESSION.home) as client:
        document = client.post(f"/api/agents/{agent}/reviews", {"plan": plan, "right": right})
    if as_json:
        print_json(document)
    else:
        say(f"L{document['entry']}: {document['text']}")


@app.command()
def history(agent: Agent, as_json: JsonFlag = False) -> None:
    """Show everything that happened to an agent's trust, newest first.

    Example: firebreak tiers history responder
    """
    with connect(SESSION.home) as client:
        document = client.get(f"/api/agents/{agent}/history")
    if as_json:
        print_json(document)
        return
    for turn in document["turns"]:
        say(f"L{turn['entry']:<6} {turn['at'][:19]}  {turn['kind']:<13} {turn['by']:<10} {turn['text']}")


def detail_lines(a: AgentDetail) -> list[str]:
    """One agent as a person reads it."""
    lines = [f"{a.agent}: {a.tier.value} {a.name}, {a.status}"]
    lines += [f"  {a.revoked}"] if a.revoked else []
    lines += [f"  budget: {b.what} {b.spent} of {b.limit}" for b in a.budgets]
    if a.next_tier:
        lines.append(f"to {a.next_tier.value}:" + (f" (and {a.waits_for})" if a.waits_for else ""))
        lines += [f"  [{'x' if c.met else ' '}] {c.text}: {c.found} (needed: {c.needed})" for c in a.criteria]
    lines.append("record:" if a.record else "record: no verified outcome yet")
    lines += [
        f"  {r.action} on {r.environment}: {r.held} held, {r.failed} did not, {r.consecutive} in a row, weight {r.weight:g}"
        f" ({', '.join(f'{k} {v}' for k, v in r.origins.items())}){' earned' if r.earned else ''}"
        for r in a.record
    ]
    lines.append("violations:" if a.violations else "violations: none")
    lines += [
        f"  {v.id}  L{v.entry} {v.violation} {v.consequence}: {v.what} ({v.cause}: {v.evidence})" for v in a.violations
    ]
    return lines


def _move(agent: str, deed: str, body: dict[str, Any], as_json: bool) -> None:
    with connect(SESSION.home) as client:
        document = client.post(f"/api/agents/{agent}/{deed}", body)
    if as_json:
        print_json(document)
        return
    say(document["text"] if document["moved"] else f"Not yet: it waits for {document['text']}.")


def _print_all(rows: list[AgentRow]) -> None:
    if not rows:
        say(
            "No agent has a seat yet. An admin grants one: firebreak tiers promote responder --to T1 --waive --reason …"
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("agent", "tier", "status", "charges", "budgets"):
        table.add_column(column, overflow="fold")
    for row in rows:
        budgets = "; ".join(f"{b.what} {b.spent}/{b.limit}" for b in row.budgets)
        table.add_row(row.agent, f"{row.tier.value} {row.name}", row.status, str(row.charges), budgets)
    Console().print(table)
