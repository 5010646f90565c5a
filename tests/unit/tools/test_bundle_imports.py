"""What other systems export becomes the pieces of a bundle; what is malformed is told, never a traceback."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from domain.errors import EvidenceError
from tools.bundle import read_bundle
from tools.bundle.imports.log_file import read_log
from tools.bundle.imports.platform_dump import read_platform
from tools.bundle.imports.range_answer import read_range
from tools.bundle.imports.streams import read_streams
from tools.bundle.imports.traces import edges_of, read_traces
from tools.bundle.told import Told
from tools.moment import moment

T0 = 1_772_359_200.0  # 2026-03-01T10:00:00Z
NOW = T0 + 3600


def log(text: str, told: Told | None = None, service: str = "api", fixed: bool = False) -> list[Any]:
    return read_log(text.encode(), "a.log", told or Told(), service=service, fixed=fixed, now=NOW)


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ('{"ts": 1772359200, "lvl": "warn", "msg": "slow"}', "WARNING", "slow"),
        ('{"timestamp": 1772359200000, "level": "error", "message": "m"}', "ERROR", "m"),
        ('time=2026-03-01T10:00:00Z level=info msg="pool \\"a\\" full" size=3', "INFO", 'pool "a" full'),
        ("2026-03-01 10:00:00,123 ERROR it broke", "ERROR", "2026-03-01 10:00:00,123 ERROR it broke"),
        ("2026-03-01T10:00:00.5Z stdout F 2026 INFO up", "INFO", "2026 INFO up"),
        (
            '{"log": "FATAL: no space\\n", "stream": "stderr", "time": "2026-03-01T10:00:00.1Z"}',
            "CRITICAL",
            "FATAL: no space",
        ),
        ("Mar  1 10:00:00 host app[1]: ERROR gone", "ERROR", "Mar  1 10:00:00 host app[1]: ERROR gone"),
        ("W0301 10:00:00.000001       1 x.go:1] late", "WARNING", "W0301 10:00:00.000001       1 x.go:1] late"),
        ("2026/03/01 10:00:00 [error] 7#7: upstream", "ERROR", "2026/03/01 10:00:00 [error] 7#7: upstream"),
        (
            '1.2.3.4 - - [01/Mar/2026:11:00:00 +0100] "GET / HTTP/1.1" 502 12',
            "ERROR",
            '1.2.3.4 - - [01/Mar/2026:11:00:00 +0100] "GET / HTTP/1.1" 502 12',
        ),
        (
            '{"__REALTIME_TIMESTAMP": "1772359200000000", "MESSAGE": [79, 75], "PRIORITY": "3"}',
            "ERROR",
            "OK",
        ),
    ],
)
def test_every_usual_log_line_has_its_time_and_level(line: str, level: str, message: str) -> None:
    """JSON, logfmt, text, CRI, Docker, syslog, klog, nginx, access logs and journald."""
    told = Told()
    (found,) = log(line, told)
    assert abs(found.time - T0) < 1
    assert (found.level, found.message, told.problems) == (level, message, ())


def test_stack_traces_belong_to_the_line_before_and_cut_lines_are_joined() -> None:
    """A line without a time goes on; a runtime's partial line waits for its end."""
    assert log("2026-03-01 10:00:00 ERROR x\nTraceback:\n  boom\n")[0].message.endswith("x\nTraceback:\n  boom")
    (joined,) = log("2026-03-01T10:00:00Z stdout P one \n2026-03-01T10:00:00Z stdout F two\n")
    assert joined.message == "one two"


def test_truncated_and_timeless_lines_are_told_by_number() -> None:
    """The rest of the file is still read."""
    told = Told()
    found = log(
        'no time\n{"time": 1772359200, "message": "m", "service": "db"}\n{"time": 17723\n{"message": "x"}', told
    )
    assert [line.service for line in found] == ["db"]
    assert [p.split(":")[0] for p in told.problems] == ["a.log line 1", "a.log line 3", "a.log line 4"]
    assert log('{"time": 1772359200, "message": "m", "service": "db"}', service="mine", fixed=True)[0].service == "mine"


def test_a_file_in_which_nothing_has_a_time_is_an_error() -> None:
    """Prose and binary files are no logs; an empty file is an empty log."""
    with pytest.raises(EvidenceError, match=r"a\.log"):
        log("hello\n\x00world\n")
    assert log("") == []


def test_secrets_do_not_pass() -> None:
    """Logs, spans' attributes, variables and Secret objects lose what they should not tell."""
    assert "hunter2" not in str(log("2026-03-01 10:00:00 INFO password=hunter2\nsecret: hunter2 again"))
    dump = {
        "kind": "List",
        "items": [
            {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aHVudGVyMg"}},
            {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]}},
            {
                "kind": "Pod",
                "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
            },
        ],
    }
    found = read_platform(json.dumps(dump).encode(), "dump.json")
    assert [o["kind"] for o in found] == ["Secret", "Pod", "Pod"]
    assert "hunter2" not in str(found)
    assert "aHVudGVyMg" not in str(found)


def answer(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(rows)}}).encode()


def test_a_range_answer_becomes_series_with_rates_for_counters() -> None:
    """Raw counters go through the meter, results of expressions stay; NaN, repeats and broken points are told."""
    told = Told()
    counter = {"__name__": "http_requests_total", "job": "shop", "status": "200"}
    found = read_range(
        answer(
            {"metric": counter, "values": [[T0 + 5 * i, str(10 * i)] for i in range(5)]},
            {
                "metric": {"service": "odd name/ä"},
                "values": [[T0 * 1000, "1"], [T0 * 1000, "2"], [1, "x"], [T0, "NaN"]],
            },
            {"metric": {}},
        ),
        "p.json",
        told,
        metric="lag",
    )
    rates = [s for s in found if s.service == "shop" and s.metric == "request_rate"]
    assert rates
    assert rates[0].values[-1] == pytest.approx(2.0)
    odd = next(s for s in found if s.service == "odd name/ä")
    assert (odd.metric, odd.times, odd.values) == ("lag", (T0,), (2.0,))
    assert any("milliseconds" in n for n in told.notes)
    assert any("NaN" in n for n in told.notes)
    assert any("repeat" in n for n in told.notes)
    assert [p.split(":")[0] for p in told.problems] == ["p.json result[1].values[2]", "p.json result[2]"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1",
        b'{"status": "error", "error": "bad"}',
        b'{"data": {"resultType": "vector", "result": []}}',
        b"7",
    ],
)
def test_what_is_no_range_answer_is_an_error_that_names_the_file(content: bytes) -> None:
    """Truncated files, failed queries and other result types."""
    with pytest.raises(EvidenceError) as error:
        read_range(content, "p.json", Told(), metric="m")
    assert "p.json" in error.value.message
    assert error.value.expected


def spans_document(camel: bool) -> bytes:
    names = ("resourceSpans", "scopeSpans", "traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano")
    snake = ("resource_spans", "scope_spans", "trace_id", "span_id", "parent_span_id")
    k = names if camel else (*snake, "start_time_unix_nano", "end_time_unix_nano")
    start = int(T0) * 10**9

    def batch(service: str, span: str, parent: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            k[2]: "a" * 32,
            k[3]: span * 16,
            k[4]: parent * 16,
            k[5]: str(start),
            k[6]: str(start + 1_500_001),
        }
        row |= {"name": "GET /", "kind": 2, "status": {"code": 2}}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        return {"resource": resource, k[1]: [{"spans": [row, {"name": "no id"}]}]}

    return json.dumps({k[0]: [batch("web", "b", ""), batch("db", "c", "b")]}).encode()


@pytest.mark.parametrize("camel", [True, False])
def test_otlp_in_both_spellings(camel: bool) -> None:
    """Nanosecond strings are exact, a malformed span is told by its place, edges follow from parents."""
    told = Told()
    found = read_traces(spans_document(camel), "t.json", told)
    assert [(s.service, s.duration_ms, s.status, s.start) for s in found] == [
        ("web", 1.500001, "ERROR", T0),
        ("db", 1.500001, "ERROR", T0),
    ]
    assert [(e.caller, e.callee) for e in edges_of(found)] == [("web", "db")]
    assert len(told.problems) == 2
    assert not told.notes


def test_jaeger_and_wrong_units_and_strangers() -> None:
    """Jaeger's microseconds; OTLP in milliseconds is said; another document is an error that names the file."""
    jaeger = {
        "data": [
            {
                "processes": {"p1": {"serviceName": "cart"}},
                "spans": [
                    {"traceID": "t", "spanID": "s", "processID": "p1", "startTime": int(T0 * 1e6), "duration": 2500}
                ],
            }
        ]
    }
    (span,) = read_traces(json.dumps(jaeger).encode(), "j.json", Told())
    assert (span.service, span.start, span.duration_ms) == ("cart", T0, 2.5)
    told = Told()
    start = str(int(T0) * 10**9)
    content = spans_document(True).decode().replace(start, start[:13]).replace(f"{int(T0)}001500001", start[:12] + "7")
    assert read_traces(content.encode(), "t.json", told)[0].duration_ms == pytest.approx(7, abs=0.01)
    assert any("milliseconds" in n for n in told.notes)
    with pytest.raises(EvidenceError, match=r"x\.json"):
        read_traces(b'{"spans": 1}', "x.json", Told())
    with pytest.raises(EvidenceError, match=r"x\.json"):
        read_traces(b"garbage", "x.json", Told())


@pytest.mark.parametrize("content", [b"a: [1", b"just text", b"&a [1]\n---\n*a", b'{"x": 1}', b"\x00"])
def test_what_is_no_platform_dump_is_an_error(content: bytes) -> None:
    """Truncated YAML, prose, aliases and JSON of something else."""
    with pytest.raises(EvidenceError, match=r"d\.yaml"):
        read_platform(content, "d.yaml")


def test_a_dump_in_yaml_documents() -> None:
    """Several documents, lists flattened."""
    text = "kind: PodList\nitems:\n- metadata: {name: a}\n---\nkind: Service\nmetadata: {name: b}\n"
    assert [o["kind"] for o in read_platform(text.encode(), "d.yaml")] == ["Pod", "Service"]
    assert read_platform(b"", "d.yaml") == []


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.text('{}[]":,.0123456789eE-+naNTZ= \n\\abc', max_size=200).map(str.encode))
def test_no_bytes_make_a_reader_fall_over(content: bytes) -> None:
    """Whatever a file holds: values, told problems, or an EvidenceError."""
    told = Told()
    for read in (
        lambda: read_log(content, "f", told, service="a", now=NOW),
        lambda: read_range(content, "f", told, metric="m"),
        lambda: read_traces(content, "f", told),
        lambda: read_platform(content, "f"),
        lambda: read_streams(content, "f", told, now=NOW),
    ):
        with suppress(EvidenceError):
            read()


def test_lokis_streams_become_log_lines() -> None:
    """Time from the entry, service from the labels, level and trace from the line, the labels or the metadata."""
    ns = str(int(T0) * 10**9)
    rows = [
        {
            "stream": {"app": "cart", "detected_level": "error"},
            "values": [[ns, "2020-01-01T00:00:00Z boom token=hunter2"], [ns, '{"level": "warn", "msg": "slow"}'], [ns]],
        },
        {"stream": {"job": "web"}, "values": [[ns[:13], "x", {"trace_id": "t1", "level": "info"}]]},
        {"stream": None},
    ]
    told = Told()
    content = json.dumps({"status": "success", "data": {"resultType": "streams", "result": rows}}).encode()
    found = read_streams(content, "l.json", told, now=NOW)
    assert [(x.time, x.service, x.level, x.trace_id) for x in found] == [
        (T0, "cart", "ERROR", ""),
        (T0, "cart", "WARNING", ""),
        (T0, "web", "INFO", "t1"),
    ]
    assert "hunter2" not in str(found)
    assert [p.split(":")[0] for p in told.problems] == ["l.json result[0].values[2]", "l.json result[2]"]
    assert any("milliseconds" in n for n in told.notes)
    for wrong in (
        b"[]",
        b"{",
        b'{"status": "error", "error": "x"}',
        b'{"data": {"resultType": "matrix", "result": []}}',
    ):
        with pytest.raises(EvidenceError, match=r"l\.json"):
            read_streams(wrong, "l.json", told, now=NOW)


def test_a_moment_in_every_unit() -> None:
    """One instant, five spellings."""
    spellings = (T0, T0 * 1e3, int(T0) * 10**6, str(int(T0) * 10**9), "2026-03-01T11:00:00.000000000+01:00")
    assert {moment(v)[0] for v in spellings} == {T0}
    for wrong in (float("nan"), 1e30, "noon", None, True, "2026-13-01T00:00:00Z"):
        with pytest.raises(ValueError):
            moment(wrong)


def test_the_command_builds_what_investigate_reads(tmp_path: Path) -> None:
    """Four sources in one archive; the summary tells rows, empties and problems."""
    (tmp_path / "api.log").write_text("2026-03-01 10:00:00 ERROR password=hunter2\n")
    (tmp_path / "t.json").write_bytes(spans_document(True))
    (tmp_path / "p.json").write_bytes(answer({"metric": {"job": "api"}, "values": [[T0, "1"]]}))
    (tmp_path / "c.jsonl").write_text(
        json.dumps({"time": T0, "kind": "deploy", "id": "d1", "service": "api"}) + "\nx\n"
    )
    (tmp_path / "k.yaml").write_text("")
    out = tmp_path / "case.tar.gz"
    words = [
        "bundle",
        "build",
        str(out),
        "--prometheus",
        f"lag={tmp_path / 'p.json'}",
        "--log",
        str(tmp_path / "api.log"),
    ]
    words += ["--otlp", str(tmp_path / "t.json"), "--changes", str(tmp_path / "c.jsonl")]
    words += ["--kubernetes", str(tmp_path / "k.yaml"), "--onset", "2026-03-01T10:00:00Z", "--alert", "api", "--json"]
    result = CliRunner().invoke(app, words)
    document = json.loads(result.stdout)
    assert [s["rows"] for s in document["sources"]] == [1, 1, 2, 0, 1]
    assert document["empty"] == [str(tmp_path / "k.yaml")]
    assert len(document["problems"]) == 3
    bundle = read_bundle(out)
    assert (bundle.onset, bundle.series[0].metric, len(bundle.spans), bundle.changes[0].id) == (
        T0,
        "lag",
        2,
        "d1",
    )
    assert "hunter2" not in str(bundle)
