"""The commands of `firebreak skill` that talk to a running Firebreak: list, show, run, runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Column, Table

from cli.client import AppClient, connect
from cli.output import Exit, note, print_json, say
from cli.rehearsed import rehearsal_lines
from cli.session import SESSION, JsonFlag
from cli.skill_author import SHIPPED
from cli.stages import Model, Verifier, VerifierModel, service_named, verifier_of
from domain.errors import ConfigError, UpstreamError

if TYPE_CHECKING:
    from skills.shelf import Shelf
    from skills.store import SkillStore

POLL_S = 0.4
PATIENCE = 8
"""Looks at a busy app before it counts as away."""
Name = Annotated[str, typer.Argument(help="A skill's name, as `firebreak skill list` prints it.")]
_MARKS = {True: "holds", False: "does not hold", None: "cannot tell"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("list", list_skills), ("show", show), ("run", run), ("runs", runs)):
        app.command(name)(command)


def list_skills(as_json: JsonFlag = False) -> None:
    """List what can be run, how far each is trusted, and its record here; from disk where nothing runs.

    Example: firebreak skill list --json
    """
    document = _asked("/api/skills", _listed)
    if as_json:
        print_json({"skills": document["skills"]})
        return
    table = Table(Column("name", no_wrap=True), "version", "stage", "trust", "for", "record")
    for row in document["skills"]:
        classes = " ".join(row["fault_classes"])
        table.add_row(row["name"], row["version"], row["stage"], row["trust"], classes, record_of(row["track"]))
    Console().print(table)


def show(skill: Name, as_json: JsonFlag = False) -> None:
    """Show a skill: prose, procedure, history. Hidden checks are counted, never shown.

    Example: firebreak skill show hung-process
    """
    document = _asked(f"/api/skills/{skill}", lambda shelf, store: _shown(skill, shelf, store))
    if as_json:
        print_json(document)
        return
    row = document["row"]
    say(f"{row['name']} {row['version']}  {row['trust']}  {row['digest']}")
    say(f"Record here, incidents included: {record_of(row['track'])}")
    say(document["prose"].strip())
    say("\n" + yaml.safe_dump(document["procedure"], sort_keys=False, width=110).strip())
    say(f"\n{document['hidden_checks']} hidden checks")
    for rehearsal in document["rehearsals"]:
        for line in rehearsal_lines(rehearsal):
            say(line)
    for standing in document["history"]:
        say(
            f"{standing['at'][:19]}  {standing['version']} {standing['trust']} by {standing['by']}: {standing['reason']}"
        )


def _asked(path: str, from_disk: Callable[[Shelf, SkillStore], dict[str, Any]]) -> dict[str, Any]:
    """What the app of the home says; where none was started, what stands on disk."""
    if (SESSION.home.run / "ports.json").exists():
        with connect(SESSION.home) as client:
            return client.get(path)
    from skills.shelf import Shelf
    from skills.store import SkillStore

    folder = SESSION.home.path / "skills"
    note(f"No Firebreak runs in {SESSION.home.path}: this is what is shipped and what that folder remembers.")
    return from_disk(
        Shelf(folder / "library", SHIPPED), SkillStore(folder, SESSION.home.path / "secrets" / "skill-signing.key")
    )


def _listed(shelf: Shelf, store: SkillStore) -> dict[str, Any]:
    from skills.listing import listed

    return {"skills": [row.model_dump(mode="json") for row in listed(shelf, store)]}


def _shown(name: str, shelf: Shelf, store: SkillStore) -> dict[str, Any]:
    from skills.listing import shown

    return shown(*shelf.procedure(name), store).model_dump(mode="json")


def run(
    skill: Name,
    target: Annotated[str, typer.Argument(help="The service it is about; the skill's default when unsaid.")] = "",
    given: Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value; the value is YAML.")] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this it is a dry run.")] = False,
    allow_mutation: Annotated[bool, typer.Option("--allow-mutation", help="It may change something.")] = False,
    verifier: Verifier = "",
    verifier_model: VerifierModel = "",
    model: Model = "",
    report_out: Annotated[
        Path | None, typer.Option("--report-out", help="Write the whole report to this file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a skill on the live home: dry (would change, no change, cannot tell) unless --execute.

    Every change passes the guard. Exit code 3 when it did not keep its promise, 4 when it is blocked or waits for a person.
    Example: firebreak skill run hung-process api --execute --allow-mutation
    """
    order = {
        "skill": skill,
        "target": service_named(target),
        "parameters": parameters(given or []),
        "execute": execute,
        "allow_mutation": allow_mutation,
        **verifier_of(verifier, verifier_model or model),
    }
    with connect(SESSION.home) as client:
        report = follow(client, str(client.post("/api/skill-runs", order)["id"]), quiet=as_json)
    if report_out is not None:
        write_report(report_out, report)
    if as_json:
        print_json(report)
    else:
        for line in report_lines(report):
            say(line)
    leave(report)


def runs(
    skill: Annotated[str, typer.Option(help="Only of this skill.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """List runs of the live home, newest first.

    Example: firebreak skill runs --skill hung-process
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/skill-runs", skill=skill or None)
    if as_json:
        print_json({"runs": document["runs"]})
        return
    if not document["runs"]:
        say("No run yet. Start with a dry one: firebreak skill run NAME")
        return
    whole = (Column(name, no_wrap=True) for name in ("id", "skill", "status"))
    table = Table(*whole, *(Column(name, overflow="fold") for name in ("signature", "where", "started")))
    for row in document["runs"]:
        signature = (row["failure"] or {}).get("signature", "")
        where = row["incident"] or ("rehearsal" if row["rehearsal"] else "ordered")
        started = row["started_at"][:16].replace("T", " ")
        table.add_row(row["id"], row["order"]["skill"], row["status"], signature, where, started)
    Console().print(table)


def record_of(track: dict[str, Any]) -> str:
    """`3 of 4, 1 blocked`: of the runs that were carried out, those that kept the promise."""
    blocked = f", {track['blocked']} blocked" if track["blocked"] else ""
    return (f"{track['succeeded']} of {track['executed']}" if track["executed"] else "never run") + blocked


def parameters(given: list[str]) -> dict[str, Any]:
    """`name=value` pairs. Raises ConfigError."""
    found: dict[str, Any] = {}
    for pair in given:
        name, mark, text = pair.partition("=")
        if not mark:
            raise ConfigError("a parameter is not understood", expected="--param name=value", found=pair)
        try:
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"the parameter {name} is not YAML", found=str(error)[:100]) from error
    return found


def follow(client: AppClient, run_id: str, *, quiet: bool) -> dict[str, Any]:
    """Poll until the run ends or waits for a person."""
    said = 0
    while True:
        report = patient_get(client, f"/api/skill-runs/{run_id}")
        done = [s for s in report["steps"] if s["outcome"]]
        for step in done[said:] if not quiet else []:
            note(f"{step['name']}: {step['outcome']}. {step['summary']}")
        said = len(done)
        if report["status"] != "running":
            return report
        time.sleep(POLL_S)


def patient_get(client: AppClient, path: str) -> dict[str, Any]:
    """A look at something that goes on anyway: a busy app that does not answer is asked again for some seconds."""
    for _ in range(PATIENCE):
        try:
            return client.get(path)
        except UpstreamError:
            time.sleep(1.0)
    return client.get(path)


def write_report(file: Path, report: dict[str, Any]) -> None:
    """Raises ConfigError when the file cannot be written."""
    try:
        file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError("the report cannot be written", found=f"{file}: {error.strerror}") from error


def report_lines(report: dict[str, Any]) -> list[str]:
    """A report for a person."""
    where = f" in incident {report['incident']}" if report["incident"] else ""
    head = (
        f"{report['id']}  {report['order']['skill']} {report['version']} ({report['trust']}){where}: {report['status']}"
    )
    lines = [f"{head} — {report['answer'].replace('_', ' ')}" if report["answer"] else head]
    for word, part in (("precondition", "preconditions"), ("criterion", "visible"), ("hidden", "hidden")):
        lines += [f"  {word} {s['name']} {_MARKS[s['holds']]}: {s['text']}" for s in report[part]]
    if report["budget"]:
        spent = sum(p["weight"] * p["amount"] for p in report["budget"]["parts"])
        lines.append(f"  risk {spent:.2f} of {report['budget']['limit']:g}")
    lines += [f"  gate: {reason}" for reason in (report["gate"] or {}).get("reasons", [])]
    lines += [_step_line(s) for s in report["steps"]]
    if report["failure"]:
        lines.append(f"  {report['failure']['signature']}: {report['failure']['text']}")
    if report["edit"]:
        lines += [f"  proposed: {report['edit']['summary']}", *report["edit"]["diff"].splitlines()]
    lines += [f"  verified by {report['verifier']}"] if report["visible"] else []
    return lines + [f"  doubt: {d}" for d in report["doubts"]] + [f"  note: {n}" for n in report["notes"]]


def _step_line(step: dict[str, Any]) -> str:
    call = f"{step['call']['action']} {step['call']['target']}"
    if step["outcome"]:
        back = {True: ", taken back", False: ", could not be taken back", None: ""}[step["taken_back"]]
        return f"  step {step['name']} ({call}): {step['outcome']}{back}. {step['summary']}"
    would = f"{(step['dry_run'] or 'cannot_tell').replace('_', ' ')}: {step['would'] or step['summary']}"
    asked = "; waits for approval " + step["approval"] if step["approval"] else ""
    return f"  step {step['name']} ({call}): {step['verdict'] or 'not judged'}, {would}{asked}"


def leave(report: dict[str, Any]) -> None:
    """The exit code of a run."""
    code = {
        "succeeded": Exit.OK,
        "not_found": Exit.OK,
        "dry_run": Exit.OK,
        "blocked": Exit.APPROVAL,
        "waiting": Exit.APPROVAL,
    }
    found = code.get(report["status"], Exit.FINDING)
    if found is not Exit.OK:
        raise typer.Exit(int(found))
