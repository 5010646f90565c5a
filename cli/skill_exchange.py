"""`firebreak skill import | export`: procedures from elsewhere, and ours for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Exit, note, print_json, say
from cli.session import JsonFlag
from cli.skill_author import SHIPPED, Config, inventory_of
from domain.errors import ConfigError

FORMS = ("agentskills", "commands", "workflow")
Form = Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMS)}.")]


def import_skill(
    source: Annotated[Path, typer.Argument(help="A skill's folder, a list of commands, or a workflow in YAML.")],
    out: Annotated[Path, typer.Argument(help="Folder in which the skill's own folder is made.")],
    form: Form = "agentskills",
    name: Annotated[str, typer.Option(help="Name of the skill (commands, workflow).")] = "",
    intent: Annotated[str, typer.Option(help="What it is for (commands, workflow).")] = "",
    host: Annotated[str, typer.Option(help="Service with a host binding that it runs on (commands, workflow).")] = "",
    done_when: Annotated[
        list[str] | None, typer.Option("--done-when", help="A command whose exit code says that it is done.")
    ] = None,
    config: Config = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a procedure over, as far as its meaning is clear; nothing invalid stays on disk.

    Effects are inferred, shell text is refused, and something must say when it is done.
    Example: firebreak skill import steps.txt my-skills --format commands --name restart-shop --host box --intent "..."
    """
    from skills.exchange import Wanted, drafted, taken_over
    from skills.generate import put
    from skills.lines import command_list
    from skills.validate import usable, validate
    from skills.vocabulary import registered
    from skills.workflow import workflow

    words = registered(inventory_of(config))
    if _known(form) == "agentskills":
        problems, notes = taken_over(*validate(source, words), out)
    else:
        if not (name and intent and host):
            raise ConfigError("a list of commands does not say what it is", expected="--name, --intent and --host")
        lines = command_list(source) if form == "commands" else workflow(source)
        draft = drafted(lines, Wanted(name=name, intent=intent, host=host, done_when=tuple(done_when or ())))
        problems, notes = put(draft, out, words, expected=intent), list(draft.notes)
    if as_json:
        print_json(
            {
                "imported": usable(problems),
                "notes": notes,
                "problems": [p.model_dump(mode="json") for p in problems],
            }
        )
    else:
        for text in (*notes, *(p.words() for p in problems)):
            note(text)
        say(f"imported into {out}" if usable(problems) else f"nothing was kept: {len(problems)} problems")
    if not usable(problems):
        raise typer.Exit(int(Exit.FINDING))


def export_skill(
    skill: Annotated[str, typer.Argument(help="A skill's name.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    form: Form = "agentskills",
    shelf: Annotated[
        Path | None, typer.Option("--skills", help="Folder of the skills; the shipped ones when unsaid.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a skill for others.

    Example: firebreak skill export hung-process /tmp/out
    """
    from skills.exchange import exported
    from skills.shelf import Shelf

    files = exported(*Shelf(*([shelf] if shelf else []), SHIPPED).procedure(skill), _known(form), out)
    if as_json:
        print_json({"files": [str(f) for f in files]})
    else:
        for file in files:
            say(str(file))


def _known(form: str) -> str:
    if form not in FORMS:
        raise ConfigError("there is no such format", expected=", ".join(FORMS), found=form)
    return form
