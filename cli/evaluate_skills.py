"""`firebreak eval skills`: what skills are worth beside simple methods, on tasks whose obvious fix is wrong."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import note, print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError


def skills(
    mode: Annotated[str, typer.Option(help="fast (25 s to mend, 5 s watched) or paper (90 s, 15 s).")] = "fast",
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Attempts of each method at each task.")] = 3,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this one; may be given several times.")] = None,
    write: Annotated[Path | None, typer.Option(help="Also write the page there.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set every task, let ours, simple methods and ours without each part try it, and judge what they left.

    Runs on a small cluster of its own; breaks nothing of yours. Needs a clone of the source.

    Examples: firebreak eval skills --rounds 1
    firebreak eval skills --mode paper --write docs/skills-figures.md
    firebreak eval skills --task missing-image --task closed-path --json
    """
    campaign = _campaign()
    if mode not in campaign.MODES:
        raise ConfigError("there is no such mode", expected=", ".join(campaign.MODES), found=mode)
    known = [t.name for t in campaign.load_tasks(campaign.TASKS)]
    if unknown := [name for name in task or [] if name not in known]:
        raise ConfigError("there is no such task", expected=", ".join(known), found=", ".join(unknown))
    found = campaign.campaign(mode, rounds, only=task or [], tell=_telling(quiet=as_json))
    lines = campaign.page(found, mode, rounds)
    if write is not None:
        write.write_text("\n".join(lines) + "\n")
    if as_json:
        print_json(_document(found, mode, rounds))
    else:
        for line in lines:
            say(line)


def _campaign() -> Any:
    """The benchmark and its cluster are part of the source, not of what is installed."""
    try:
        return importlib.import_module("benchmarks.skills.campaign")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the benchmark is not here",
            expected="a clone of the source, installed with make install",
            found=f"no module {error.name}",
            hint="git clone, then firebreak eval skills there",
        ) from error


def _telling(*, quiet: bool) -> Any:
    def tell(row: Any) -> None:
        if not quiet:
            note(f"{row.method}, {row.task} {row.round}: {'ok' if row.success else row.why}")

    return tell


def _document(found: Any, mode: str, rounds: int) -> dict[str, Any]:
    from skills.evaluation.score import BEST, table

    return {
        "mode": mode,
        "rounds": rounds,
        "best_score": BEST,
        "methods": table(found.rows),
        "reviews": [tried.model_dump(mode="json") for tried in found.lessons],
        "rows": [row.model_dump(mode="json") | {"score": round(row.score, 3)} for row in found.rows],
    }
