"""One suite for every source of log lines and of spans behind the Telemetry port.

Log lines: the embedded store, Loki (its API as an HTTP double), a real journal file through the real journalctl, and two of
them combined. Spans: the embedded store, Tempo and Jaeger (HTTP doubles), and two of them combined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.bundle import LogLine, Span
from domain.inventory import Inventory
from domain.telemetry import Telemetry
from tests.fakes.containers import containers
from tests.fakes.journal import write_journal
from tests.fakes.observability import jaeger, loki, tempo
from tools.telemetry.combined import FROM, CombinedTelemetry, Source
from tools.telemetry.docker import DockerTelemetry
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.http_api import Access, HttpApi
from tools.telemetry.jaeger import JaegerTelemetry
from tools.telemetry.journald import JournaldTelemetry
from tools.telemetry.lines import log_line
from tools.telemetry.loki import LokiTelemetry
from tools.telemetry.sqlite import TelemetryWriter
from tools.telemetry.tempo import TempoTelemetry

START = 1_772_359_200.0
WINDOW = (START, START + 600)
INVENTORY = Inventory.model_validate({"services": [{"name": "api", "kind": "api"}, {"name": "db", "kind": "database"}]})

PATIENCE_S = 90.0
"""Time is not what is tested here, and machines that test are slow."""

MakeLogs = Callable[[Sequence[LogLine], Path], AbstractContextManager[Telemetry]]
MakeSpans = Callable[[Sequence[Span], Path], AbstractContextManager[Telemetry]]


def line(second: float, service: str, text: str, level: str = "INFO") -> LogLine:
    return LogLine(time=START + second, service=service, message=f"{level} {text}", level=level)


@contextmanager
def embedded_logs(lines: Sequence[LogLine], place: Path) -> Iterator[Telemetry]:
    """Written as the collector writes them."""
    writer = TelemetryWriter(place / "telemetry.db")
    redacted = [log_line(one.message.encode(), one.service, one.time) for one in lines]
    writer.logs(redacted)
    writer.commit(WINDOW[1])
    writer.close()
    yield SqliteTelemetry(place / "telemetry.db")


@contextmanager
def loki_logs(lines: Sequence[LogLine], place: Path) -> Iterator[Telemetry]:
    with loki(lines) as url:
        yield LokiTelemetry(HttpApi("Loki", Access(url=url), timeout_s=PATIENCE_S), INVENTORY)


@contextmanager
def journald_logs(lines: Sequence[LogLine], place: Path) -> Iterator[Telemetry]:
    yield JournaldTelemetry(INVENTORY, path=write_journal(lines, place), timeout_s=PATIENCE_S)


@contextmanager
def docker_logs(lines: Sequence[LogLine], place: Path) -> Iterator[Telemetry]:
    with containers(lines, place):
        yield DockerTelemetry(INVENTORY, timeout_s=PATIENCE_S)


@contextmanager
def combined_logs(lines: Sequence[LogLine], place: Path) -> Iterator[Telemetry]:
    """Each source has a part, and both have the lines in between."""
    third = len(lines) // 3
    with embedded_logs(lines[: 2 * third], place) as first, loki_logs(lines[third:], place) as second:
        yield CombinedTelemetry(first, Source(name="loki", telemetry=second, tells=("logs",)))


LOGS = [
    pytest.param(embedded_logs, id="embedded"),
    pytest.param(loki_logs, id="loki"),
    pytest.param(journald_logs, id="journald", marks=pytest.mark.integration),
    pytest.param(docker_logs, id="docker"),
    pytest.param(combined_logs, id="combined"),
]


@pytest.mark.parametrize("make", LOGS)
async def test_lines_come_whole_redacted_and_in_order(make: MakeLogs, tmp_path: Path) -> None:
    """Every line of the window once, with service and level; no secret; filters and the window hold."""
    said = [line(i, "api", f"request {i} handled") for i in range(0, 600, 5)]
    said += [
        line(301, "db", "no space left", "ERROR"),
        line(302.5, "api", "login with password=hunter2secret", "WARNING"),
    ]
    said += [line(-30, "api", "before"), line(700, "api", "after")]
    said.sort(key=lambda one: one.time)
    with make(said, tmp_path) as source:
        found = await source.logs(WINDOW)
        assert len(found) == 122
        assert [one.time for one in found] == sorted(one.time for one in found)
        assert WINDOW[0] <= found[0].time <= found[-1].time <= WINDOW[1]
        assert "hunter2secret" not in " ".join(one.message for one in found)
        (failed,) = [one for one in found if one.level == "ERROR"]
        assert (failed.service, "no space left" in failed.message) == ("db", True)
        assert {one.service for one in await source.logs(WINDOW, services=["db"])} == {"db"}
        assert await source.logs((START - 9000, START - 8000)) == []
        assert await source.series(WINDOW) == []
        assert await source.spans(WINDOW) == []
        assert await source.changes(WINDOW) == []


@pytest.mark.parametrize("make", LOGS)
async def test_a_flood_is_thinned_and_drowns_nothing_severe(make: MakeLogs, tmp_path: Path) -> None:
    """Of thousands of lines the severe ones are all there, and the others still cover the whole window."""
    flood = [line(i / 10, "api", f"request {i} handled in {i % 90} ms") for i in range(6000)]
    flood += [line(100 + i, "api", "connection to db refused", "ERROR") for i in range(3)]
    flood.sort(key=lambda one: one.time)
    with make(flood, tmp_path) as source:
        found = await source.logs(WINDOW, limit=300)
    assert 100 <= len(found) <= 300
    assert sum(one.level == "ERROR" for one in found) == 3
    assert len({int((one.time - START) // 75) for one in found}) == 8


def trace(number: int, second: float, *, failed: bool = False) -> list[Span]:
    identity, status = f"{number + 1:032x}", "ERROR" if failed else ""
    common: dict[str, Any] = {"trace_id": identity, "status": status}
    whole = Span(span_id=f"{2 * number + 1:016x}", service="api", operation="GET /buy", start=START + second,
                 duration_ms=40.0, attributes={"note": "token=hunter2secret"}, **common)  # fmt: skip
    part = Span(span_id=f"{2 * number + 2:016x}", parent_id=whole.span_id, service="db", operation="SELECT",
                start=START + second + 0.001, duration_ms=30.0, **common)  # fmt: skip
    return [whole, part]


@contextmanager
def embedded_spans(spans: Sequence[Span], place: Path) -> Iterator[Telemetry]:
    writer = TelemetryWriter(place / "telemetry.db")
    writer.spans(spans)
    writer.commit(WINDOW[1])
    writer.close()
    yield SqliteTelemetry(place / "telemetry.db")


@contextmanager
def tempo_spans(spans: Sequence[Span], place: Path) -> Iterator[Telemetry]:
    with tempo(spans) as url:
        yield TempoTelemetry(HttpApi("Tempo", Access(url=url), timeout_s=PATIENCE_S), INVENTORY)


@contextmanager
def jaeger_spans(spans: Sequence[Span], place: Path) -> Iterator[Telemetry]:
    with jaeger(spans) as url:
        yield JaegerTelemetry(HttpApi("Jaeger", Access(url=url), timeout_s=PATIENCE_S), INVENTORY)


@contextmanager
def combined_spans(spans: Sequence[Span], place: Path) -> Iterator[Telemetry]:
    with embedded_spans(spans[: len(spans) // 2], place) as first, tempo_spans(spans, place) as second:
        yield CombinedTelemetry(first, Source(name="tempo", telemetry=second, tells=("spans",)))


SPANS = [
    pytest.param(embedded_spans, id="embedded"),
    pytest.param(tempo_spans, id="tempo"),
    pytest.param(jaeger_spans, id="jaeger"),
    pytest.param(combined_spans, id="combined"),
]


@pytest.mark.parametrize("make", SPANS)
async def test_spans_come_as_trees_in_order(make: MakeSpans, tmp_path: Path) -> None:
    """Parents, services, durations and failures as they were; each span once; filters and the window hold."""
    told = [s for i in range(20) for s in trace(i, 30.0 * i, failed=i == 7)]
    told += trace(99, -50.0)
    with make(told, tmp_path) as source:
        found = await source.spans(WINDOW)
        assert len(found) == 40
        assert [s.start for s in found] == sorted(s.start for s in found)
        owner = {s.span_id: s for s in found}
        assert all(owner[s.parent_id].service == "api" for s in found if s.service == "db")
        assert {round(s.duration_ms, 3) for s in found} == {40.0, 30.0}
        assert {s.trace_id.lstrip("0") for s in found if s.status == "ERROR"} == {"8"}
        assert {s.service for s in await source.spans(WINDOW, services=["db"])} == {"db"}
        assert await source.spans((START - 9000, START - 8000)) == []
        assert await source.series(WINDOW) == []
        assert await source.logs(WINDOW) == []


@pytest.mark.parametrize("make", [tempo_spans, jaeger_spans])
async def test_spans_are_redacted_where_they_are_read(make: MakeSpans, tmp_path: Path) -> None:
    """A secret in an attribute never gets further than its source."""
    with make(trace(1, 5.0), tmp_path) as source:
        found = await source.spans(WINDOW)
    assert len(found) == 2
    assert "hunter2secret" not in repr(found)
    assert "[redacted:value]" in repr(found)


@pytest.mark.parametrize("make", SPANS)
async def test_many_traces_are_thinned_to_whole_ones(make: MakeSpans, tmp_path: Path) -> None:
    """About as many spans as were asked for, of the whole window, nearly all of them with their parents."""
    told = [s for i in range(1200) for s in trace(i, i / 2, failed=i == 300)]
    with make(told, tmp_path) as source:
        found = await source.spans(WINDOW, limit=200)
    assert 100 <= len(found) <= 210
    owners = {s.span_id for s in found}
    assert sum(s.parent_id in owners for s in found if s.parent_id) >= 0.9 * sum(bool(s.parent_id) for s in found)
    assert len({int((s.start - START) // 150) for s in found}) == 4


async def test_what_was_combined_says_where_it_came_from(tmp_path: Path) -> None:
    """Each further source's rows carry its name; who was asked for which window, and what came back, is told."""
    said = [line(i, "api", f"request {i} handled") for i in range(9)]
    with combined_logs(said, tmp_path) as source:
        found = await source.logs(WINDOW)
        assert isinstance(source, CombinedTelemetry)
    assert [one.attributes.get(FROM, "") for one in found] == [""] * 6 + ["loki"] * 3
    rows = {o.source: (o.kind, o.window, o.rows, o.gap) for o in source.origins}
    assert rows == {"embedded": ("logs", WINDOW, 6, ""), "loki": ("logs", WINDOW, 6, "")}


async def test_a_source_that_fails_is_a_gap_and_the_others_are_read(tmp_path: Path) -> None:
    """Refused by Loki: the reason is told by name, the store's lines are there."""
    said = [line(i, "api", f"request {i} handled") for i in range(9)]
    with embedded_logs(said, tmp_path) as first, loki(said, token="right") as url:
        refused = LokiTelemetry(HttpApi("Loki", Access(url=url, token="wrong")), INVENTORY)
        source = CombinedTelemetry(first, Source(name="loki", telemetry=refused, tells=("logs",)))
        assert len(await source.logs(WINDOW)) == 9
    (gap,) = source.gaps
    assert gap.startswith("Loki refuses our token")


async def test_loki_is_asked_within_its_own_limits() -> None:
    """Pages stay below what servers allow, and their number is bounded whatever is stored."""
    asked: list[dict[str, str]] = []
    flood = [line(i / 20, "api", f"request {i}") for i in range(12000)]
    with loki(flood, asked=asked) as url:
        found = await LokiTelemetry(HttpApi("Loki", Access(url=url), timeout_s=PATIENCE_S), INVENTORY).logs(
            WINDOW, services=["api"], limit=2500
        )
    assert len(found) == 2500
    assert max(int(query["limit"]) for query in asked) <= 1000
    assert len(asked) <= 20


@pytest.mark.integration
async def test_a_journal_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """No such file: what journalctl said, and which right is usually missing."""
    write_journal([line(0, "api", "x")], tmp_path)
    (tmp_path / "torn.journal").write_bytes(b"not a journal")
    source = JournaldTelemetry(INVENTORY, path=tmp_path / "torn.journal")
    with pytest.raises(Exception, match="the journal cannot be read"):
        await source.logs(WINDOW)
