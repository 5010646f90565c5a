"""Bundles that strangers got wrong in the usual ways are read, with what was understood said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.errors import EvidenceError
from tools.bundle import read_bundle, write_bundle

T0 = 1_772_359_200


def bundle(tmp_path: Path, **contents: str) -> Path:
    """A bundle folder; `__` in a name is a dot."""
    for name, content in {"incident__json": '{"id": "i1"}', **contents}.items():
        (tmp_path / name.replace("__", ".")).write_text(content)
    return tmp_path


@pytest.mark.parametrize(("factor", "unit"), [(10**3, "milli"), (10**6, "micro"), (10**9, "nano")])
def test_times_in_finer_units_are_understood_and_said(tmp_path: Path, factor: int, unit: str) -> None:
    """Metrics, logs, spans, changes, onset and windows in one wrong unit still meet at one time."""
    t = T0 * factor
    read = read_bundle(
        bundle(
            tmp_path,
            incident__json=json.dumps({"id": "i", "onset": t, "windows": {"abnormal": [t, t + 60 * factor]}}),
            metrics__csv=f"time,service,metric,value\n{t},a,m,1\n{t + factor},a,m,2\n",
            logs__jsonl=json.dumps({"time": t, "service": "a", "message": "x"}),
            spans__jsonl=json.dumps({"trace_id": "t", "span_id": "s", "service": "a", "start": t, "duration_ms": 1}),
            changes__jsonl=json.dumps({"time": t, "kind": "deploy", "id": "d"}),
        )
    )
    assert read.onset == T0
    assert read.abnormal == (T0, T0 + 60)
    assert read.series[0].times == (T0, T0 + 1)
    assert (read.logs[0].time, read.spans[0].start, read.changes[0].time.timestamp()) == (T0, T0, T0)
    assert len([n for n in read.notes if f"{unit}seconds" in n]) == 5
    assert not read.problems


def test_repeated_and_disordered_points(tmp_path: Path) -> None:
    """The last value of a time counts; order comes from the times; a time beyond any unit is told by its line."""
    text = "time,service,metric,value\n3,a,m,3\n1,a,m,1\n3,a,m,4\n1e30,a,m,5\n"
    read = read_bundle(bundle(tmp_path, metrics__csv=text))
    assert (read.series[0].times, read.series[0].values) == ((1.0, 3.0), (1.0, 4.0))
    assert "repeat a time" in read.notes[0]
    assert read.problems[0].startswith("metrics.csv line 5")


def test_empty_windows_and_odd_names_give_an_answer(tmp_path: Path) -> None:
    """Nothing in the windows, names with commas, quotes, line breaks, emoji and nothing at all: still a verdict."""
    names = ["a,b", 'q"uote', "new\nline", "😀", "../../x", "<b>", "-"]
    rows = "".join(f'{T0 + i},"{n.replace(chr(34), chr(34) * 2)}",m,{i}\n' for n in names for i in range(5))
    place = bundle(
        tmp_path,
        incident__json=json.dumps({"id": "i", "windows": {"normal": [1, 2], "abnormal": [3, 4]}, "services": names}),
        metrics__csv="time,service,metric,value\n" + rows.replace("new\nline", "new line"),
    )
    result = CliRunner().invoke(app, ["investigate", str(place), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["verdict"] in {"healthy", "inconclusive"}


def test_a_truncated_archive_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Half a download is not read as if it were whole."""
    read = read_bundle(bundle(tmp_path, logs__jsonl=json.dumps({"time": T0, "service": "a", "message": "x" * 5000})))
    whole = write_bundle(read, tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EvidenceError, match=r"half\.tar\.gz"):
        read_bundle(tmp_path / "half.tar.gz")
