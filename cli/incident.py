"""`firebreak incident …`: the inbox and one incident, from the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli import answering
from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.diagnosis import Diagnosis, Hypothesis, SecondOpinion
from domain.incident import Incident, IncidentStatus

app = typer.Typer(help="Look at incidents, answer their approvals, stop or take them.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Incident id, e.g. inc-4f2a9c1be07d.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the record.")]
answering.register(app)


@app.command("list")
def list_incidents(
    status: Annotated[
        IncidentStatus | None, typer.Option(help="Only incidents with this status; open: all that are not closed.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List incidents, newest first.

    Example: firebreak incident list --status waiting
    """
    with connect(SESSION.home) as client:
        page = client.get("/api/incidents", status=status.value if status else None, limit=limit)
    if as_json:
        print_json({"incidents": page["incidents"], "next": page.get("next")})
        return
    if not page["incidents"]:
        say("No incidents. Try: firebreak drill run")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "status", "opened"):
        table.add_column(column, no_wrap=True)
    for column in ("what it was", "outcome"):
        table.add_column(column, overflow="fold")
    for row in page["incidents"]:
        table.add_row(*_cells(row))
    Console().print(table)


@app.command("show")
def show_incident(incident_id: Id, as_json: JsonFlag = False) -> None:
    """Show one incident: causes with what speaks for and against, plan, actions, brief.

    Example: firebreak incident show inc-4f2a9c1be07d --json
    """
    with connect(SESSION.home) as client:
        document = client.get(f"/api/incidents/{incident_id}")
    if as_json:
        print_json(document)
        return
    for line in incident_lines(Incident.model_validate(document)):
        say(line)


@app.command("export")
def export(
    incident_id: Id,
    out: Annotated[Path, typer.Argument(help="A folder, or a name that ends in .tar.gz.")],
    as_json: JsonFlag = False,
) -> None:
    """Write an incident as a redacted bundle that `firebreak investigate` reads.

    Example: firebreak incident export inc-4f2a9c1be07d case.tar.gz
    """
    from cli.bundle import unpack

    with connect(SESSION.home) as client:
        content = client.download(f"/api/incidents/{incident_id}/bundle")
    bundle = unpack(content, out)
    counts = {"series": len(bundle.series), "logs": len(bundle.logs), "spans": len(bundle.spans)}
    if as_json:
        print_json({"incident": incident_id, "bundle": str(out), **counts})
        return
    say(f"wrote {out}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    if not any(counts.values()):
        say("No signals of that time are kept any more; the record is in record.json.")


@app.command()
def stop(incident_id: Id, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Stop the agents on this incident; it ends escalated, with what is known.

    Example: firebreak incident stop inc-1a2b3c4d5e6f --reason "a false alarm"
    """
    _post(incident_id, "stop", reason, as_json)


@app.command()
def take(incident_id: Id, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Take the incident over yourself; the agents stand back.

    Example: firebreak incident take inc-1a2b3c4d5e6f
    """
    _post(incident_id, "take", reason, as_json)


@app.command("give-back")
def give_back(incident_id: Id, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Give a taken incident back: the agents look afresh, in a new run that refers to it.

    Example: firebreak incident give-back inc-1a2b3c4d5e6f
    """
    _post(incident_id, "give-back", reason, as_json)


@app.command()
def reopen(incident_id: Id, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Open a new run that refers to this closed incident.

    Example: firebreak incident reopen inc-1a2b3c4d5e6f
    """
    _post(incident_id, "reopen", reason, as_json)


def _post(incident_id: str, verb: str, reason: str, as_json: bool) -> None:
    with connect(SESSION.home) as client:
        document = client.post(f"/api/incidents/{incident_id}/{verb}", {"reason": reason})
    if as_json:
        print_json(document)
    else:
        say(f"{document['id']}: {document['status']}")


def _cells(row: dict[str, Any]) -> list[str]:
    confidence = row.get("confidence")
    opened = datetime.fromisoformat(row["opened_at"].replace("Z", "+00:00")).astimezone()
    cause = " / ".join(x for x in (row.get("service"), row.get("fault_class")) if x) or row.get("title", "")
    sure = f" ({confidence:.2f})" if confidence is not None else ""
    return [row["id"], row["status"], f"{opened:%m-%d %H:%M:%S}", f"{cause}{sure}", row.get("outcome") or ""]


def incident_lines(incident: Incident) -> list[str]:
    """The record as a person reads it in a terminal."""
    lines = [f"{incident.id}  {incident.status}  {incident.severity}  {incident.title}", ""]
    if incident.diagnosis:
        lines += [*diagnosis_lines(incident.diagnosis), ""]
    for plan in incident.plans[-1:]:
        lines.append(f"Plan {plan.revision} ({plan.source}): {plan.summary}")
        for step in plan.steps:
            undo = f"undo: {step.undo.action}" if step.undo else f"cannot be undone: {step.cannot_undo}"
            lines.append(f"  {step.id}  {step.call.action} {step.call.target} {json.dumps(step.call.args)}  ({undo})")
    for result in incident.results:
        lines.append(
            f"  did {result.action} {result.target}: {result.outcome} in {result.seconds:.1f} s: {result.summary}"
        )
    if incident.brief:
        lines += ["", "Brief"]
        lines += [f"  {s.text}  [{', '.join(s.evidence)}]" for s in incident.brief.sentences()]
        lines += [f"  Model: {incident.brief.model_use}"] if incident.brief.model_use else []
    if incident.outputs:
        ended = f", result {incident.run_result}" if incident.run_result else ""
        lines += ["", f"Outputs ({incident.phase}, {incident.runtime}{ended})"]
        lines += [f"  {o.at:%H:%M:%S}  {o.type:<5}  {o.kind:<12}  sha256 {o.sha256}" for o in incident.outputs]
    lines += ["", "Timeline", *[f"  {e.at:%H:%M:%S}  {e.text}" for e in incident.timeline]]
    return lines


def diagnosis_lines(diagnosis: Diagnosis, most: int = 5) -> list[str]:
    """Verdict, hypotheses with evidence for and against, next probes, blind spots, and what a model made of it."""
    excerpts = {e.id: f"{e.source}: {e.excerpt}" for e in diagnosis.evidence}
    lines = [f"Verdict: {diagnosis.verdict} ({diagnosis.confidence:.2f}) {diagnosis.summary}"]
    for h in diagnosis.hypotheses[:most]:
        lines += hypothesis_lines(h, excerpts)
    if diagnosis.blast_radius.services:
        users = f"; {diagnosis.blast_radius.users}" if diagnosis.blast_radius.users else ""
        lines.append(f"  Affected: {', '.join(diagnosis.blast_radius.services)}{users}")
    lines += [f"  next: {p.probe} on {p.service}: {p.refutes}" for p in diagnosis.next_probes[:5]]
    lines += [f"  not seen: {b}" for b in [*diagnosis.blind_spots[:5], *diagnosis.unseen]]
    return lines + (second_opinion_lines(diagnosis.second_opinion) if diagnosis.second_opinion else [])


def hypothesis_lines(h: Hypothesis, excerpts: Mapping[str, str]) -> list[str]:
    """One cause: for, against, what tells it apart, what would prove it wrong."""
    held = f", only {h.by} holds it" if h.by else ""
    lines = [f"  {h.rank}. {h.statement}  ({h.service}, {h.fault_class or 'unclassified'}, {h.confidence:.2f}{held})"]
    lines += [f"       for  {e}  {excerpts.get(e, '')}" for e in h.evidence[:6]]
    lines += [f"       but  {e}  {excerpts.get(e, '')}" for e in h.against[:4]]
    lines += [f"       tell it apart  {e}  {excerpts.get(e, '')}" for e in h.apart]
    return [*lines, *([f"       to prove it wrong: {h.falsify}"] if h.falsify else [])]


def second_opinion_lines(second: SecondOpinion) -> list[str]:
    """Who, what it said for and against the first cause, what was dropped, what it has cost."""
    engine = f"the engine alone said {second.engine_verdict} ({second.engine_confidence:.2f})"
    lines = [f"Second opinion by {second.by}; {engine}"]
    lines += [f"  for      {s.text}  [{', '.join(s.evidence)}]" for s in second.speaks_for]
    lines += [f"  against  {s.text}  [{', '.join(s.evidence)}]" for s in second.speaks_against]
    lines += [f"  dropped  {d}" for d in second.dropped]
    lines += [f"  missing  rules stand in for {second.fell_back}"] if second.fell_back else []
    return [*lines, f"  used     {second.usage.words()}"]
