"""`firebreak eval diagnosis DIR`: a folder of labelled bundles, measured beside the simple baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from agents.perception.history import History

app = typer.Typer(help="Measure.")


@app.callback()
def group() -> None:
    """Measure."""


@app.command("diagnosis")
def diagnosis(
    folder: Annotated[Path, typer.Argument(help="Folder of bundles with truth.json.")],
    history: Annotated[Path | None, typer.Option(help="Labelled past incidents to learn from.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Diagnose every bundle and print the measures with the baselines of the same run.

    Example: firebreak eval diagnosis bundles/ --history past-incidents/
    """
    from cli.scoring import score_folder

    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", expected="a folder of incident bundles", found=str(folder))
    table = score_folder(folder, history)
    if as_json:
        print_json(table.document())
    else:
        for line in table.lines():
            say(line)


def read_history(folder: Path, leave_out: str) -> History:
    """Labelled past incidents, without the case that is being diagnosed."""
    from cli.scoring import load_history

    return load_history(folder, leave_out)
