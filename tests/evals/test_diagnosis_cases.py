"""The engine beside the simple baselines on labelled cases (`FIREBREAK_CASES=DIR`, one folder per data set).

Cases with a `split` learn from `train` and are measured on `test`; a quarter of the others, chosen by hash, is the validation part.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from agents.perception import diagnose
from agents.perception.evaluate import Outcome, Table, Truth, baselines, measure, outcome
from agents.perception.history import History, PastCase
from domain.bundle import Bundle
from tools.bundle import read_bundle

CASES = Path(os.environ.get("FIREBREAK_CASES", ""))
SETS = sorted(p.name for p in CASES.iterdir() if p.is_dir()) if os.environ.get("FIREBREAK_CASES") else []
pytestmark = [pytest.mark.skipif(not SETS, reason="FIREBREAK_CASES names no folder"), pytest.mark.timeout(900)]
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


@pytest.mark.parametrize("name", SETS)
def test_engine_beside_baselines(name: str) -> None:
    """Never below n-sigma at the first place, on either part of any data set."""
    known = cases(CASES / name)
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
