"""Thinning keeps what matters: rare patterns whole, severe ones first, every pattern evenly over time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.bundle import LogLine, Span, Window
from tools.telemetry.sampling import SLICES, evenly, pattern, read_lines, thinned, thinned_spans, unique

WORDS = ("request 7 handled", "order 12 stored", "connection refused after 3 ms", "cache miss for ab12cd34ef")
LINES = st.lists(
    st.builds(
        LogLine,
        time=st.integers(0, 600).map(float),
        service=st.sampled_from(("api", "db")),
        message=st.sampled_from(WORDS),
        level=st.sampled_from(("INFO", "ERROR", "")),
    ),
    max_size=120,
).map(lambda rows: sorted(rows, key=lambda row: row.time))


@given(LINES, st.integers(1, 60))
def test_thinned_lines_are_few_in_order_and_among_the_given(lines: list[LogLine], limit: int) -> None:
    """Never more than asked for, never one that was not there; nothing is lost that had room."""
    kept = thinned(lines, limit)
    assert len(kept) == min(limit, len(lines))
    assert [k.time for k in kept] == sorted(k.time for k in kept)
    assert not Counter(map(repr, kept)) - Counter(map(repr, lines))


@given(LINES, st.integers(16, 60))
def test_a_pattern_below_its_share_stays_whole(lines: list[LogLine], limit: int) -> None:
    """What is rarer than an equal share of the room loses no line to a flood."""
    before, after = (Counter(map(pattern, rows)) for rows in (lines, thinned(lines, limit)))
    share = limit // max(1, len(before))
    assert all(after[p] == count for p, count in before.items() if count <= share)


def test_a_flood_keeps_its_shape_over_time() -> None:
    """A pattern that doubles in the second half still doubles."""
    times = [i / 10 for i in range(3000)] + [300 + i / 20 for i in range(6000)]
    flood = [LogLine(time=t, service="api", message=f"request {i} handled") for i, t in enumerate(times)]
    kept = thinned(flood, 900)
    first = sum(line.time < 300 for line in kept)
    assert 280 <= first <= 320


def test_more_patterns_than_room_keeps_the_severe() -> None:
    """Two hundred patterns once each, and room for ten: the three that failed are among them."""
    names = ["x" * n for n in range(1, 201)]
    lines = [LogLine(time=float(i), service="api", message=f"said {name}") for i, name in enumerate(names)]
    lines += [LogLine(time=300.0 + i, service="api", message="y" * (i + 1), level="ERROR") for i in range(3)]
    assert sum(line.level == "ERROR" for line in thinned(lines, 10)) == 3


@given(st.lists(st.integers(), max_size=40), st.integers(1, 50))
def test_evenly_keeps_the_last_and_the_order(rows: list[int], count: int) -> None:
    """Of anything, the newest row is always kept."""
    kept = evenly(rows, count)
    assert len(kept) == min(count, len(rows))
    assert kept[-1:] == rows[-1:]


def test_the_same_line_twice_counts_once() -> None:
    """From two sources, or from two slices of one."""
    line = LogLine(time=1.0004, service="api", message="m")
    other = LogLine(time=1.0, service="api", message="m", attributes={"from": "loki"})
    assert unique([line, other]) == [line]


def test_whole_traces_are_kept() -> None:
    """A span's parent is there when the span is."""
    spans = [
        Span(trace_id=f"t{i}", span_id=f"{i}{part}", service="api", operation="x", start=i + part / 10, duration_ms=1.0)
        for i in range(100)
        for part in range(4)
    ]
    kept = Counter(s.trace_id for s in thinned_spans(spans, 80))
    assert set(kept.values()) == {4}
    assert len(kept) == 20


async def test_a_source_is_asked_a_bounded_number_of_times() -> None:
    """However much it holds."""
    asked: list[tuple[Window, int, bool]] = []

    async def read(window: Window, limit: int, severe: bool) -> list[LogLine]:
        asked.append((window, limit, severe))
        level, word = ("ERROR", "failed") if severe else ("INFO", "handled")
        step = (window[1] - window[0]) / limit
        return [
            LogLine(time=window[1] - i * step, service="a", message=f"{word} {i}", level=level) for i in range(limit)
        ]

    found = await read_lines(read, (0.0, 800.0), 400)
    assert len(asked) == 1 + 2 * SLICES
    assert len(found) == 400
    assert {int(line.time // 100) for line in found if line.time < 800} == set(range(8))
