"""Readings of diffs: they decide between changes that evidence holds about equal, and never name, drop or raise one."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agents.diff_reader import diff_question, grounded
from agents.perception.attribution import TIP, Suspect, tipped
from agents.perception.diffs import Effect
from domain.alert import Change
from domain.bundle import AlertHint, Bundle
from domain.second_opinion import DiffQuestion, DiffReading, DiffText

shares = st.floats(0, 1, allow_nan=False)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def suspect(name: str, score: float) -> Suspect:
    change = Change(kind="commit", id=name, time=AT)
    return Suspect(
        change=change, service="api", score=score, effect=Effect(risk=0.5, kind="x", names=frozenset()), linked=()
    )


def reading(name: str, could: float = 0.5, **more: str) -> DiffReading:
    fields = {"change": name, "effect": "slower", "through": "timeout", "service": "api", **more}
    return DiffReading(could=could, **fields)


@given(st.lists(shares, max_size=6), st.dictionaries(st.sampled_from("abcdefg"), shares))
def test_only_near_ties_are_decided(scores: list[float], said: dict[str, float]) -> None:
    """The same changes with the same scores; whoever leads is within the tip of the engine's best."""
    named = [suspect("abcdefg"[n], s) for n, s in enumerate(scores)]
    after = tipped(named, {n: reading(n, c) for n, c in said.items()})
    assert sorted((s.change.id, s.score) for s in after) == sorted((s.change.id, s.score) for s in named)
    if after:
        assert after[0].score >= max(scores) - TIP - 1e-9


def test_a_reading_tips_a_near_tie() -> None:
    """Between two changes a twentieth apart, the one whose diff explains the symptoms leads."""
    named = [suspect("a", 0.70), suspect("b", 0.66)]
    assert [s.change.id for s in tipped(named, {"a": reading("a", 0.1), "b": reading("b", 0.9)})] == ["b", "a"]
    assert [s.change.id for s in tipped([suspect("a", 0.9), suspect("b", 0.6)], {"b": reading("b", 1.0)})] == ["a", "b"]


def test_a_reading_must_stand_in_what_was_shown() -> None:
    """Changes that were not shown, strangers and settings that the diff does not hold are dropped with their reason."""
    question = DiffQuestion(
        incident="i",
        symptoms=["slow"],
        services=["api"],
        changes=[DiffText(change="a", diff="-timeout = 30\n+timeout = 3", files=["lib/http.py"])],
    )
    said = [
        reading("a"),
        reading("zz"),
        reading("a", service="moon"),
        reading("a", through="fsync"),
        reading("a", through="t"),
        reading("a", through="lib/http.py"),
    ]
    read = grounded(said, question)
    assert read.readings == {"a": said[0]}
    assert [d.split(":")[0][:40] for d in read.dropped] == [
        "reads a change that was not shown (zz)",
        "names moon, which is not looked after",
        "through 'fsync', which does not stand in",
        "through 't', which does not stand in the",
    ]


def test_nothing_is_asked_without_a_diff_or_a_question() -> None:
    """Only where the change at fault is asked for and a diff is known."""
    change = Change(kind="commit", id="a", time=AT, diff="+x = 1")
    asked = Bundle(id="i", alert=AlertHint(service="api"), services=("api",), changes=(change,), changes_asked=True)
    assert diff_question(Bundle(id="i", changes=(change,))) is None
    assert diff_question(Bundle(id="i", changes_asked=True)) is None
    question = diff_question(asked)
    assert question is not None
    assert [c.change for c in question.changes] == ["a"]
