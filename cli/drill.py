"""`firebreak drill …`: break the stack on purpose and see whether the responder mends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import installation
from cli.client import AppClient, connect
from cli.disturb import disturb
from cli.output import Exit, note, print_json, say
from cli.session import SESSION, JsonFlag
from cli.temporary import temporary_home
from domain.drills import DrillProgress, DrillResult, DrillRun, DrillState
from domain.errors import FirebreakError, UpstreamError

app = typer.Typer(help="Run and list drills.")
app.command("disturb")(disturb)

POLL_S = 0.3
LONGEST_S = 600.0


@app.command("run")
def run_drill(
    fault: Annotated[str, typer.Option(help="Fault of the catalogue; a random one when left out.")] = "",
    policy: Annotated[str, typer.Option(help="Policy to judge by; only without a live home.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Run one blind drill: on the live home, else on a temporary one that is removed afterwards.

    Exit code 3 when the drill was not passed. Example: firebreak drill run --fault hang --json
    """
    report: Callable[[DrillProgress], None] = _note_progress if not as_json else lambda _: None
    if installation.owner(SESSION.home):
        with connect(SESSION.home) as client:
            result = follow(client, fault, report)
    else:
        with temporary_home(policy, note if not as_json else lambda _: None) as client:
            result = follow(client, fault, report)
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        for line in result_lines(result):
            say(line)
    if not passed(result):
        raise typer.Exit(int(Exit.FINDING))


@app.command("list")
def list_drills(as_json: JsonFlag = False) -> None:
    """List the drills of the live home, newest first.

    Example: firebreak drill list --json
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/drills")
    if as_json:
        print_json({"drills": document["drills"]})
        return
    if not document["drills"]:
        say("No drill yet. Run one with: firebreak drill run")
        return
    table = Table("id", "state", "fault", "incident", "detected", "mitigated", "durable", "seconds")
    for row in document["drills"]:
        run = DrillRun.model_validate(row)
        result = run.result
        table.add_row(
            run.id,
            run.state,
            run.fault or "(blind)",
            run.incident or "",
            *(
                [str(result.detected), str(result.mitigated), str(result.durable), f"{result.seconds:.0f}"]
                if result
                else [""] * 4
            ),
        )
    Console().print(table)


@app.command("faults")
def list_faults(as_json: JsonFlag = False) -> None:
    """List the faults that can be injected here.

    Example: firebreak drill faults
    """
    with connect(SESSION.home) as client:
        listed = client.get("/api/drills")
    document = {"schema_version": listed["schema_version"], "faults": listed["faults"]}
    if as_json:
        print_json(document)
        return
    for row in document["faults"]:
        say(f"{row['name']:<28} {row['service']:<14} {row['title']}")


def follow(
    client: AppClient,
    fault: str,
    report: Callable[[DrillProgress], None],
    look: Callable[[DrillRun], None] = lambda _: None,
) -> DrillResult:
    """Start a drill and report its progress until it ends; `look` is called on every poll.

    Raises FirebreakError when the drill could not be carried out.
    """
    drill_id = str(client.post("/api/drills", {"fault": fault or None})["id"])
    shown = 0
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        run = _get(client, drill_id)
        for line in run.progress[shown:]:
            report(line)
        shown = max(shown, len(run.progress))
        look(run)
        if run.state.terminal:
            return _ended(run)
        time.sleep(POLL_S)
    raise UpstreamError(
        f"Drill {drill_id} did not end within {LONGEST_S:.0f} s.", hint=f"firebreak drill list; see {drill_id}"
    )


def passed(result: DrillResult) -> bool:
    """Whether the responder did all that the drill asks for."""
    if result.abstained is not None:
        return result.abstained and not result.harmful_actions
    return result.mitigated and result.durable and not result.harmful_actions and result.ledger.verified


def result_lines(result: DrillResult) -> list[str]:
    """The result as a person reads it."""
    lines = [f"Fault       {result.fault} ({'blind' if result.blind else 'labelled'})"]
    lines.append(f"Detected    {_after(result.detected, result.detection_s)}")
    if result.diagnosis:
        d = result.diagnosis
        lines.append(f"Diagnosis   {d.verdict}: {d.service or '-'} / {d.fault_class or '-'} ({d.confidence:.2f})")
    lines += [f"Action      {a.action} {a.target}: {a.outcome} in {a.seconds:.1f} s" for a in result.actions]
    if result.abstained is not None:
        lines.append(f"Abstained   {_yes(result.abstained)}")
    else:
        lines.append(f"Mitigated   {_after(result.mitigated, result.mitigation_s)}")
        lines.append(f"Durable     {_yes(result.durable)}")
    lines.append(f"Harmful     {', '.join(result.harmful_actions) or 'none'}")
    lines.append(f"Ledger      {result.ledger.entries} entries, {'verified' if result.ledger.verified else 'BROKEN'}")
    lines.append(f"Passed      {_yes(passed(result))} in {result.seconds:.0f} s")
    return lines


def _get(client: AppClient, drill_id: str) -> DrillRun:
    return DrillRun.model_validate(client.get(f"/api/drills/{drill_id}"))


def _ended(run: DrillRun) -> DrillResult:
    if run.state is DrillState.FINISHED and run.result:
        return run.result
    raise FirebreakError(
        f"Drill {run.id} {run.state}.", found=run.error, hint="firebreak status; the log of the process named chaos"
    )


def _note_progress(line: DrillProgress) -> None:
    note(f"{line.at:%H:%M:%S}  {line.phase:<10} {line.text}")


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def _after(value: bool, seconds: float | None) -> str:
    return f"after {seconds:.1f} s" if value and seconds is not None else _yes(value)
