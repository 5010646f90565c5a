"""What a live incident's bundle says of when the trouble can have begun."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.bundle import AlertHint, Bundle, LogLine, Reading, Series, Span
from domain.incident import Incident, IncidentStatus
from graph.gather import earliest_onset, looked, trouble, without
from tests.fakes.world import alert

PAGE = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ALERT = AlertHint(service="api", metric="", summary="", severity="high", started_at=PAGE.timestamp())


def _mended(seconds_before: float) -> Incident:
    closed = PAGE - timedelta(seconds=seconds_before)
    return Incident(
        id=f"inc-{int(seconds_before):012d}",
        thread_id="t",
        run_id="r",
        title="mended",
        severity="high",
        status=IncidentStatus.RESOLVED,
        opened_at=closed - timedelta(seconds=30),
        closed_at=closed,
    )


@pytest.mark.parametrize(
    ("ended", "onset"),
    [((), None), ((20, 45), 20), ((61,), None), ((-5,), None), ((0,), 0)],
    ids=["none", "the last one", "long ago", "after this alert began", "in the same instant"],
)
def test_what_was_mended_shortly_before_is_not_part_of_this_trouble(ended: tuple[int, ...], onset: int | None) -> None:
    """An alert usually means the minute before it as well, but not the trouble that was mended in that minute."""
    found = earliest_onset(ALERT, [_mended(s) for s in ended])
    assert found == (None if onset is None else PAGE.timestamp() - onset)


def test_without_an_alert_the_data_decide() -> None:
    """Nobody said when it began."""
    assert earliest_onset(None, [_mended(20)]) is None


def _bundle(onset: float) -> Bundle:
    """A point, a line and a span every ten seconds, from 100 s before the onset to 10 s after it."""
    times = tuple(onset + t for t in range(-100, 20, 10))
    return Bundle(
        id="inc-2",
        onset=onset,
        series=(Series(service="api", metric="latency_p95", times=times, values=tuple(map(float, range(12)))),),
        logs=tuple(LogLine(time=t, service="api", message="hello") for t in times),
        spans=tuple(
            Span(trace_id="t", span_id=str(t), service="api", operation="GET /", start=t, duration_ms=1.0)
            for t in times
        ),
    )


def test_the_time_of_a_mended_trouble_is_not_what_is_usual() -> None:
    """Neither its points nor its lines and spans are compared with; what came before and after it is."""
    mended = _mended(0)
    cut = without(_bundle(PAGE.timestamp()), [trouble(mended)])
    kept = [-100, -90, -80, -70, -60, -50, 10]
    assert [round(t - PAGE.timestamp()) for t in cut.series[0].times] == kept
    assert cut.series[0].values == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 11.0)
    assert [round(line.time - PAGE.timestamp()) for line in cut.logs] == kept
    assert [round(span.start - PAGE.timestamp()) for span in cut.spans] == kept


def test_a_sender_cannot_blank_out_what_is_usual() -> None:
    """An alert that claims to fire since 1970 hides a minute before its incident, not all of history."""
    claimed = alert(started_at=datetime(1970, 1, 1, tzinfo=UTC))
    mended = _mended(0).model_copy(update={"alerts": [claimed]})
    assert trouble(mended) == (mended.opened_at.timestamp() - 60, PAGE.timestamp())


def test_where_nothing_else_was_told_the_mended_trouble_stays() -> None:
    """Something to compare with is better than nothing."""
    whole = _bundle(PAGE.timestamp())
    assert without(whole, [(PAGE.timestamp() - 1000, PAGE.timestamp())]) is whole


def test_a_bundle_tells_how_many_probes_could_tell() -> None:
    """Who gets it without their answers knows what is missing."""
    readings = [
        Reading(probe="http_health", service="api", time=5.0, ok=True),
        Reading(probe="http_health", service="web", time=5.0, ok=None, data_gap="no answer within 2 s"),
    ]
    origin = looked(readings, 5.0)
    assert (origin.kind, origin.rows, origin.window) == ("probes", 1, (5.0, 5.0))
