"""`firebreak investigate BUNDLE`: the same engine as for live incidents, on a folder or archive."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.incident import diagnosis_lines
from cli.output import note, print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from agents.perception.history import History
    from domain.bundle import Bundle
    from domain.diagnosis import Diagnosis
    from domain.reasoning import Reasoner

RUNBOOKS = Path(__file__).resolve().parents[1] / "runbooks"
"""The runbooks that ship with the product."""


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("investigate")(investigate)


def investigate(
    bundle: Annotated[Path, typer.Argument(help="Incident bundle: a folder or a .tar.gz.")],
    history: Annotated[Path | None, typer.Option(help="Folder of labelled past incidents to learn from.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a report, one HTML file.")] = None,
    model: Annotated[
        bool,
        typer.Option("--model", help="Also ask the configured model; redacted evidence leaves this machine for it."),
    ] = False,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print exactly what a model would be sent, and send nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Diagnose an incident bundle offline: no home, no key, no network, unless you ask for a model.

    Example: firebreak investigate incident.tar.gz --report incident.html
    """
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
    if show_prompt:
        _show(read, past, as_json)
        return
    diagnosis = look(read, past, _model() if model else None)
    if report is not None:
        _write(report, read, diagnosis)
    if as_json:
        print_json(diagnosis.model_dump(mode="json"))
        return
    for line in diagnosis_lines(diagnosis):
        say(line)


def look(bundle: Bundle, past: History | None, reasoner: Reasoner | None) -> Diagnosis:
    """One look with the shipped runbooks and the bundle's own documents at hand."""
    from agents.investigator import Investigator
    from rag.leaflet import leaflet_of

    shelf = leaflet_of(RUNBOOKS, bundle.documents)
    probes = _probe_names() if reasoner is not None else ()
    return asyncio.run(Investigator(retriever=shelf, reasoner=reasoner, probes=probes, history=past).look(bundle))


def _probe_names() -> tuple[str, ...]:
    from tools.probes.runner import PROBES

    return tuple(p.name for p in PROBES)


def _model() -> Reasoner:
    from cli.model import configured_model

    return configured_model()


def _show(bundle: Bundle, past: History | None, as_json: bool) -> None:
    from cli.model import shown_model

    shown = shown_model()
    look(bundle, past, shown)
    if as_json:
        asked = [{"role": role, "messages": [{"role": r, "content": c} for r, c in rows]} for role, rows in shown.asked]
        print_json({"prompts": asked})
        return
    for role, rows in shown.asked:
        for speaker, text in rows:
            say(f"--- {role}: {speaker}")
            say(text)


def _write(report: Path, bundle: Bundle, diagnosis: Diagnosis) -> None:
    from cli.report import render

    try:
        report.write_text(render(bundle, diagnosis), encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(
            "The report cannot be written.", expected="a file in a folder that exists", found=str(error)
        ) from error
    note(f"report: {report}")
