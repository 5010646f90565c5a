"""`firebreak eval contracts DIR`: whether risky changes are told from harmless ones, beside simple scorers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from contracts.evaluate import Labelled, Measured


def contracts(
    folder: Annotated[Path, typer.Argument(help="Folder of bundles whose truth.json names the change at fault.")],
    as_json: JsonFlag = False,
) -> None:
    """Score every recorded commit; print discrimination and calibration with the simple scorers of the same run.

    Each chance comes from a curve that learnt from the other cases only.
    Example: firebreak eval contracts cases/ --json
    """
    from contracts.evaluate import measure, reliability_of
    from contracts.labelled import labelled_changes

    rows = list(labelled_changes(folder))
    harmful = sum(row.harmful for row in rows)
    if not 0 < harmful < len(rows):
        raise ConfigError(
            f"{folder} has no labelled changes to tell apart",
            expected="bundles with diffs in changes.jsonl and `change` in truth.json",
            found=f"{len(rows)} changes, {harmful} of them harmful",
        )
    found = measure(rows)
    curve = reliability_of(found["firebreak"].chances)
    if as_json:
        print_json({**_document(rows, found), "reliability": curve})
        return
    for line in _lines(rows, found, curve):
        say(line)


def _document(rows: list[Labelled], found: dict[str, Measured]) -> dict[str, Any]:
    from contracts.evaluate import halves

    table = {
        name: {
            "auc": round(m.auc, 4),
            "auc_low": round(m.low, 4),
            "auc_high": round(m.high, 4),
            "brier": round(m.brier, 4),
            "brier_prior": round(m.brier_prior, 4),
        }
        for name, m in found.items()
    }
    return {
        "halves": {name: _half(mine) for name, mine in halves(rows).items()},
        "changes": len(rows),
        "harmful": sum(r.harmful for r in rows),
        "cases": len({r.case for r in rows}),
        "scorers": table,
    }


def _half(rows: list[Labelled]) -> dict[str, Any]:
    from contracts.evaluate import SCORERS, auc_of

    aucs = {name: round(auc_of([(score(r), r.harmful) for r in rows]), 4) for name, score in SCORERS.items()}
    return {"changes": len(rows), "harmful": sum(r.harmful for r in rows), "auc": aucs}


def _lines(rows: list[Labelled], found: dict[str, Measured], curve: list[dict[str, float]]) -> list[str]:
    from agents.perception.scorecard import curve_lines

    told = _document(rows, found)
    lines = [f"{told['changes']} changes of {told['cases']} cases, {told['harmful']} harmful", ""]
    lines += [f"{'':<18}{'AUC':>6}  95 % interval   Brier  with priors only"]
    for name, m in found.items():
        lines.append(f"{name:<18}{m.auc:>6.3f}  {m.low:.3f} to {m.high:.3f}  {m.brier:.4f}  {m.brier_prior:.4f}")
    for half, row in told["halves"].items():
        aucs = ", ".join(f"{name} {auc:.3f}" for name, auc in list(row["auc"].items())[:2])
        lines.append(f"cases {half}: {row['changes']} changes, {row['harmful']} harmful: {aucs}")
    return [*lines, "", "reliability (# came, | said)", *curve_lines(curve)]
