"""Incident bundles: reading what strangers write, writing what can be read again."""

from __future__ import annotations

import gzip
import io
import json
import math
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.alert import Change
from domain.bundle import AlertHint, AlertSignal, Bundle, Edge, LogLine, Node, Reading, Series, Span
from domain.errors import EvidenceError
from tools.bundle import files, read_bundle, read_truth, write_bundle

WORD = st.text("abcdefghij -_/äö", min_size=1, max_size=12).filter(lambda w: w.strip() == w and w != "")
TIME = st.floats(1_600_000_000, 1_900_000_000).map(lambda t: round(t, 3))
NUMBER = st.floats(-1e9, 1e9)


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    def rows(strategy: st.SearchStrategy, key: str = "") -> tuple[Any, ...]:
        found = draw(st.lists(strategy, max_size=3))
        return tuple(sorted(found, key=lambda r: getattr(r, key)) if key else found)

    names = draw(st.lists(st.tuples(WORD, WORD), max_size=3, unique=True))
    series = []
    for service, metric in sorted(names):
        times = sorted(draw(st.lists(TIME, min_size=1, max_size=4, unique=True)))
        values = [draw(NUMBER) for _ in times]
        series.append(Series(service=service, metric=metric, times=tuple(times), values=tuple(values)))
    window = draw(st.none() | st.tuples(TIME, TIME).map(lambda w: (min(w), max(w))))
    return Bundle(
        id=draw(WORD),
        title=draw(WORD),
        system=draw(WORD),
        alert=draw(st.none() | st.builds(AlertHint, service=WORD, metric=WORD, threshold=st.none() | NUMBER)),
        onset=draw(st.none() | TIME),
        normal=window,
        services=tuple(draw(st.lists(WORD, max_size=3))),
        changes_asked=draw(st.booleans()),
        edges=rows(st.builds(Edge, caller=WORD, callee=WORD, kind=WORD)),
        nodes=rows(st.builds(Node, name=WORD, host=WORD)),
        series=tuple(series),
        logs=rows(
            st.builds(LogLine, time=TIME, service=WORD, message=WORD, attributes=st.dictionaries(WORD, WORD)), "time"
        ),
        spans=rows(
            st.builds(Span, trace_id=WORD, span_id=WORD, service=WORD, operation=WORD, start=TIME, duration_ms=NUMBER),
            "start",
        ),
        signals=rows(st.builds(AlertSignal, service=WORD, kind=WORD, name=WORD, time=st.none() | TIME)),
        changes=rows(
            st.builds(
                Change,
                id=WORD,
                kind=st.sampled_from(["commit", "deploy", "config"]),
                time=TIME.map(lambda t: datetime.fromtimestamp(int(t), UTC)),
                summary=WORD,
                files=st.lists(WORD, max_size=2),
            ),
            "time",
        ),
        readings=rows(
            st.builds(
                Reading,
                probe=WORD,
                service=WORD,
                time=TIME,
                ok=st.none() | st.booleans(),
                values=st.dictionaries(WORD, NUMBER),
            )
        ),
        platform=tuple(
            draw(st.lists(st.fixed_dictionaries({"kind": WORD, "spec": st.dictionaries(WORD, WORD)}), max_size=2))
        ),
        documents=tuple((f"{i}.md", draw(WORD)) for i in range(draw(st.integers(0, 2)))),
    )


@given(bundle=bundles(), packed=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, packed: bool
) -> None:
    """Write then read is the identity, for folders and for archives."""
    folder = tmp_path_factory.mktemp("bundle")
    target = folder / ("b.tar.gz" if packed else "b")
    assert read_bundle(write_bundle(bundle, target)) == bundle


def folder(tmp_path: Path, **contents: str | bytes) -> Path:
    """A bundle folder; `__` in a name is a dot."""
    place = tmp_path / "case"
    place.mkdir(exist_ok=True)
    for name, content in {"incident__json": '{"id": "i1"}', **contents}.items():
        data = content.encode() if isinstance(content, str) else content
        (place / name.replace("__", ".")).write_bytes(data)
    return place


def test_only_incident_json_is_required(tmp_path: Path) -> None:
    """A folder with nothing else is a bundle without data and without problems."""
    bundle = read_bundle(folder(tmp_path))
    assert (bundle.id, bundle.series, bundle.problems) == ("i1", (), ())


def test_a_folder_without_incident_is_refused_with_a_hint(tmp_path: Path) -> None:
    """What is not a bundle is an error that says what was expected."""
    with pytest.raises(EvidenceError) as error:
        read_bundle(tmp_path)
    assert "incident.json" in error.value.expected
    with pytest.raises(EvidenceError):
        read_bundle(tmp_path / "nowhere")


def test_malformed_lines_are_reported_by_number_and_skipped(tmp_path: Path) -> None:
    """Good rows stay, bad ones are told with their line."""
    bundle = read_bundle(
        folder(
            tmp_path,
            logs__jsonl='{"time": 2, "service": "a", "message": "x"}\nnonsense\n\n{"time": "soon", "service": "a"}\n[1]\n',
            metrics__csv="time,service,metric,value\n1,a,m,2\n2,a,m,oops\n3,a,m\n4,a,m,nan\n5,a,m,7\n",
            changes__jsonl='{"time": 1, "kind": "party", "id": "c"}\n{"time": 1, "kind": "deploy", "id": "d"}\n',
        )
    )
    assert [row.message for row in bundle.logs] == ["x"]
    assert bundle.series[0].values == (2.0, 7.0)
    assert [c.id for c in bundle.changes] == ["d"]
    told = "\n".join(bundle.problems)
    for place in ("logs.jsonl line 2", "logs.jsonl line 4", "logs.jsonl line 5"):
        assert place in told
    for place in ("metrics.csv line 3", "metrics.csv line 4", "metrics.csv line 5", "changes.jsonl line 1"):
        assert place in told


def test_many_problems_are_counted_not_listed(tmp_path: Path) -> None:
    """A file of garbage does not fill the report."""
    bundle = read_bundle(folder(tmp_path, logs__jsonl="garbage\n" * 500))
    assert len(bundle.problems) == 21
    assert "480 more" in bundle.problems[-1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("incident__json", "[]"),
        ("incident__json", "{"),
        ("incident__json", '{"schema_version": "2"}'),
        ("incident__json", '{"windows": {"normal": [1]}}'),
        ("incident__json", '{"onset": "noon"}'),
        ("topology__json", '{"edges": 3}'),
        ("metrics__csv", "a,b\n1,2\n"),
        ("state__json", "3"),
        ("logs__jsonl__gz", b"not gzip"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(tmp_path: Path, name: str, content: str | bytes) -> None:
    """Nothing is guessed from a file that cannot be read as a whole."""
    with pytest.raises(EvidenceError) as error:
        read_bundle(folder(tmp_path, **{name: content}))
    assert name.replace("__", ".").removesuffix(".gz") in error.value.message


def test_windows_come_in_any_order_or_not_at_all(tmp_path: Path) -> None:
    """The normal window may lie later, ends may be swapped, null stays null."""
    bundle = read_bundle(
        folder(tmp_path, incident__json='{"id": "i", "windows": {"normal": [900, 800], "abnormal": [1, 2]}}')
    )
    assert (bundle.normal, bundle.abnormal) == ((800.0, 900.0), (1.0, 2.0))
    assert read_bundle(folder(tmp_path, incident__json='{"id": "i", "windows": null, "alert": {}}')).alert is None


def test_unknown_fields_and_files_are_kept_or_ignored(tmp_path: Path) -> None:
    """Unknown fields survive a round trip; unknown files and the label are not touched."""
    place = folder(
        tmp_path,
        incident__json='{"id": "i", "ticket": 7}',
        alerts__jsonl='{"service": "a", "kind": "metric", "name": "n", "weight": 2}\n',
        logs__jsonl='{"time": 1, "service": "a", "message": "m", "pod": "p"}\n',
        truth__json="not even json",
        other__bin=b"\x00",
    )
    bundle = read_bundle(place)
    again = read_bundle(write_bundle(bundle, tmp_path / "again"))
    assert again.extra == bundle.extra == {"incident.json": {"": {"ticket": 7}}, "alerts.jsonl": {"0": {"weight": 2}}}
    assert bundle.logs[0].attributes == {"pod": "p"}
    assert bundle.problems == ()


def test_gz_variants_and_odd_headers(tmp_path: Path) -> None:
    """Compressed files, byte order marks, other column orders and quoted cells are all fine."""
    bundle = read_bundle(
        folder(
            tmp_path,
            metrics__csv__gz=gzip.compress(
                '\ufeffvalue,time,service,metric,unit\n5,2,"a,b",m,s\n4,1,"a,b",m,s\n'.encode()
            ),
            spans__jsonl__gz=gzip.compress(
                b'{"trace_id": "t", "span_id": "s", "service": "a", "operation": "o", "start": 1, "duration_ms": 2}\n'
            ),
        )
    )
    assert bundle.series == (Series(service="a,b", metric="m", times=(1.0, 2.0), values=(4.0, 5.0)),)
    assert len(bundle.spans) == 1


def test_truth_is_read_only_when_asked_for(tmp_path: Path) -> None:
    """Scorers get the label; a bundle without one says so."""
    assert read_truth(folder(tmp_path, truth__json='{"service": "a"}')) == {"service": "a"}
    (tmp_path / "case" / "truth.json").unlink()
    assert read_truth(tmp_path / "case") is None


def test_state_in_every_shape(tmp_path: Path) -> None:
    """Our readings, Kubernetes lists, mappings of lists and plain host state."""
    ours = read_bundle(
        folder(
            tmp_path,
            state__json='{"readings": [{"probe": "p", "service": "a", "time": 1, "ok": true}, 3], "objects": [{"kind": "Pod"}]}',
        )
    )
    assert (len(ours.readings), len(ours.platform), len(ours.problems)) == (1, 1, 1)
    listed = read_bundle(folder(tmp_path, state__json='{"kind": "PodList", "items": [{"metadata": {"name": "a"}}]}'))
    assert listed.platform == ({"kind": "Pod", "metadata": {"name": "a"}},)
    mapped = read_bundle(
        folder(tmp_path, state__json='{"pods": {"items": [{"kind": "Pod"}]}, "events": [{"kind": "Event"}]}')
    )
    assert [o["kind"] for o in mapped.platform] == ["Pod", "Event"]
    host = read_bundle(folder(tmp_path, state__json='{"cpu": 0.4, "disk": {"used": 1}}'))
    assert host.platform == ({"cpu": 0.4, "disk": {"used": 1}},)


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_cannot_reach_outside(tmp_path: Path) -> None:
    """Names that climb, absolute names and links are left out and reported; nothing is unpacked."""
    link = tarfile.TarInfo("case/logs.jsonl")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = archive(
        tmp_path / "b.tar.gz",
        (tarfile.TarInfo("case/incident.json"), b'{"id": "i"}'),
        (tarfile.TarInfo("../../evil/metrics.csv"), b"x"),
        (tarfile.TarInfo("/tmp/spans.jsonl"), b"x"),
        (link, b""),
    )
    bundle = read_bundle(path)
    assert bundle.id == "i"
    assert len(bundle.problems) == 3
    assert not bundle.logs
    assert not bundle.spans


def test_a_folder_cannot_reach_outside(tmp_path: Path) -> None:
    """A link to a file elsewhere is left out and reported."""
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    place = folder(tmp_path)
    (place / "docs").mkdir()
    (place / "docs" / "a.md").symlink_to(secret)
    (place / "docs" / "b.md").write_text("fine")
    bundle = read_bundle(place)
    assert bundle.documents == (("b.md", "fine"),)
    assert len(bundle.problems) == 1


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decompression stops at the budget, in folders and in archives, also for members nobody wants."""
    monkeypatch.setattr(files, "MAX_BYTES", 200_000)
    path = archive(
        tmp_path / "b.tar.gz",
        (tarfile.TarInfo("whatever.bin"), b"0" * 500_000),
        (tarfile.TarInfo("incident.json"), b'{"id": "i"}'),
    )
    with pytest.raises(EvidenceError, match="too large"):
        read_bundle(path)
    place = folder(tmp_path, logs__jsonl__gz=gzip.compress(b"0" * 1_000_000))
    opened = files.open_files(place)
    opened.budget = 200_000
    with pytest.raises(EvidenceError, match="too large"):
        opened.read("logs.jsonl")


def test_an_export_holds_no_secrets(tmp_path: Path) -> None:
    """Everything textual is redacted on the way out."""
    bundle = Bundle(
        id="i",
        logs=(LogLine(time=1, service="a", message="password=hunter2 postgres://u:pw123@h/db"),),
        documents=(("../x", "token: abcdefgh12345"),),
        readings=(Reading(probe="p", service="a", time=1.0, ok=True, values={"api_key": "k-123456"}),),
    )
    write_bundle(bundle, tmp_path / "b")
    text = "".join(p.read_text() for p in (tmp_path / "b").rglob("*") if p.is_file())
    for secret in ("hunter2", "pw123", "abcdefgh12345", "k-123456"):
        assert secret not in text
    assert read_bundle(tmp_path / "b").documents[0][0] == "x.md"


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_any_bytes_as_metrics_never_break_the_reader(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    """Garbage below a good header is reported or read, never more than that."""
    place = tmp_path_factory.mktemp("m")
    (place / "incident.json").write_text(json.dumps({"id": "i"}))
    (place / "metrics.csv").write_bytes(b"time,service,metric,value\n1,a,m,2\n" + garbage)
    (place / "logs.jsonl").write_bytes(garbage)
    try:
        bundle = read_bundle(place)
    except EvidenceError:
        return
    assert all(math.isfinite(v) for s in bundle.series for v in s.values)
