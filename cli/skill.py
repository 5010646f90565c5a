"""`firebreak skill …`: procedures that are tested like code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import skill_author, skill_exchange, skill_live, skill_rehearse, skill_trust
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from cli.skill_author import SHIPPED

app = typer.Typer(help="Check, run and read skills: typed operations procedures beside their prose.")

Paths = Annotated[
    list[Path] | None, typer.Argument(help="Skill folders, or folders of them; the shipped ones when unsaid.")
]
Config = Annotated[Path | None, typer.Option("--config", help="Inventory (firebreak.yaml) to check names against.")]


@app.command("validate")
def validate(paths: Paths = None, config: Config = None, as_json: JsonFlag = False) -> None:
    """Check skills: form, names, declared against inferred effects, undo, criteria that cannot fail, prose, digest.

    Every problem names file, line and what to do; exit code 3 when one forbids the skill's use.
    Example: firebreak skill validate runbooks/hung-process --config firebreak.yaml
    """
    from skills.validate import folders, usable
    from skills.validate import validate as look

    words = _vocabulary(config)
    found = [(folder, *look(folder, words)) for folder in folders(paths or [SHIPPED])]
    problems = [p for _, _, rows in found for p in rows]
    procedures = sum(package is not None and package.skill is not None for _, package, _ in found)
    if as_json:
        rows = [{"folder": str(f), "usable": usable(r), "procedure": bool(p and p.skill)} for f, p, r in found]
        print_json({"skills": rows, "problems": [p.model_dump(mode="json") for p in problems]})
    else:
        for problem in problems:
            say(problem.words())
        bad = sum(not usable(rows) for _, _, rows in found)
        skills = "1 skill" if len(found) == 1 else f"{len(found)} skills"
        say(f"{skills} ({procedures} with a procedure): {bad or 'none'} must not be used")
    if not usable(problems):
        raise typer.Exit(int(Exit.FINDING))


@app.command("pin")
def pin(paths: Paths = None, as_json: JsonFlag = False) -> None:
    """Write the digest of each procedure into its prose, after reading what changed.

    Example: firebreak skill pin runbooks/hung-process
    """
    from skills.folder import load
    from skills.pin import pin as write
    from skills.validate import folders

    packages = [load(folder) for folder in folders(paths or [SHIPPED])]
    pinned = {p.front.name: p.digest for p in packages if p.digest and write(p)}
    if as_json:
        print_json({"pinned": pinned})
        return
    for name, digest in pinned.items():
        say(f"{name}  {digest}")
    say(f"{len(pinned)} pinned" if pinned else "every procedure was pinned already")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of assets/skill.yaml, for editors.

    Example: firebreak skill schema > skill.schema.json
    """
    from skills.schema import Skill

    say(json.dumps(Skill.model_json_schema(), indent=2))


skill_live.register(app)
app.command("import")(skill_exchange.import_skill)
app.command("export")(skill_exchange.export_skill)
for _command in (
    skill_author.generate,
    skill_author.review,
    skill_rehearse.rehearse,
    skill_trust.promote,
    skill_trust.quarantine,
):
    app.command(_command.__name__)(_command)


def _vocabulary(config: Path | None) -> Any:
    from cli.config import load_inventory
    from skills.vocabulary import registered

    file = config or next((f for f in (SESSION.home.stack / "firebreak.yaml",) if f.exists()), None)
    return registered(load_inventory(file) if file else None)
