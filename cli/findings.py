"""`firebreak findings …`: what is odd about the product's own work, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import NotFoundError
from domain.findings import Finding

app = typer.Typer(help="List, show, accept and close findings about Firebreak's own operation.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the finding, e.g. fnd-4f2a9c1be07d.")]


@app.command("list")
def list_findings(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False, as_json: JsonFlag = False
) -> None:
    """List findings, the most worthwhile first.

    Example: firebreak findings list --all --json
    """
    rows = [row for row in _all() if everything or row["state"] != "fixed"]
    if as_json:
        print_json({"findings": rows})
        return
    for row in rows:
        say(f"{row['id']}  {row['state']:<9} {row['count']:>4} times  {row['kind']}: {row['subject']}")
    if not rows:
        say("Nothing odd.")


@app.command()
def show(finding_id: Id, as_json: JsonFlag = False) -> None:
    """Show one finding: evidence, suggestion, and what each reviewer of the council says.

    Example: firebreak findings show fnd-4f2a9c1be07d
    """
    found = next((row for row in _all() if row["id"] == finding_id), None)
    if found is None:
        raise NotFoundError("There is no such finding.", found=finding_id, hint="firebreak findings list --all")
    if as_json:
        print_json(found)
        return
    for line in finding_lines(Finding.model_validate(found)):
        say(line)


@app.command()
def accept(finding_id: Id, as_json: JsonFlag = False) -> None:
    """Take a finding's suggestion on.

    Example: firebreak findings accept fnd-4f2a9c1be07d
    """
    _post(finding_id, "accept", {}, as_json)


@app.command()
def close(
    finding_id: Id,
    evidence: Annotated[str, typer.Option("--evidence", help="What shows that it is fixed.")],
    as_json: JsonFlag = False,
) -> None:
    """Close a finding with its evidence.

    Example: firebreak findings close fnd-4f2a9c1be07d --evidence "a week without it"
    """
    _post(finding_id, "close", {"evidence": evidence}, as_json)


def finding_lines(f: Finding) -> list[str]:
    """A finding as a person reads it."""
    s = f.suggestion
    lines = [
        f"{f.kind}: {f.subject} ({f.state.value}, {f.count} times)",
        f"  {f.text}",
        f"  seen in {', '.join(f'L{n}' for n in f.evidence)}",
        f"suggested: {s.text} (risk {s.risk.value}, impact {s.impact:.0%}, helped {s.helped} of {s.helped + s.failed})",
        f"council: {'recommends it' if f.council.recommended else 'does not recommend it'}",
    ]
    words = {True: "yes", False: "no", None: "abstains"}
    lines += [f"  {v.reviewer}: {words[v.approve]}, {v.reason}" for v in f.council.votes]
    return lines + ([f"closed by {f.by}: {f.closing}"] if f.closing else [])


def _all() -> list[dict[str, Any]]:
    with connect(SESSION.home) as client:
        rows: list[dict[str, Any]] = client.get("/api/findings")["findings"]
    return rows


def _post(finding_id: str, deed: str, body: dict[str, Any], as_json: bool) -> None:
    with connect(SESSION.home) as client:
        document = client.post(f"/api/findings/{finding_id}/{deed}", body)
    if as_json:
        print_json(document)
    else:
        say(f"{document['id']} is {document['state']}.")
