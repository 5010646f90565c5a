"""`firebreak investigate BUNDLE`: the same engine as for live incidents, on a folder or archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.incident import diagnosis_lines
from cli.output import note, print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.bundle import Bundle
    from domain.diagnosis import Diagnosis


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("investigate")(investigate)


def investigate(
    bundle: Annotated[Path, typer.Argument(help="Incident bundle: a folder or a .tar.gz.")],
    history: Annotated[Path | None, typer.Option(help="Folder of labelled past incidents to learn from.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a report, one HTML file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Diagnose an incident bundle offline: no home, no key, no network.

    Example: firebreak investigate incident.tar.gz --report incident.html
    """
    from agents.perception import diagnose
    from tools.bundle import read_bundle

    read = read_bundle(bundle)
    for problem in read.problems[:20]:
        note(problem)
    for remark in read.notes:
        note(f"note: {remark}")
    past = None
    if history is not None:
        from cli.evaluate import read_history

        past = read_history(history, leave_out=read.id)
    diagnosis = diagnose(read, history=past)
    if report is not None:
        _write(report, read, diagnosis)
    if as_json:
        print_json(diagnosis.model_dump(mode="json"))
        return
    for line in diagnosis_lines(diagnosis):
        say(line)


def _write(report: Path, bundle: Bundle, diagnosis: Diagnosis) -> None:
    from cli.report import render

    try:
        report.write_text(render(bundle, diagnosis), encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(
            "The report cannot be written.", expected="a file in a folder that exists", found=str(error)
        ) from error
    note(f"report: {report}")
