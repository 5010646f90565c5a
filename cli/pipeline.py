"""`firebreak pipeline …`: YAML pipelines, checked, drawn, run, resumed and answered."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from cli.client import AppClient, connect
from cli.output import Exit, note, print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError
from domain.pipeline import Pipeline

app = typer.Typer(help="Check, draw and run pipelines.")

POLL_S = 0.5
Source = Annotated[str, typer.Argument(help="A shipped pipeline's name, or a file.")]
RunId = Annotated[str, typer.Argument(help="Id of a run, as `firebreak pipeline runs` prints it.")]
Reason = Annotated[str, typer.Option(help="Why; goes to the ledger.")]


@app.command("validate")
def validate(source: Source, as_json: JsonFlag = False) -> None:
    """Check a pipeline without running it; exit code 3 when it must not run.

    Example: firebreak pipeline validate release.yaml
    """
    from graph.pipelines.catalogue import STAGE_TEMPLATES
    from graph.pipelines.checking import check_pipeline, missing_programs
    from graph.pipelines.reading import load_pipeline
    from tools.actions.catalogue import ACTIONS

    pipeline = load_pipeline(source)
    found = check_pipeline(pipeline, STAGE_TEMPLATES, {a.name: a.published() for a in ACTIONS})
    errors = [f for f in found if f.level == "error"]
    found += missing_programs(pipeline, STAGE_TEMPLATES)
    if as_json:
        rows = [f.model_dump(mode="json") for f in found]
        print_json({"pipeline": pipeline.name, "valid": not errors, "findings": rows})
    else:
        for finding in found:
            say(f"{finding.level}: {finding.stage}: {finding.text}")
        say(f"{pipeline.name} {pipeline.version}: {'must not run' if errors else 'may run'}, ceiling {pipeline.tier}")
    if errors:
        raise typer.Exit(int(Exit.FINDING))


@app.command("list")
def list_pipelines(as_json: JsonFlag = False) -> None:
    """List the pipelines that come with Firebreak.

    Example: firebreak pipeline list
    """
    from graph.pipelines.reading import load_pipeline, shipped

    found = [load_pipeline(name) for name in shipped()]
    if as_json:
        fields = {"name", "version", "tier", "description"}
        print_json({"pipelines": [p.model_dump(mode="json", include=fields) for p in found]})
        return
    for pipeline in found:
        say(f"{pipeline.name:<20} {pipeline.tier}  {pipeline.description}")


@app.command("templates")
def templates(as_json: JsonFlag = False) -> None:
    """List what an agent stage can be.

    Example: firebreak pipeline templates
    """
    from graph.pipelines.catalogue import STAGE_TEMPLATES

    rows = [
        {"name": t.name, "tier": t.tier.value, "summary": t.summary, "arguments": t.args.model_json_schema()}
        for t in STAGE_TEMPLATES.values()
    ]
    if as_json:
        print_json({"templates": rows})
        return
    for row in rows:
        say(f"{row['name']:<20} {row['tier']}  {row['summary']}")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of a pipeline file.

    Example: firebreak pipeline schema > pipeline.schema.json
    """
    say(json.dumps(Pipeline.model_json_schema(), indent=2))


@app.command("graph")
def graph(source: Source) -> None:
    """Draw a pipeline as a Mermaid graph, from the graph that would run.

    Example: firebreak pipeline graph incident-response > walk.mmd
    """
    from graph.pipelines.catalogue import STAGE_TEMPLATES
    from graph.pipelines.compiling import compile_pipeline
    from graph.pipelines.reading import load_pipeline
    from graph.pipelines.stages import Bindings
    from graph.studio import offline_services

    compiled = compile_pipeline(load_pipeline(source), STAGE_TEMPLATES, Bindings(services=offline_services()))
    say(compiled.get_graph().draw_mermaid())


@app.command("run")
def run(
    source: Source,
    given: Annotated[list[str] | None, typer.Option("--input", "-i", help="name=value; the value is YAML.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id and return at once.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a pipeline on the live home and follow it until it ends or waits for a person.

    Exit code 3 when it failed, 4 when it waits. Example: firebreak pipeline run chaos-drill --input fault=hang
    """
    from graph.pipelines.reading import load_pipeline

    document = load_pipeline(source).model_dump(mode="json", by_alias=True, exclude_unset=True)
    with connect(SESSION.home) as client:
        begun = client.post("/api/pipeline-runs", {"pipeline": document, "inputs": parsed_inputs(given or [])})
        found = begun if detach else follow(client, str(begun["id"]), quiet=as_json)
    show(found, as_json)
    leave(found, detach)


@app.command("runs")
def runs(as_json: JsonFlag = False) -> None:
    """List the runs of the live home, newest first.

    Example: firebreak pipeline runs --json
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/pipeline-runs")
    if as_json:
        print_json({"runs": document["runs"]})
        return
    if not document["runs"]:
        say("No run yet. Start one with: firebreak pipeline run default")
        return
    table = Table("id", "pipeline", "status", "stages", "by", "started")
    for row in document["runs"]:
        stages = str(len(row["stages"]))
        table.add_row(
            row["id"], row["pipeline"]["name"], row["status"], stages, row["started_by"], row["started_at"][:19]
        )
    Console().print(table)


@app.command("show")
def show_run(run_id: RunId, as_json: JsonFlag = False) -> None:
    """Show one run with its stages and open questions.

    Example: firebreak pipeline show RUN
    """
    with connect(SESSION.home) as client:
        show(client.get(f"/api/pipeline-runs/{run_id}"), as_json)


@app.command("answer")
def answer(
    run_id: RunId,
    stage: Annotated[str, typer.Argument(help="The waiting stage.")],
    decision: Annotated[str, typer.Argument(help="approve or reject; retry, skip or abort after a pause.")],
    reason: Reason = "",
    as_json: JsonFlag = False,
) -> None:
    """Answer a gate or a paused stage, in your own name.

    Example: firebreak pipeline answer pipe-1a2b people approve --reason "seen the diff"
    """
    with connect(SESSION.home) as client:
        path = f"/api/pipeline-runs/{run_id}/stages/{stage}"
        show(client.post(path, {"decision": decision, "reason": reason}), as_json)


@app.command("stop")
def stop(run_id: RunId, reason: Reason = "", as_json: JsonFlag = False) -> None:
    """Begin no further stage of a run.

    Example: firebreak pipeline stop RUN
    """
    with connect(SESSION.home) as client:
        show(client.post(f"/api/pipeline-runs/{run_id}/stop", {"reason": reason}), as_json)


def parsed_inputs(given: list[str]) -> dict[str, Any]:
    """`name=value` pairs; `@file` reads the value from a file. Raises ConfigError."""
    found: dict[str, Any] = {}
    for pair in given:
        name, mark, text = pair.partition("=")
        if not mark:
            raise ConfigError("an input is not understood", expected="--input name=value", found=pair)
        try:
            found[name] = yaml.safe_load(Path(text[1:]).read_text() if text.startswith("@") else text)
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"the input {name} cannot be read", expected="YAML or @file", found=str(error)) from error
    return found


def follow(client: AppClient, run_id: str, *, quiet: bool) -> dict[str, Any]:
    """Poll until the run ends or waits; says each stage as it ends."""
    said = 0
    while True:
        found = client.get(f"/api/pipeline-runs/{run_id}")
        ended = [s for s in found["stages"] if s["status"] != "running"]
        for row in ended[said:]:
            if not quiet:
                note(stage_line(row))
        said = max(said, len(ended))
        if found["status"] != "running":
            return found
        time.sleep(POLL_S)


def show(found: dict[str, Any], as_json: bool) -> None:
    """A run as JSON or for a person."""
    if as_json:
        print_json(found)
        return
    say(
        f"{found['id']}  {found['pipeline']['name']}: {found['status']}"
        + (f" ({found['error']})" if found["error"] else "")
    )
    for row in found["stages"]:
        say(f"  {stage_line(row)}")
    for question in found["waiting"]:
        say(f"  waits: {waiting_line(found['id'], question)}")


def stage_line(row: dict[str, Any]) -> str:
    """One stage in a line."""
    return f"{row['name']:<22} {row['status']}" + (f"  {row['error']}" if row["error"] else "")


def waiting_line(run_id: str, question: dict[str, Any]) -> str:
    """What is asked and how it is answered."""
    if "approval" in question:
        return f"approval {question['approval']}; answer it with firebreak incident approve, or on the approvals page"
    text = question.get("gate") or f"{question['stage']} failed: {question.get('paused', '')}"
    ways = "|".join(question.get("allowed", []))
    return f"{text}  firebreak pipeline answer {run_id} {question['stage']} {ways}"


def leave(found: dict[str, Any], detach: bool) -> None:
    """The exit code of a run."""
    if detach or found["status"] in ("running", "completed"):
        return
    raise typer.Exit(int(Exit.APPROVAL if found["status"] == "waiting" else Exit.FINDING))
