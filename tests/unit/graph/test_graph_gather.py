"""What a live incident's bundle says of when the trouble can have begun."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.bundle import AlertHint
from domain.incident import Incident, IncidentStatus
from graph.gather import earliest_onset

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
