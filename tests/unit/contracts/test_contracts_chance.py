"""The curve from scores to chances, and the measures of `eval contracts`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from contracts.chance import BASE, SLOPE, Curve, Ended, learned, log_odds
from contracts.change.excerpts import files_of
from contracts.change.limits import limit_findings
from contracts.evaluate import Labelled, auc_of, brier_of, measure, reliability_of
from domain.risk import FactorName
from tests.unit.contracts.changed import changed

past = st.lists(st.builds(lambda s, f: Ended(score=s, failed=f), st.floats(0, 100), st.booleans()), max_size=40)


@settings(max_examples=40)
@given(past, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_score_is_never_a_smaller_chance(rows: list[Ended], one: float, other: float) -> None:
    """Whatever was learnt, also from outcomes that say the opposite."""
    curve = learned(rows)
    low, high = sorted((one, other))
    assert 0 < curve.chance(low) <= curve.chance(high) < 1


def test_without_outcomes_the_priors_stand_and_are_said() -> None:
    curve = learned([])
    assert curve == Curve()
    assert curve.chance(50) == pytest.approx(0.15)
    assert curve.basis == "stated priors, no recorded outcomes"


def test_outcomes_move_the_curve_towards_them() -> None:
    """A hundred good deployments lower the base, a hundred failures raise it; one hardly moves it."""
    good = learned([Ended(score=50, failed=False)] * 100)
    bad = learned([Ended(score=50, failed=True)] * 100)
    assert good.base < BASE.mean < bad.base
    assert good.chance(50) < 0.03
    assert bad.chance(50) > 0.9
    assert abs(learned([Ended(score=50, failed=False)]).chance(50) - 0.15) < 0.03
    assert "100 recorded outcomes, 100 of them failures" in bad.basis


def test_the_estimate_is_where_the_gradient_vanishes() -> None:
    """Against a brute search of the posterior around it."""

    rows = [Ended(score=s, failed=s > 60) for s in range(5, 100, 5)]

    def posterior(base: float, slope: float) -> float:
        prior = -((base - BASE.mean) ** 2) / (2 * BASE.deviation**2) - (slope - SLOPE.mean) ** 2 / (
            2 * SLOPE.deviation**2
        )
        said = [1 / (1 + math.exp(-(base + slope * log_odds(r.score)))) for r in rows]
        return prior + sum(math.log(p if r.failed else 1 - p) for p, r in zip(said, rows, strict=True))

    found = learned(rows)
    best = posterior(found.base, found.slope)
    steps = [(a, b) for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01)]
    assert all(posterior(found.base + a, found.slope + b) <= best + 1e-9 for a, b in steps)


def test_measures_on_numbers_done_by_hand() -> None:
    pairs = [(0.9, True), (0.4, True), (0.4, False), (0.1, False)]
    assert auc_of(pairs) == 3.5 / 4
    assert auc_of([(1, True)]) == 0.5
    assert brier_of(pairs) == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    rows = reliability_of([*pairs, (1.0, True)])
    assert [(r["from"], r["cases"], r["right"]) for r in rows] == [(0.1, 1, 0), (0.4, 2, 0.5), (0.9, 2, 1)]


def test_every_scorer_is_measured_on_the_same_changes() -> None:
    rows = [
        Labelled(
            case=f"c{i % 5}",
            id=str(i),
            harmful=i % 4 == 0,
            score=70 if i % 4 == 0 else 20,
            lines=i,
            files=1,
            words="cache",
        )
        for i in range(40)
    ]
    found = measure(rows)
    assert set(found) == {"firebreak", "lines changed", "number of files", "keywords", "always the same"}
    assert found["firebreak"].auc == 1
    assert found["always the same"].auc == 0.5
    assert found["firebreak"].brier < found["always the same"].brier
    assert len(found["firebreak"].chances) == 40


def test_recorded_diffs_in_both_forms() -> None:
    short = files_of("@@ a.go @@\n-x := 1\n+x := 2\n y\n@@ b.go @@\n+z\n")
    assert [(f.path, f.added, f.removed, f.status) for f in short] == [("a.go", 1, 1, "M"), ("b.go", 1, 0, "A")]
    unified = files_of("--- a/a.go\n+++ b/a.go\n@@ -1,2 +1,2 @@ func x() {\n-x\n+y\n")
    assert [(f.path, f.added, f.removed) for f in unified] == [("a.go", 1, 1)]
    assert files_of("+x\n", ["c.go"])[0].path == "c.go"


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        ("DefaultTTL: 15 * time.Minute,", "DefaultTTL: 15 * time.Second,", FactorName.CACHING),
        ("const defaultMaxConns = 50", "const defaultMaxConns = 10", FactorName.CONCURRENCY),
        (
            "context.WithTimeout(ctx, 5*time.Second)",
            "context.WithTimeout(c, 300*time.Millisecond)",
            FactorName.CONCURRENCY,
        ),
        ("rate_limit = 100", "rate_limit = 10", FactorName.TRAFFIC),
        ("mu sync.Mutex", "", FactorName.CONCURRENCY),
    ],
)
def test_bounds_that_change_and_locks_that_go(before: str, after: str, factor: FactorName) -> None:
    found = list(limit_findings(changed("a.go", before, after)))
    assert factor in {f.factor for f in found}


@pytest.mark.parametrize(
    ("before", "after"),
    [("timeout = 5", "timeout  =  5"), ("# timeout 5", "# timeout 6"), ("x = 1", "x = 2"), ("", "ttl = 3")],
)
def test_what_is_no_changed_bound(before: str, after: str) -> None:
    assert not list(limit_findings(changed("a.py", before, after)))


def bundle(folder: Path, name: str, harmful: str) -> None:
    place = folder / name
    place.mkdir(parents=True)
    (place / "incident.json").write_text(
        json.dumps({"id": name, "alert": {"service": "a", "started_at": 1_772_359_200}})
    )
    (place / "truth.json").write_text(json.dumps({"change": harmful, "services": ["a"]}))
    rows = [
        {
            "id": "1",
            "kind": "commit",
            "time": 1_772_359_000,
            "summary": "a",
            "files": ["a.py"],
            "diff": "@@ a.py @@\n-timeout = 9\n+timeout = 1\n",
        },
        {
            "id": "2",
            "kind": "commit",
            "time": 1_772_359_001,
            "summary": "b",
            "files": ["b.py"],
            "diff": "@@ b.py @@\n+x = 1\n",
        },
    ]
    (place / "changes.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


def test_eval_contracts_prints_the_table(tmp_path: Path) -> None:
    for name in ("one", "two"):
        bundle(tmp_path, name, "1")
    answer = CliRunner().invoke(app, ["eval", "contracts", str(tmp_path), "--json"])
    found = json.loads(answer.stdout)
    assert (found["schema_version"], found["changes"], found["harmful"]) == ("1", 4, 2)
    assert found["scorers"]["firebreak"]["auc"] == 1
    assert "lines changed" in CliRunner().invoke(app, ["eval", "contracts", str(tmp_path)]).output


def test_eval_contracts_without_labels_says_what_is_missing(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["eval", "contracts", str(tmp_path)])
    assert "no labelled changes" in str(answer.exception)
