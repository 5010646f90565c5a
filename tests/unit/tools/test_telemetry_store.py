"""The embedded store, the files it follows, and what it watches."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.errors import StorageError
from domain.inventory import Inventory, Service, Telemetry
from tools.config_versions import FileConfigVersions
from tools.telemetry import lines, sqlite, tail, watch
from tools.telemetry.board import sli_snapshot
from tools.telemetry.collector.files import followed
from tools.telemetry.combined import CombinedTelemetry, Source
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.sqlite import Reader, TelemetryWriter

T = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


async def values(path: Path, window: tuple[float, float], **filters: list[str]) -> dict[str, list[float]]:
    found = await SqliteTelemetry(path).series(window, **filters)
    return {f"{s.service} {s.metric}": list(s.values) for s in found}


async def test_unchanged_values_are_written_once_and_told_densely(path: Path) -> None:
    """Ten equal ticks are one row and ten points."""
    writer = TelemetryWriter(path)
    for second in range(10):
        writer.points(T + second, "api", {"x": 1.0 if second < 7 else 2.0})
        writer.commit(T + second)
    writer.close()
    assert len(Reader(path).query("SELECT * FROM samples")) == 2
    assert await values(path, (T, T + 60)) == {"api x": [1.0] * 7 + [2.0] * 3}
    assert await values(path, (T + 5, T + 8)) == {"api x": [1.0, 1.0, 2.0, 2.0]}


async def test_silent_series_end_and_come_back(path: Path) -> None:
    """A series with nothing to say has no points until it speaks again."""
    writer = TelemetryWriter(path)
    for second, found in enumerate([{"x": 1.0}, {"x": 1.0}, {}, {}, {"x": 1.0}]):
        writer.points(T + second, "api", found, () if found else ("x",))
        writer.commit(T + second)
    writer.close()
    (series,) = await SqliteTelemetry(path).series((T, T + 10))
    assert series.times == (T, T + 1, T + 4)


async def test_nothing_is_told_for_seconds_nobody_watched(path: Path) -> None:
    """After a killed collector its last values do not go on."""
    first = TelemetryWriter(path)
    for second in (0, 1, 2):
        first.points(T + second, "api", {"x": 1.0})
        first.commit(T + second)
    first._db.close()
    second_run = TelemetryWriter(path)
    assert second_run.last_run() == T + 2
    for second in (20, 21):
        second_run.points(T + second, "api", {"x": 1.0})
        second_run.commit(T + second)
    second_run.close()
    (series,) = await SqliteTelemetry(path).series((T, T + 60))
    assert series.times == (T, T + 1, T + 2, T + 20, T + 21)
    assert await SqliteTelemetry(path).heartbeat() == T + 21


async def test_what_is_not_committed_never_was(path: Path) -> None:
    """A kill in the middle of a tick loses that tick only, offsets included."""
    writer = TelemetryWriter(path)
    writer.points(T, "api", {"x": 1.0})
    writer.commit(T)
    writer.points(T + 1, "api", {"x": 2.0})
    writer.keep_offset("/f", 1, 100)
    writer._db.close()
    again = TelemetryWriter(path)
    assert again.offset("/f") is None
    again.close()
    assert await values(path, (T, T + 5)) == {"api x": [1.0]}


async def test_logs_spans_and_changes_come_back(path: Path) -> None:
    """Within the limit, the newest of each part of the window, ascending, by service."""
    writer = TelemetryWriter(path)
    writer.logs(
        LogLine(time=T + i, service="api" if i % 2 else "db", message=f"m{i}", attributes={"n": i}) for i in range(10)
    )
    writer.spans(
        [Span(trace_id="t", span_id="s", service="api", operation="o", start=T, duration_ms=2.5, attributes={"a": 1})]
    )
    change = Change(id="c", kind="deploy", time=datetime.fromtimestamp(T, UTC), service="api")
    writer.changes([change, change.model_copy(update={"summary": "later"})])
    writer.commit(T)
    writer.close()
    store = SqliteTelemetry(path)
    window = (T - 1, T + 100)
    assert [r.message for r in await store.logs(window, services=["api"], limit=2)] == ["m7", "m9"]
    assert len(await store.logs(window)) == 10
    assert (await store.spans(window, services=["api"]))[0].attributes == {"a": 1}
    assert await store.spans(window, services=["db"]) == []
    assert await store.changes(window) == [change]
    assert await store.changes((0, 1)) == []


def test_one_configuration_edit_is_one_change(path: Path) -> None:
    """Told by the supervisor and seen by ourselves, it stands there once."""
    edit = Change(id="a", kind="config", time=datetime.fromtimestamp(T, UTC), service="api", version="v9")
    writer = TelemetryWriter(path)
    writer.changes([edit])
    writer.changes([edit.model_copy(update={"id": "b"}), edit.model_copy(update={"id": "c", "version": "v8"})])
    writer.commit(T)
    writer.close()
    assert {row[0] for row in Reader(path).query("SELECT id FROM changes")} == {"a", "c"}


async def test_before_there_is_a_store_nothing_is_told(path: Path) -> None:
    """A reader that comes first finds nothing, and no error."""
    store = SqliteTelemetry(path)
    for read in (store.series, store.logs, store.spans):
        assert not await read((0, 1))
    assert await store.heartbeat() is None
    path.write_bytes(b"")
    assert await store.changes((0, 1)) == []


async def test_a_damaged_store_is_moved_aside(path: Path) -> None:
    """The collector goes on with a new one; a reader says what is wrong."""
    path.write_bytes(b"SQLite format 3\x00" + os.urandom(8192))
    writer = TelemetryWriter(path)
    writer.points(T, "api", {"x": 1.0})
    writer.commit(T)
    writer.close()
    assert path.with_name("telemetry.db.damaged").exists()
    assert await values(path, (T, T)) == {"api x": [1.0]}


def test_a_query_that_fails_is_a_storage_error(path: Path) -> None:
    """Readers translate what SQLite says."""
    TelemetryWriter(path).close()
    with pytest.raises(StorageError):
        Reader(path).query("SELECT nothing FROM nowhere")


async def test_old_things_are_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age, quiet lines sooner; by size when the file grows too large; the newest stays."""
    writer = TelemetryWriter(path, retention_s=7200)
    for age, level in ((8000, "ERROR"), (5000, "INFO"), (5000, "ERROR"), (10, "INFO")):
        writer.points(T - age, "api", {"x": float(age)})
        writer.logs([LogLine(time=T - age, service="api", message=f"{age}", level=level)])
        writer.commit(T - age)
    writer.prune(T)
    assert [r[0] for r in Reader(path).query("SELECT message FROM logs ORDER BY t, id")] == ["5000", "10"]
    assert len(Reader(path).query("SELECT * FROM samples")) == 2
    monkeypatch.setattr(sqlite, "MAX_BYTES", 1)
    writer.prune(T)
    assert len(Reader(path).query("SELECT * FROM samples")) == 1
    writer.close()


def test_the_outbox_keeps_its_order_over_restarts(path: Path) -> None:
    """Nothing overtakes a delivery that is postponed, and a new process finds it."""
    writer = TelemetryWriter(path)
    writer.enqueue(b"one", T)
    writer.enqueue(b"two", T)
    writer.commit(T)
    mail = writer.due(T)
    assert mail is not None
    assert mail.body == b"one"
    writer.postpone(mail.id, T + 5, "503")
    assert writer.due(T + 4) is None
    writer.close()
    again = TelemetryWriter(path)
    mail = again.due(T + 5)
    assert mail is not None
    assert (mail.body, mail.attempts) == (b"one", 1)
    again.delivered(mail.id)
    last = again.due(T + 5)
    assert last is not None
    assert last.body == b"two"
    again.close()


async def test_the_sli_board_knows_when_it_knows_nothing(path: Path) -> None:
    """Rows of a living collector are told; old ones become unknown."""
    inventory = Inventory.model_validate(
        {"services": [{"name": "api", "kind": "api", "slos": [{"name": "fast", "sli": "latency_p95", "target": 1}]}]}
    )
    store = SqliteTelemetry(path)
    assert (await sli_snapshot(store, inventory, T))[0]["value"] is None
    writer = TelemetryWriter(path)
    writer.keep_fact("sli", [{"service": "api", "slo": "fast", "value": 0.3}], T)
    writer.commit(T)
    writer.close()
    assert (await sli_snapshot(store, inventory, T + 1))[0]["value"] == 0.3
    assert (await sli_snapshot(store, inventory, T + 60))[0]["value"] is None


async def test_budget_minutes_add_up(path: Path) -> None:
    """Bad and all seconds are summed over the objective's window."""
    writer = TelemetryWriter(path)
    for minute in range(5):
        writer.count("k", T + 60 * minute, bad=1.0, total=60.0)
        writer.count("k", T + 60 * minute, bad=1.0, total=0.0)
    assert writer.spent("k", T + 240, 120) == (6.0, 180.0)
    writer.close()


async def test_combined_sources_prefer_the_first_and_say_gaps(path: Path) -> None:
    """A second source adds what the first lacks; when it fails that is said."""

    class Broken(SqliteTelemetry):
        async def series(
            self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
        ) -> list[Series]:
            raise StorageError("gone", hint="look")

    for name, points in (("a.db", {"x": 1.0}), ("b.db", {"x": 2.0, "y": 3.0})):
        writer = TelemetryWriter(path.with_name(name))
        writer.points(T, "api", points)
        writer.commit(T)
        writer.close()
    first, second = (SqliteTelemetry(path.with_name(n)) for n in ("a.db", "b.db"))
    others = [Source(name=n, telemetry=t, tells=("metrics",)) for n, t in (("b", second), ("broken", Broken(path)))]
    both = CombinedTelemetry(first, *others)
    assert {s.metric: s.values for s in await both.series((T, T))} == {"x": (1.0,), "y": (3.0,)}
    assert len(both.gaps) == 1
    for read in (both.logs, both.spans, both.changes):
        assert not await read((T, T))


def test_a_tail_follows_rotation_truncation_and_half_lines(tmp_path: Path) -> None:
    """Each complete line is read once, whatever happens to the file."""
    file = tmp_path / "a.log"
    follower = tail.Tail(file)
    assert follower.read() == []
    file.write_bytes(b"one\ntw")
    assert follower.read() == [b"one"]
    assert follower.read() == []
    with file.open("ab") as stream:
        stream.write(b"o\n\nthree\n")
    resumed = tail.Tail(file, follower.inode, follower.position)
    assert resumed.read() == [b"two", b"three"]
    file.write_bytes(b"new\n")
    assert resumed.read() == [b"new"]
    file.rename(tmp_path / "a.log.1")
    assert resumed.read() == []
    file.write_bytes(b"rotated\n")
    assert resumed.read() == [b"rotated"]
    assert resumed.moved


def test_a_flood_is_skipped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than can be read is passed over; a line without end is cut."""
    monkeypatch.setattr(tail, "BEHIND", 1000)
    monkeypatch.setattr(tail, "CHUNK", 400)
    monkeypatch.setattr(tail, "FIRST", 100)
    file = tmp_path / "a.log"
    file.write_bytes(b"x" * 49 + b"\n")
    follower = tail.Tail(file)
    follower.read()
    with file.open("ab") as stream:
        stream.write((b"y" * 99 + b"\n") * 50)
    assert follower.read()
    assert follower.skipped > 3000
    file.write_bytes(b"z" * 5000)
    while follower.read():
        pass
    assert follower.position == 5000 or follower.position >= 4800


@given(chunks=st.lists(st.binary(max_size=30), max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_complete_line_is_read_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    """However a file grows, restarts included, the lines read are the lines written."""
    file = tmp_path_factory.mktemp("t") / "f"
    file.write_bytes(b"")
    follower = tail.Tail(file)
    follower.read()
    found: list[bytes] = []
    for chunk in chunks:
        with file.open("ab") as stream:
            stream.write(chunk)
        follower = tail.Tail(file, follower.inode, follower.position)
        found += follower.read()
    complete = b"".join(chunks).rpartition(b"\n")[0]
    assert found == [line for line in complete.split(b"\n") if line.strip()]


@pytest.mark.parametrize(
    ("line", "level", "message", "time"),
    [
        (b'{"time": "2023-11-14T22:13:10Z", "level": "warn", "message": "m", "k": 1}', "WARNING", "m", T - 10),
        (b'{"ts": 1699999990000, "levelname": 40, "event": "m"}', "ERROR", "m", T - 10),
        (b"2023-11-14 22:13:10.000 UTC [12] FATAL:  role is not permitted", "CRITICAL", None, T - 10),
        (b"plain words", "", "plain words", T),
        (b'{"broken": ', "", '{"broken":', T),
        (b'{"time": 99999999999, "msg": {"a": 1}}', "", '{"a": 1}', T),
        (b'{"time": "2023-11-14T23:13:10+01:00", "message": "m"}', "", "m", T - 10),
        (b"\xff\xfe", "", None, T),
    ],
)
def test_lines_of_every_kind(line: bytes, level: str, message: str | None, time: float) -> None:
    """Levels and times in the usual spellings; a time in the future is not believed."""
    found = lines.log_line(line, "api", T)
    assert (found.level, round(found.time, 3)) == (level, time)
    if message is not None:
        assert found.message == message


def test_lines_are_redacted_where_they_are_read() -> None:
    """Secrets in messages and attributes never reach the store."""
    row = {"message": "password=hunter2", "token": "abc12345", "service": "x", "deep": {"dsn": "pg://u:pw9@h"}}
    text = repr(lines.log_line(json.dumps(row).encode(), "api", T))
    assert not any(secret in text for secret in ("hunter2", "abc12345", "pw9"))


def test_spans_in_both_shapes() -> None:
    """Our own lines, the OpenTelemetry console exporter's, and nothing from what is neither."""
    own = {
        "trace_id": "t",
        "span_id": "s",
        "service": "a",
        "operation": "o",
        "start": T,
        "duration_ms": 3,
        "parent_id": None,
    }
    otel = {
        "name": "GET",
        "context": {"trace_id": "0x1", "span_id": "0x2"},
        "parent_id": "0x3",
        "start_time": "2023-11-14T22:13:20.000000Z",
        "end_time": "2023-11-14T22:13:20.500000Z",
        "status": {"status_code": "ERROR"},
        "resource": {"attributes": {"service.name": "api"}},
    }
    (first,), (second,) = (lines.spans(json.dumps(row).encode(), "x") for row in (own, otel))
    assert (first.service, first.parent_id) == ("a", "")
    assert (second.service, second.duration_ms, second.parent_id, second.start) == ("api", 500.0, "3", T)
    assert not any(lines.spans(line, "x") for line in (b"{}", b"[]", b"?"))


def _otlp(service: str, *spans: dict[str, object]) -> bytes:
    """A line as the OpenTelemetry Collector's file exporter writes it."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode() + b"\n"


async def test_a_line_of_otlp_holds_many_spans(path: Path, tmp_path: Path) -> None:
    """They go to the services by what these are called in traces; a malformed one costs only itself, a long batch nothing."""
    start = int(T) * 10**9
    good: dict[str, object] = {
        "traceId": "0" * 31 + "1",
        "spanId": "0" * 15 + "2",
        "name": "GET " + "x" * 200,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 5_000_000),
    }
    file = tmp_path / "traces.json"
    file.write_bytes(b"{}\n")
    api = Service(name="api", kind="api", telemetry=Telemetry(spans=[file.name], traced_as="shop-api"))
    writer = TelemetryWriter(path)
    (follower,) = followed(Inventory(services=[api]), tmp_path, writer)
    follower.write(writer, T)
    with file.open("ab") as stream:
        stream.write(_otlp("shop-api", good, {"name": "no times"}) + _otlp("stranger", *[good] * 200))
    follower.write(writer, T + 1)
    writer.commit(T + 1)
    writer.close()
    found = await SqliteTelemetry(path).spans((T - 1, T + 1))
    assert Counter(s.service for s in found) == {"api": 1, "stranger": 200}
    assert found[0].duration_ms == 5.0


def test_change_records_of_files() -> None:
    """Good ones are read and redacted, others are nothing."""
    row = {"id": "c", "kind": "deploy", "time": T, "service": "api", "summary": "token=abcdefg1", "more": 1}
    found = lines.change(json.dumps(row).encode())
    assert found is not None
    assert found.time.timestamp() == T
    assert "abcdefg1" not in found.summary
    for bad in (
        b"?",
        b"[]",
        b'{"kind": "party"}',
        b'{"kind": "deploy"}',
        b'{"kind": "deploy", "id": "x", "time": "soon"}',
    ):
        assert lines.change(bad) is None


async def test_a_version_is_good_only_under_a_process_that_knows_it(tmp_path: Path) -> None:
    """A process started before the edit proves nothing; one started after it does, in ten healthy seconds."""
    file = tmp_path / "api.env"
    file.write_text("A=1\nSECRET_TOKEN=abcdef99\n")
    os.utime(file, (T, T))
    versions = FileConfigVersions(tmp_path / "versions")
    seen = watch.ConfigWatch(service="api", path=file, versions=versions)
    assert seen.touched()
    assert await seen.look(T) is None
    assert not seen.touched()
    await seen.note_health(T, healthy=True, started_at=T + 1)
    assert await versions.latest_good("api") is None
    for second in range(1, 4):
        await seen.note_health(T + second, healthy=True, started_at=T + 1)
    first = await versions.latest_good("api")
    assert first is not None, "the version that was there first needs only be seen well for a moment"
    file.write_text("SECRET_TOKEN=changed99\n")
    os.utime(file, (T + 20, T + 20))
    assert seen.touched()
    change = await seen.look(T + 21)
    assert change is not None
    assert change.kind == "config"
    assert "-A=1" in change.diff
    assert "abcdef99" not in change.diff
    for second in range(22, 90):
        await seen.note_health(T + second, healthy=True, started_at=T + 1)
    assert (await versions.latest_good("api")) == first
    for second in range(90, 99):
        await seen.note_health(T + second, healthy=True, started_at=T + 80)
    await seen.note_health(T + 99, healthy=False, started_at=T + 80)
    assert (await versions.latest_good("api")) == first
    for second in range(100, 112):
        await seen.note_health(T + second, healthy=True, started_at=T + 80)
    newest = await versions.latest_good("api")
    assert newest is not None
    assert newest.version == seen.known != first.version
    file.unlink()
    assert not seen.touched()


def test_process_notes_say_what_happened() -> None:
    """State, pid, restarts and exit in one line; nothing without a change."""
    before = watch.facts_row(
        watch.process_facts({"state": "running", "pid": 1, "restarts": 0, "started_at": "2023-11-14T22:13:20Z"})
    )
    facts = watch.process_facts({"state": "crashed", "pid": None, "restarts": 2, "last_exit": 3, "started_at": "x"})
    assert before["started_at"] == T
    note = watch.process_note("api", before, facts, T)
    assert note is not None
    assert (note.level, note.message) == ("WARNING", "process running → crashed, pid 1 → None, restarts 2, last exit 3")
    assert watch.process_note("api", watch.facts_row(facts), facts, T) is None
    assert watch.process_note("api", None, facts, T) is None
    assert watch.migration_change("api", "1", "2", T).kind == "migration"
    assert len(watch.unified_diff("", "\n".join(map(str, range(999))), "f").splitlines()) == watch.DIFF_LINES + 1
