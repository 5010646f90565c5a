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
    on: Annotated[
        str, typer.Option(help="cluster (the small API server of the tests), local (a stack), or both.")
    ] = "cluster",
    mode: Annotated[str, typer.Option(help="fast (25 s to mend, 5 s watched) or paper (90 s, 15 s).")] = "fast",
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Attempts of each method at each task.")] = 3,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this one; may be given several times.")] = None,
    write: Annotated[Path | None, typer.Option(help="Also write the page there.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set every task, let ours, simple methods and ours without each part try it, and judge what they left.

    Runs on a small cluster or a stack of its own; breaks nothing of yours. Needs a clone of the source. On the local stack
    every attempt has a fresh stack and one runs at a time: about a minute each.

    Examples: firebreak eval skills --rounds 1
    firebreak eval skills --on both --mode paper --write docs/skills-figures.md
    firebreak eval skills --task missing-image --task closed-path --json
    firebreak eval skills --on local --task slow-route --rounds 1
    """
    campaign = _campaign()
    places = _places(on, campaign)
    if mode not in campaign.MODES:
        raise ConfigError("there is no such mode", expected=", ".join(campaign.MODES), found=mode)
    known = [t.name for place in places for t in campaign.load_tasks(campaign.TASKS[place])]
    if unknown := [name for name in task or [] if name not in known]:
        raise ConfigError("there is no such task", expected=", ".join(known), found=", ".join(unknown))
    tell = _telling(quiet=as_json)
    found = [campaign.campaign(place, mode, rounds, only=task or [], tell=tell) for place in places]
    lines = campaign.page(found, mode, rounds)
    if write is not None:
        write.write_text("\n".join(lines) + "\n")
    if as_json:
        print_json({"mode": mode, "rounds": rounds, **_document(found)})
    else:
        for line in lines:
            say(line)


def _places(on: str, campaign: Any) -> list[str]:
    """Which of the places. Raises ConfigError."""
    known = list(campaign.TASKS)
    if on not in (*known, "both"):
        raise ConfigError("there is no such place", expected=", ".join([*known, "both"]), found=on)
    return known if on == "both" else [on]


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


def _document(found: list[Any]) -> dict[str, Any]:
    """The first place's figures at the top, as they always stood; all of them by place."""
    from skills.evaluation.score import BEST, table

    rows = [row for one in found for row in one.rows]
    return {
        "best_score": BEST,
        "methods": table(found[0].rows),
        "places": {one.where: table(one.rows) for one in found},
        "reviews": [tried.model_dump(mode="json") for one in found for tried in one.lessons],
        "rows": [row.model_dump(mode="json") | {"score": round(row.score, 3)} for row in rows],
    }
