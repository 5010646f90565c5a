"""`firebreak skill generate | review`: from a task card to a skill, from failed runs to a proposed edit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from cli.output import Exit, note, print_json, say
from cli.session import SESSION, JsonFlag
from cli.stages import Model, OptimizerModel, engine, mind_of
from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.inventory import Inventory
    from skills.report import Report

SHIPPED = Path(__file__).resolve().parents[1] / "runbooks"
Config = Annotated[Path | None, typer.Option("--config", help="Inventory; the running stack's when unsaid.")]


def generate(
    card: Annotated[Path, typer.Argument(help="Task card (docs/task-card.schema.json).")],
    out: Annotated[Path, typer.Argument(help="Folder in which the skill's own folder is made.")],
    generator: Annotated[str, typer.Option(help="template, or llm (the template steps in, and says so).")] = "",
    model: Model = "",
    config: Config = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a skill for a task card: prose, procedure, hidden checks, pinned. Nothing invalid stays on disk.

    Example: firebreak skill generate docs/examples/task-card.yaml my-skills
    """
    from skills.card import load_card
    from skills.generate import generate as draft_for
    from skills.generate import put
    from skills.vocabulary import registered

    by, inventory = engine(generator, model), inventory_of(config)
    words, wanted = registered(inventory), load_card(card)
    draft = asyncio.run(draft_for(wanted, by, words, inventory, mind_of(by, model, inventory)))
    problems = put(draft, out, words, expected=wanted.expected, diagnosis=wanted.diagnosis)
    folder = out / draft.skill.name
    if as_json:
        rows = [p.model_dump(mode="json") for p in problems]
        print_json({"folder": str(folder), "by": draft.by, "notes": list(draft.notes), "problems": rows})
    else:
        for line in (*draft.notes, *(p.words() for p in problems)):
            note(line)
        say(f"nothing was kept: {len(problems)} problems" if problems else f"{folder} (by {draft.by})")
    if problems:
        raise typer.Exit(int(Exit.FINDING))


def review(
    reports: Annotated[list[Path] | None, typer.Argument(help="Reports that `skill run --report-out` wrote.")] = None,
    runs_of: Annotated[
        str, typer.Option("--runs-of", help="All that the live home remembers of this skill, instead of reports.")
    ] = "",
    optimizer: Annotated[str, typer.Option(help="rules, or llm (rules step in, and say so).")] = "",
    optimizer_model: OptimizerModel = "",
    model: Model = "",
    shelf: Annotated[
        Path | None, typer.Option("--skills", help="Folder of the skills; the shipped ones when unsaid.")
    ] = None,
    config: Config = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose one structural edit for the runs that failed: a diff with its provenance. Nothing is changed.

    Take it with: firebreak skill review REPORT | patch -p1 -d runbooks, then firebreak skill pin.
    Example: firebreak skill review --runs-of hung-process --optimizer rules
    """
    from skills.review import review as propose
    from skills.shelf import Shelf
    from skills.vocabulary import registered

    found = _remembered(runs_of) if runs_of else [_report(file) for file in reports or []]
    names = {r.order.skill for r in found}
    if len(names) != 1:
        told = ", ".join(sorted(names)) or "no report"
        raise ConfigError("there must be reports of one skill", expected="REPORT…, or --runs-of SKILL", found=told)
    library = SESSION.home.path / "skills" / "library"
    package, skill = Shelf(*([shelf] if shelf else []), library, SHIPPED).procedure(names.pop())
    by, inventory = engine(optimizer, optimizer_model or model), inventory_of(config)
    mind = mind_of(by, optimizer_model or model, inventory)
    answer = asyncio.run(propose(package, skill, found, registered(inventory), by, mind))
    if as_json:
        print_json({"edit": answer.edit.model_dump(mode="json") if answer.edit else None, "notes": list(answer.notes)})
        return
    for line in answer.notes:
        note(line)
    if answer.edit is None:
        note("no edit is proposed")
        return
    note(f"{answer.edit.summary} (by {answer.edit.by}, from {', '.join(answer.edit.runs)})")
    say(answer.edit.diff.rstrip())


def inventory_of(config: Path | None) -> Inventory:
    """The named inventory, or the one of the home's stack. Raises ConfigError."""
    from cli.config import load_inventory

    file = config or SESSION.home.stack / "firebreak.yaml"
    if config is None and not file.exists():
        raise ConfigError(
            "there is no inventory to name services from",
            expected="--config firebreak.yaml, or a home with a stack",
            found="neither",
            hint="firebreak config example > firebreak.yaml writes one to start from",
        )
    return load_inventory(file)


def _remembered(skill: str) -> list[Report]:
    """What the running home keeps of a skill's runs, newest first; rehearsals are not the field."""
    from cli.client import connect
    from skills.report import Report

    with connect(SESSION.home) as client:
        rows = client.get("/api/skill-runs", skill=skill)["runs"]
    return [r for r in map(Report.model_validate, rows) if not r.rehearsal and r.status.ended]


def _report(file: Path) -> Report:
    from skills.report import Report

    try:
        document: dict[str, Any] = json.loads(file.read_text())
        return Report.model_validate({k: v for k, v in document.items() if k in Report.model_fields})
    except (OSError, ValueError, ValidationError, AttributeError) as error:
        raise ConfigError(
            f"{file} is no report of a skill run",
            expected="what firebreak skill run --report-out writes",
            found=" ".join(str(error).split())[:200],
        ) from error
