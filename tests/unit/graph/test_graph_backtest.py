"""Episodes out of ALERTS, labels in words, and what right means."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from domain.errors import EvidenceError, FirebreakError, NotFoundError
from graph.backtest.agreement import Mark, accuracy, mark, share
from graph.backtest.firings import firings, parts
from graph.backtest.kept import Backtest, FileBacktests, label_of
from graph.backtest.replay import guessed_inventory

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


def said(verdict: str = "fault", confidence: float = 0.9, *services: str) -> Diagnosis:
    named = [
        Hypothesis(rank=i, service=s, fault_class="disk_full", confidence=confidence, statement=f"{s} it is")
        for i, s in enumerate(services, 1)
    ]
    return Diagnosis(incident="bt", verdict=DiagnosisVerdict(verdict), confidence=confidence, hypotheses=named)


def test_an_alert_that_pauses_shortly_is_one_episode() -> None:
    """Points within five minutes belong together; other labels are another alert; secrets in labels are taken out."""
    labels = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "Slow", "job": "api"}
    rows = [
        {"metric": labels, "values": [[0, "1"], [30, "1"], [240, "1"], [900, "1"]]},
        {"metric": {**labels, "job": "db", "dsn": "postgres://u:hunter2@h/d"}, "values": [[60, "1"]]},
    ]
    found = firings(rows, 30.0)
    assert [(f.service, f.started, f.ended) for f in found] == [("api", 0, 240), ("db", 60, 60), ("api", 900, 900)]
    assert len({f.id for f in found}) == 3
    assert found[0].id == firings(rows[:1], 30.0)[0].id
    assert "hunter2" not in repr(found)


@given(st.floats(0, 1e6), st.floats(1, 1e5), st.floats(1, 60), st.integers(1, 500))
def test_parts_cover_the_window_and_stay_small(start: float, length: float, step: float, most: int) -> None:
    """No gap, no overlap, and never more points than a server answers."""
    if length / (step * most) > 200:
        return
    found = parts((start, start + length), step, most)
    assert found[0][0] == start
    assert found[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all((end - begin) / step <= most + 1e-6 for begin, end in found)


@pytest.mark.parametrize("words", ["", "a b", "/x", "x/y/z", "../../etc", "<script>"])
def test_words_that_say_nothing_are_refused(words: str) -> None:
    """With what would be right."""
    with pytest.raises(FirebreakError) as error:
        label_of(words, by="ann", at=AT)
    assert "SERVICE/CLASS" in error.value.expected


@pytest.mark.parametrize("words", ["db", "db/disk_full", "healthy", "external"])
def test_a_label_reads_as_it_was_written(words: str) -> None:
    """There and back."""
    assert label_of(words, by="ann", at=AT).words() == words


@pytest.mark.parametrize(
    ("diagnosis", "truth", "expected"),
    [
        (said("fault", 0.9, "db", "api"), "db/disk_full", Mark.RIGHT),
        (said("fault", 0.9, "api", "db"), "db", Mark.NEAR),
        (said("fault", 0.9, "api"), "db", Mark.WRONG),
        (said("inconclusive", 0.2), "db", Mark.ABSTAINED),
        (said("healthy", 0.8), "db", Mark.WRONG),
        (said("healthy", 0.8), "healthy", Mark.RIGHT),
        (said("fault", 0.9, "api"), "healthy", Mark.WRONG),
        (said("external", 0.7), "external", Mark.RIGHT),
        (said("inconclusive", 0.7), "external", Mark.ABSTAINED),
    ],
)
def test_what_right_means(diagnosis: Diagnosis, truth: str, expected: Mark) -> None:
    """The service first, or the right verdict where nothing of ours was at fault; abstaining is not wrong."""
    assert mark(diagnosis, label_of(truth, by="ann", at=AT)) is expected


def row(identity: str, diagnosis: Diagnosis, truth: str = "") -> Backtest:
    label = label_of(truth, by="ann", at=AT) if truth else None
    return Backtest(id=identity, alert="A", started_at=AT, ended_at=AT, diagnosis=diagnosis, truth=label)


def test_accuracy_counts_only_what_was_told() -> None:
    """One right, one near, one wrong and sure, one without a label; shares have intervals, empty ones say so."""
    rows = [
        row("bt-1", said("fault", 0.9, "db"), "db/disk_full"),
        row("bt-2", said("fault", 0.5, "api", "db"), "db/hang"),
        row("bt-3", said("fault", 0.9, "api"), "db"),
        row("bt-4", said("fault", 0.9, "api")),
    ]
    found = accuracy(rows)
    assert (found.alerts, found.labelled, found.wrong_and_sure) == (4, 3, 1)
    assert (found.first.right, found.first_three.right, found.fault_class.right, found.fault_class.of) == (1, 2, 1, 2)
    assert share([]).share is None
    assert accuracy([]).first.share is None


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_an_interval_holds_its_share(hits: list[bool]) -> None:
    """Between nought and one, and the share within."""
    found = share(hits)
    assert found.share is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.share <= found.high <= 1


def test_what_was_kept_is_a_labelled_bundle(tmp_path: Path) -> None:
    """A label survives a new run; `external` has no truth file; nonsense ids and broken files are clear errors."""
    store, identity = FileBacktests(tmp_path), "bt-0123456789ab"
    assert store.all() == []
    store.keep(Bundle(id=identity), row(identity, said("fault", 0.9, "db")))
    store.label(identity, label_of("db/hang", by="ann", at=AT))
    again = store.keep(Bundle(id=identity), row(identity, said("fault", 0.4, "api")))
    assert again.truth is not None
    assert again.truth.words() == "db/hang"
    assert (tmp_path / identity / "truth.json").exists()
    store.label(identity, label_of("external", by="ann", at=AT))
    assert not (tmp_path / identity / "truth.json").exists()
    for wrong in ("bt-000000000000", "../x", ""):
        with pytest.raises(NotFoundError):
            store.get(wrong)
    (tmp_path / identity / "backtest.json").write_text("{")
    with pytest.raises(EvidenceError, match="cannot be read"):
        store.all()


def test_jobs_become_services() -> None:
    """Whatever they are called; the job's own name selects its series."""
    services = guessed_inventory(["API Server", "9lives", "api-server", "_"]).services
    assert [s.name for s in services] == ["api-server", "job-9lives", "job"]
    assert services[0].telemetry.selector == {"job": "API Server"}
