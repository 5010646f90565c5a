"""Scoring a folder of labelled bundles. Only here are the labels opened; the investigator never sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from agents.perception import diagnose
from agents.perception.evaluate import Outcome, Table, Truth, baselines, measure, outcome
from agents.perception.history import History, PastCase
from domain.bundle import Bundle
from domain.errors import ConfigError
from tools.bundle import read_bundle, read_truth


def score_folder(
    folder: Path, history: Path | None, progress: Callable[[int, int], None] = lambda _, __: None
) -> Table:
    """The engine and the simple baselines over every labelled bundle of `folder`, in one run.

    Bundles whose truth says `split: train` are learned from, not measured, when others say `split: test`.
    Raises ConfigError when the folder holds no labelled bundle.
    """
    paths = list(labelled(folder))
    if not paths:
        raise ConfigError(
            f"{folder} holds no labelled bundle.",
            expected="folders with incident.json and truth.json",
            found="none",
            hint="firebreak investigate reads bundles without a label",
        )
    train = [(p, t) for p, t, split in paths if split == "train"]
    measured = [(p, t) for p, t, split in paths if split != "train"] or train
    past = [_past(p, t) for p, t in train] if len(measured) < len(paths) else []
    past += load_history(history, "").cases if history else ()
    known = History(cases=tuple(past)) if past else None
    said: dict[str, list[Outcome]] = {}
    for number, (path, truth) in enumerate(measured, 1):
        bundle = read_bundle(path)
        said.setdefault("firebreak", []).append(outcome(path.name, diagnose(bundle, history=known), truth))
        for name, method in baselines().items():
            said.setdefault(name, []).append(Outcome(case=path.name, truth=truth, ranking=tuple(method(bundle))))
        progress(number, len(measured))
    rows = {name: _rankings_only(name, measure(found)) for name, found in said.items()}
    return Table(rows=rows, cases=[_row(o) for o in said["firebreak"]])


def load_history(folder: Path, leave_out: str) -> History:
    """Labelled past incidents; the case that is being diagnosed is left out."""
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", expected="labelled bundles", found=str(folder))
    cases = [_past(path, truth) for path, truth, _ in labelled(folder)]
    return History(cases=tuple(c for c in cases if c.bundle.id != leave_out))


def labelled(folder: Path) -> Iterator[tuple[Path, Truth, str]]:
    """(bundle, truth, split) of every labelled bundle directly in `folder` or one level below."""
    places = sorted({p.parent for pattern in ("*/truth.json", "*/*/truth.json") for p in folder.glob(pattern)})
    for path in places:
        raw = read_truth(path) or {}
        yield (
            path,
            Truth(
                services=tuple(raw.get("services") or ()),
                fault_class=raw.get("fault_type"),
                change=raw.get("change"),
                decoys=tuple(raw.get("decoys") or ()),
                healthy=bool(raw.get("healthy")),
            ),
            str(raw.get("split") or ""),
        )


def _rankings_only(name: str, measures: dict[str, float]) -> dict[str, float]:
    """A baseline ranks services and says nothing else, so nothing else of it is measured."""
    ranking = {"cases", "AC@1", "AC@3", "AC@5", "Avg@5", "MAR"}
    return measures if name == "firebreak" else {k: v for k, v in measures.items() if k in ranking}


def _past(path: Path, truth: Truth) -> PastCase:
    bundle: Bundle = read_bundle(path)
    return PastCase(bundle=bundle, services=truth.services, fault_class=truth.fault_class)


def _row(said: Outcome) -> dict[str, object]:
    return {
        "case": said.case,
        "verdict": said.verdict,
        "named": said.ranking[0] if said.ranking else None,
        "true": list(said.truth.services),
        "place": said.place,
        "confidence": said.confidence,
        "seconds": said.seconds,
    }
