"""Intervals, tables per class, reliability, fault-free windows, folds, ablation, calibration."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.perception import diagnose
from agents.perception.ablation import METHODS, SOURCES, holds
from agents.perception.baselines import n_sigma
from agents.perception.calibration import SIGNS, calibrated, features, probability, weights
from agents.perception.claim import Claim
from agents.perception.evaluate import Outcome, Truth, calibration_error, error_by_chance
from agents.perception.facts import Facts
from agents.perception.quiet import fault_free
from agents.perception.ranking import Ranked
from agents.perception.scorecard import by_class, curve_lines, curve_svg, intervals, reliability
from agents.perception.symptoms import symptoms
from benchmarks.diagnosis.calibrate import fit
from benchmarks.diagnosis.rows import Row
from cli.folds import folds_of
from cli.main import app
from domain.bundle import AlertHint, AlertSignal, Bundle, Edge, Series
from domain.diagnosis import DiagnosisVerdict
from tools.bundle import write_bundle

T0 = 1_700_000_000.0


def said(right: bool, confidence: float, kind: str = "slow") -> Outcome:
    """One case about service a."""
    ranking = ("a", "b") if right else ("b", "a")
    return Outcome(
        case="c",
        truth=Truth(services=("a",), fault_class="slow"),
        ranking=ranking,
        confidence=confidence,
        fault_class=kind,
    )


def latencies(before: float, after: float) -> Series:
    """180 points before, 20 during."""
    values = tuple((before if i < 180 else after) * (1 + 0.02 * math.sin(i)) for i in range(200))
    return Series(service="web", metric="latency", times=tuple(T0 + 10 * i for i in range(200)), values=values)


def bundle(name: str = "one") -> Bundle:
    """A slow web service."""
    return Bundle(
        id=name,
        system="s",
        alert=AlertHint(service="web", metric="latency"),
        normal=(T0, T0 + 1790),
        abnormal=(T0 + 1800, T0 + 1990),
        services=("web", "db"),
        edges=(Edge(caller="web", callee="db"),),
        series=(latencies(0.1, 0.9),),
    )


def test_intervals_hold_the_measure() -> None:
    """Half right: the interval is around a half."""
    low, high = intervals([said(i % 2 == 0, 0.5) for i in range(40)])["AC@1"]
    assert 0.3 < low < 0.5 < high < 0.7
    assert intervals([said(True, 0.5)]) == {}


def test_every_class_has_its_row() -> None:
    """Precision and recall of the class that was said."""
    row = by_class([said(True, 0.9), said(True, 0.9, "other")])[0]
    assert (row["class"], row["recall"], row["precision"]) == ("slow", 0.5, 1.0)


def test_the_reliability_curve_in_text_and_as_svg() -> None:
    """One bin at 0.9 in which three of four are right."""
    rows = reliability([said(i > 0, 0.92) for i in range(4)])
    assert rows == [{"from": 0.9, "to": 1.0, "cases": 4.0, "said": pytest.approx(0.92), "right": 0.75}]
    assert "0.75" in curve_lines(rows)[1]
    assert curve_svg(rows).count("<circle") == 1


def test_a_fault_free_window_is_healthy() -> None:
    """Cut from the normal time; the trouble and what speaks of it stay outside."""
    calm = fault_free(bundle())
    assert calm is not None
    assert max(t for s in calm.series for t in s.times) <= T0 + 1790
    assert diagnose(calm).verdict is DiagnosisVerdict.HEALTHY
    assert fault_free(replace(bundle(), series=())) is None


def test_the_same_trouble_is_in_one_fold() -> None:
    """Copies of an incident do not teach about each other."""
    signal = AlertSignal(service="a", kind="log", name="x")
    alerts = [Bundle(id=str(i), signals=(signal,)) for i in range(3)]
    folds = folds_of([bundle("one"), bundle("two"), *alerts], 5)
    assert folds[0] == folds[1]
    assert len(set(folds[2:])) == 1


def test_n_sigma_is_the_textbook_one() -> None:
    """Shifts in standard deviations; what never moved before has none, so a first failure at a caller does not decide."""
    times = tuple(T0 + 60.0 * i for i in range(20))
    restless, calm = (tuple(1 + by * (i % 2) for i in range(10)) for by in (1.0, 0.1))
    rows = {
        "victim": (*restless, *[2.5] * 10),
        "culprit": (*calm, *[1.5] * 10),
        "first": (*[0.0] * 10, *[9.0] * 10),
    }
    told = tuple(Series(service=s, metric="requests", times=times, values=v) for s, v in rows.items())
    case = Bundle(id="n", onset=times[10], normal=(times[0], times[9]), abnormal=(times[10], times[-1]), series=told)
    assert n_sigma(case) == ["culprit", "victim"]


def test_without_a_source_or_a_method() -> None:
    """Without metrics nothing is left; without the latency method nobody is named for it."""
    assert holds(bundle(), "metrics")
    assert not holds(bundle(), "spans")
    assert diagnose(SOURCES["metrics"](bundle())).hypotheses == []
    assert diagnose(bundle(), without=frozenset({"latency"})).hypotheses == []
    assert "history" in METHODS


@given(st.dictionaries(st.sampled_from(["strength", "lead", "kinds"]), st.floats(0, 1)))
def test_a_probability_is_one(found: dict[str, float]) -> None:
    """Between zero and one, with the shipped weights."""
    assert 0 <= probability(found, weights()) <= 1


FOUND = st.fixed_dictionaries({name: st.floats(0, 1) for name in SIGNS})


@given(more=FOUND, less=FOUND)
def test_less_evidence_is_never_believed_more(more: dict[str, float], less: dict[str, float]) -> None:
    """Weaker, fewer, shorter or less of it seen: with the shipped weights no such difference raises the probability."""
    worse = {n: min(more[n], less[n]) if SIGNS[n] > 0 else max(more[n], less[n]) for n in SIGNS}
    assert probability(worse, weights()) <= probability(more, weights()) + 1e-12


def test_a_weight_that_would_go_against_its_meaning_is_left_out() -> None:
    """Where the weaker happen to be right more often, strength tells nothing; it never speaks against itself."""
    found = [{"strength": s / 40, "lead": float(s % 2)} for s in range(40)]
    rows = [Row("d", f"c{i}", "as given", f, f["strength"] < 0.5 or f["lead"] > 0, False) for i, f in enumerate(found)]
    fitted = fit(rows)
    assert fitted["strength"] == 0.0
    assert fitted["lead"] > 0
    assert list(fitted) == ["bias", "strength", "lead"]


def test_alerts_that_do_not_speak_of_the_first_are_held_against_it() -> None:
    """Logs or traces were alerted on as well, and no line is about it; where only numbers are watched, nothing is missed."""
    number, line = (AlertSignal(service=s, kind=k, name="n") for s, k in (("web", "metric"), ("db", "log")))
    claim = Claim(service="web", fault_class=None, strength=0.6, statement="web", indicator="alerts")

    def told(*signals: AlertSignal) -> dict[str, float]:
        facts = Facts(Bundle(id="i", signals=signals))
        return features(facts, symptoms(facts), [Ranked(claim=claim, confidence=0.6)])

    assert [told(*s)["unspoken"] for s in ((number,), (number, line))] == [0.0, 1.0]
    assert told(number, replace(line, service="web"))["unspoken"] == 0.0


def test_stronger_evidence_is_believed_more_and_all_together_at_most_one() -> None:
    """The top's share grows with its strength; the others get what is left."""
    facts = Facts(bundle())

    def ranked(top: float) -> list[Ranked]:
        claims = [Claim(service=s, fault_class=None, strength=v, statement=s) for s, v in (("web", top), ("db", 0.2))]
        return [Ranked(claim=c, confidence=c.strength) for c in claims]

    suffering = symptoms(facts)
    strong, weak = (calibrated(facts, suffering, ranked(top), 0.97) for top in (0.9, 0.3))
    assert strong[0] > weak[0]
    assert sum(strong) <= 1.0 + 1e-9
    assert calibrated(facts, suffering, [], 0.97) == []


@pytest.mark.parametrize(("indicator", "name"), [("latency", "unseen rival"), ("saturation", "unseen, of itself")])
def test_an_unseen_neighbour_weighs_by_what_it_could_explain(indicator: str, name: str) -> None:
    """It may be why a service waits, hardly why a resource of that service's own is full."""
    facts = Facts(replace(bundle(), services=("web", "db", "unseen"), edges=(Edge(caller="web", callee="unseen"),)))
    claim = Claim(service="web", fault_class=None, strength=0.6, statement="web", indicator=indicator)
    found = features(facts, symptoms(facts), [Ranked(claim=claim, confidence=0.6)])
    assert [n for n in ("unseen rival", "unseen, of itself") if found[n]] == [name]
    assert weights()["unseen rival"] < weights()["unseen, of itself"] < 0


def test_the_command_prints_measures_and_writes_the_curve(tmp_path: Path) -> None:
    """Two labelled bundles, with folds, fault-free windows and ablation."""
    for name in ("one", "two"):
        write_bundle(bundle(name), tmp_path / "cases" / name)
        (tmp_path / "cases" / name / "truth.json").write_text('{"services": ["web"], "fault_type": "slow"}')
    curve = tmp_path / "curve.svg"
    options = ["--fault-free", "--ablation", "--folds", "2", "--plot", str(curve)]
    result = CliRunner().invoke(app, ["eval", "diagnosis", str(tmp_path / "cases"), *options])
    assert result.exit_code == 0, result.output
    assert "n-sigma" in result.output
    assert "without metrics" in result.output
    assert "95 % intervals" in result.output
    assert curve.read_text().startswith("<svg")


def test_few_answers_are_never_spread_evenly() -> None:
    """What a right scale shows by chance shrinks with the number of answers, and a wrong one stands out of it."""
    few, many = (error_by_chance([0.9] * n) for n in (10, 1000))
    assert 0.05 < few[0] < few[1]
    assert many[1] < 0.03 < few[0]
    assert calibration_error([(0.9, n % 2 == 0) for n in range(1000)]) > many[1]
    assert error_by_chance([0.9] * 10) == few
