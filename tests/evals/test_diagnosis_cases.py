"""The engine beside the simple baselines on labelled cases (shipped ones, or `FIREBREAK_CASES=DIR` with one folder per data set).

Cases with a `split` learn from `train` and are measured on `test`; a quarter of the others, chosen by hash, is the validation part.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from agents.perception import diagnose
from agents.perception.baselines import baselines
from agents.perception.evaluate import Outcome, Table, Truth, measure, outcome
from agents.perception.history import History, PastCase
from benchmarks.diagnosis.table import unpack_shipped
from domain.bundle import Bundle
from tools.bundle import read_bundle

ELSEWHERE = os.environ.get("FIREBREAK_CASES")
SETS = (
    sorted(p.name for p in Path(ELSEWHERE).iterdir() if p.is_dir())
    if ELSEWHERE
    else ["petshop_low", "rootcausebench", "tvdiag_hotel"]
)
pytestmark = [pytest.mark.timeout(900), pytest.mark.no_cover]
"""Not traced: thousands of diagnoses run the same lines as the engine's own tests, at twice the time."""
Case = tuple[Bundle, Truth, str]


def cases(folder: Path) -> list[Case]:
    """(bundle, truth, split) of every labelled case."""
    found = []
    for path in sorted(p for p in folder.iterdir() if (p / "truth.json").exists()):
        raw = json.loads((path / "truth.json").read_text())
        truth = Truth(
            services=tuple(raw["services"]),
            fault_class=raw.get("fault_type"),
            change=raw.get("change"),
            decoys=tuple(raw.get("decoys", ())),
        )
        held = int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 4 == 0
        found.append((read_bundle(path), truth, raw.get("split") or ("validation" if held else "development")))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets, unpacked."""
    if ELSEWHERE:
        return Path(ELSEWHERE)
    place = tmp_path_factory.mktemp("cases")
    unpack_shipped(place)
    return place


@pytest.mark.parametrize("name", SETS)
def test_engine_beside_baselines(folder: Path, name: str) -> None:
    """Never below n-sigma at the first place, on either part of any data set."""
    known = cases(folder / name)
    alerts_only = all(b.signals and not b.series for b, _, _ in known)
    past = [PastCase(bundle=b, services=t.services, fault_class=t.fault_class) for b, t, s in known if s == "train"]
    history = History(cases=tuple(past)) if alerts_only else None
    rows: dict[str, dict[str, float]] = {}
    for part in sorted({split for _, _, split in known} - ({"train"} if history else set())):
        chosen = [(b, t) for b, t, split in known if split == part]
        rows[f"engine {part}"] = measure([outcome(b.id, diagnose(b, history=history), t) for b, t in chosen])
        for method, rank in baselines().items():
            rows[f"{method} {part}"] = measure([Outcome(case=b.id, truth=t, ranking=tuple(rank(b))) for b, t in chosen])
    print(f"\n{name}", *Table(rows=rows).lines(), sep="\n")
    for method, row in rows.items():
        if method.startswith("engine"):
            assert row["AC@1"] >= rows[method.replace("engine", "n-sigma")]["AC@1"]
