"""`firebreak eval diagnosis DIR`: a folder of labelled bundles, measured beside the simple baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import evaluate_contracts, evaluate_skills
from cli.output import print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from agents.perception.history import History
    from cli.scoring import Scores
    from domain.reasoning import Reasoner

app = typer.Typer(help="Measure diagnosis, skills and contracts on labelled cases.")

EXAMPLES = """Examples:

  firebreak eval diagnosis cases/

  firebreak eval diagnosis cases/ --fault-free --ablation

  firebreak eval diagnosis cases/ --folds 5 --plot curve.svg --json

  firebreak eval diagnosis cases/ --model
"""


@app.callback()
def group() -> None:
    """Measure diagnosis, skills and contracts on labelled cases."""


@app.command("diagnosis", epilog=EXAMPLES)
def diagnosis(
    folder: Annotated[Path, typer.Argument(help="Folder of bundles with truth.json.")],
    history: Annotated[Path | None, typer.Option(help="Labelled past incidents to learn from.")] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Measure all, each with the other folds as its past; 0: as the splits say.")
    ] = 0,
    fault_free: Annotated[
        bool, typer.Option("--fault-free", help="Also windows without a fault, cut from the normal times.")
    ] = False,
    ablation: Annotated[bool, typer.Option("--ablation", help="Again without each source and each method.")] = False,
    model: Annotated[
        bool, typer.Option("--model", help="Also with the configured model beside it, and what each case costs.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Write the reliability curve as SVG.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Diagnose every bundle and print the measures with the baselines of the same run.

    Example: firebreak eval diagnosis bundles/ --history past-incidents/
    """
    from cli.scoring import score_folder

    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", expected="a folder of incident bundles", found=str(folder))
    if plot is not None and plot.suffix != ".svg":
        raise ConfigError("The plot is an SVG.", expected="a file name that ends in .svg", found=plot.name)
    reasoner = _model() if model else None
    scores = score_folder(folder, history, folds=folds, quiet=fault_free, ablation=ablation, reasoner=reasoner)
    if plot is not None:
        from agents.perception.scorecard import curve_svg, reliability

        plot.write_text(curve_svg(reliability(scores.outcomes)))
    if as_json:
        print_json(scores.document())
    else:
        for line in report(scores):
            say(line)


def _model() -> Reasoner:
    from cli.model import configured_model

    return configured_model()


def report(scores: Scores) -> list[str]:
    """The measures as a person reads them: table, intervals, classes, reliability, ablation, misses."""
    from agents.perception.evaluate import Table

    document = scores.document()
    lines = [*scores.table.lines(), "", "95 % intervals (bootstrap over cases)"]
    lines += [f"  {name:<12} {low:.3f} – {high:.3f}" for name, (low, high) in document["intervals"].items()]
    if document["classes"]:
        rows = {str(r["class"]): {k: float(v) for k, v in r.items() if k != "class"} for r in document["classes"]}
        lines += ["", "by fault class", *Table(rows=rows).lines()]
    if document["reliability"]:
        from agents.perception.scorecard import curve_lines

        lines += ["", "reliability of the top (# right, | said)", *curve_lines(document["reliability"])]
    if scores.ablation:
        shown = {name: {k: v for k, v in row.items() if k in _COMPARED} for name, row in scores.ablation.items()}
        whole = {k: v for k, v in scores.table.rows["firebreak"].items() if k in _COMPARED}
        lines += ["", "ablation", *Table(rows={"everything": whole} | shown).lines()]
    if scores.beside:
        from cli.second_look import beside_lines

        lines += ["", *beside_lines(scores.beside)]
    misses = [c for c in scores.table.cases if c["true"] and c["place"] != 1]
    lines += ["", f"missed at the first place: {len(misses)}"]
    lines += [
        f"  {c['case']}: {c['named'] or c['verdict']} instead of {', '.join(c['true'])}, at {c['place']}"
        for c in misses[:20]
    ]
    return [*lines, f"peak memory of this process: {document['peak_mib']:.0f} MiB"]


app.command("skills")(evaluate_skills.skills)

app.command("contracts")(evaluate_contracts.contracts)
_COMPARED = ("AC@1", "AC@3", "MAR", "class acc", "change", "decoys", "ECE")


def read_history(folder: Path, leave_out: str) -> History:
    """Labelled past incidents, without the case that is being diagnosed."""
    from cli.scoring import load_history

    return load_history(folder, leave_out)
