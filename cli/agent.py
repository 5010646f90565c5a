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
from cli.stages import Model, PlannerModel, PlannerUrl, Verifier, VerifierModel, planner_of, service_named, verifier_of
from domain.errors import ConfigError

app = typer.Typer(help="Give the manager agent a task.")
POLL_S = 0.5


@app.callback()
def group() -> None:
    """Give the manager agent a task."""


@app.command("run")
def run(
    card: Annotated[Path, typer.Option("--task-card", help="What is wanted (docs/task-card.schema.json).")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Service that it is about; the card's workload when unsaid."),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option("--stages", help="detection, diagnosis, recovery: several words, or with commas."),
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

    Exit code 3 when a recovery failed, or nothing was found and a look could not tell; 4 when it was blocked.
    Examples:  firebreak agent run --task-card docs/examples/task-card.yaml --report-out report.json
               firebreak agent run api --task-card card.yaml --stages detection diagnosis --max-skills-per-stage 3
    """
    from skills.card import load_card

    target, chosen = target_and_stages(words or [], stages or [])
    wanted = load_card(card).model_dump(mode="json") | ({"workload": target} if target else {})
    mission: dict[str, Any] = {
        "card": wanted,
        "max_skills_per_stage": most,
        **planner_of(planner, planner_model or model, planner_base_url),
        **verifier_of(verifier, verifier_model or model),
        "allow_mutation": allow_mutation,
    }
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
    code = {"failed": Exit.FINDING, "unknown": Exit.FINDING, "blocked": Exit.APPROVAL}.get(report["status"])
    if code is not None:
        raise typer.Exit(int(code))


def target_and_stages(words: list[str], stages: list[str]) -> tuple[str, list[str]]:
    """Words after the first stage stand beside the target on the command line. Raises ConfigError for a second target."""
    from skills.schema import Stage

    known = [stage.value for stage in Stage]
    chosen = [word for part in stages for word in part.replace(",", " ").split()]
    chosen += [word for word in words if chosen and word in known]
    targets = [word for word in words if word not in chosen]
    if len(targets) > 1:
        hint = f"stages come after --stages: {', '.join(known)}"
        raise ConfigError("one service at a time", expected="one TARGET", found=", ".join(targets), hint=hint)
    return service_named(next(iter(targets), "")), chosen


def lines(report: dict[str, Any]) -> list[str]:
    """A report for a person."""
    rows = [f"{report['id']}  {report['mission']['card']['name']}: {report['status'].replace('_', ' ')}"]
    rows += [f"  {stage:<10} chosen by {by}" for stage, by in report["planned_by"].items()]
    rows += [
        f"  {c['stage']:<10} {c['skill']}: {c['status'] or 'not run'} ({c['why']}) {c['text']}"
        for c in report["chosen"]
    ]
    return rows + [f"  note: {note}" for note in report["notes"]]
