"""`firebreak agent run`: a task card for the manager agent, which chooses and runs skills stage by stage."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from cli.skill_live import patient_get, write_report
from cli.stages import Model, PlannerModel, PlannerUrl, Verifier, VerifierModel, planner_of, verifier_of

app = typer.Typer(help="Give the manager agent a task.")
POLL_S = 0.5


@app.callback()
def group() -> None:
    """Give the manager agent a task."""


@app.command("run")
def run(
    card: Annotated[Path, typer.Option("--task-card", help="What is wanted (docs/task-card.schema.json).")],
    target: Annotated[str, typer.Argument(help="Service that it is about; the card's workload when unsaid.")] = "",
    stages: Annotated[
        list[str] | None, typer.Option("--stages", help="detection, diagnosis, recovery; may be given several times.")
    ] = None,
    most: Annotated[int, typer.Option("--max-skills-per-stage", min=1, max=8)] = 2,
    planner: Annotated[str, typer.Option(help="heuristic, or llm (rules step in, and say so).")] = "",
    planner_model: PlannerModel = "",
    planner_base_url: PlannerUrl = "",
    verifier: Verifier = "",
    verifier_model: VerifierModel = "",
    model: Model = "",
    allow_mutation: Annotated[bool, typer.Option("--allow-mutation", help="Recovery may change something.")] = False,
    report_out: Annotated[Path | None, typer.Option("--report-out", help="Write the report to this file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose skills for a task card and run them: looks for real, recovery dry unless --allow-mutation.

    Exit code 3 when a recovery failed, 4 when it was blocked.
    Example: firebreak agent run --task-card docs/examples/task-card.yaml --report-out report.json
    """
    from skills.card import load_card

    wanted = load_card(card).model_dump(mode="json") | ({"workload": target} if target else {})
    mission: dict[str, Any] = {
        "card": wanted,
        "max_skills_per_stage": most,
        **planner_of(planner, planner_model or model, planner_base_url),
        **verifier_of(verifier, verifier_model or model),
        "allow_mutation": allow_mutation,
    }
    chosen = [word for part in stages or [] for word in part.replace(",", " ").split()]
    with connect(SESSION.home) as client:
        begun = client.post("/api/missions", mission | ({"stages": chosen} if chosen else {}))
        while not (report := patient_get(client, f"/api/missions/{begun['id']}"))["ended_at"]:
            time.sleep(POLL_S)
    if report_out is not None:
        write_report(report_out, report)
    if as_json:
        print_json(report)
    else:
        for line in lines(report):
            say(line)
    if report["status"] in ("failed", "blocked"):
        raise typer.Exit(int(Exit.FINDING if report["status"] == "failed" else Exit.APPROVAL))


def lines(report: dict[str, Any]) -> list[str]:
    """A report for a person."""
    rows = [f"{report['id']}  {report['mission']['card']['name']}: {report['status'].replace('_', ' ')}"]
    rows += [f"  {stage:<10} chosen by {by}" for stage, by in report["planned_by"].items()]
    rows += [
        f"  {c['stage']:<10} {c['skill']}: {c['status'] or 'not run'} ({c['why']}) {c['text']}"
        for c in report["chosen"]
    ]
    return rows + [f"  note: {note}" for note in report["notes"]]
