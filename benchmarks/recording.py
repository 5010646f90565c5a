"""Records one bundle per fault of the local stack: `python -m benchmarks.recording [--fault hang …] [--to DIR]`.

The stack comes up and lives normally for a while before each fault; `firebreak drill run --fault X` breaks it blind, and
`firebreak incident export` takes what the responder saw. Its hands are off, so that the trouble stands while it looks. The
export is cut to the time around the trouble and thinned; the drill's opened label becomes `truth.json`, folders of
this machine get other names. Nothing else is edited.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.local_faults import SHIPPED
from chaos.catalogue import catalogue
from domain.bundle import Bundle, Series
from domain.drills import DrillResult
from tools.bundle import read_bundle
from tools.bundle.write import contents
from tools.telemetry.sampling import thinned, thinned_spans

FIREBREAK = Path(sys.executable).with_name("firebreak")
NORMAL_S = 75.0
"""Seconds of normal life that are lived before the fault and kept."""
SETTLE_S = 15.0
"""Seconds before those, in which the traces of what was broken before fade."""
AFTER_S = 10.0
"""Seconds kept after the probes looked: so long the examiner waits for a cure before it takes the fault back."""
PLACES = (
    (re.escape(sys.prefix.encode()), b"/opt/venv"),
    (re.escape(sys.base_prefix.encode()), b"/usr"),
    (re.escape(str(Path(__file__).resolve().parents[1]).encode()), b"/opt/firebreak"),
    (rb"/[\w./-]*/firebreak-record-\w+/home", b"/var/lib/firebreak"),
)
"""Folders of the machine that records, as regular expressions → what stands in a bundle instead."""
TRIES = 5
LINES, SPANS = 1200, 1500
MOST_BYTES = 300_000


def main() -> int:
    """Record each fault; 1 when one could not be recorded or is too large."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--fault", action="append", choices=sorted(catalogue()), help="only this one; may be repeated")
    parser.add_argument("--to", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    with running() as env:
        missed = [fault for fault in asked.fault or sorted(catalogue()) if not recorded(env, fault, asked.to)]
    return int(bool(missed))


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """The environment of a fresh home with everything up, whose responder keeps its hands off."""
    with tempfile.TemporaryDirectory(prefix="firebreak-record-") as place:
        env = {**os.environ, "FIREBREAK_HOME": str(Path(place) / "home"), "FIREBREAK_AUTONOMY": "observe"}
        _run(env, "up", "--detach")
        try:
            yield env
        finally:
            _run(env, "down", expect=(0, 1, 2, 3, 5))


def recorded(env: dict[str, str], fault: str, folder: Path) -> bool:
    """One fault after a while of normal life; whether a bundle was written."""
    time.sleep(NORMAL_S + SETTLE_S)
    try:
        result = DrillResult.model_validate_json(_run(env, "drill", "run", "--fault", fault, "--json", expect=(0, 3)))
        if result.incident is None:
            sys.stdout.write(f"{fault}: no incident was opened\n")
            return False
        size = write(exported(env, result.incident), truth_of(result), folder / f"{fault}.tar.gz", fault)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        sys.stdout.write(f"{fault}: {error}\n")
        return False
    sys.stdout.write(f"{fault}: {result.incident}, diagnosed {result.diagnosed}, {size} bytes\n")
    sys.stdout.flush()
    return size <= MOST_BYTES


def exported(env: dict[str, str], incident: str) -> Bundle:
    """The incident's bundle; asked for again while the app is busy. Raises RuntimeError at last."""
    with tempfile.TemporaryDirectory(prefix="firebreak-export-") as place:
        for left in reversed(range(TRIES)):
            try:
                _run(env, "incident", "export", incident, str(Path(place) / "export.tar.gz"))
                break
            except RuntimeError:
                if not left:
                    raise
        return read_bundle(Path(place) / "export.tar.gz")


def truth_of(result: DrillResult) -> dict[str, Any]:
    """The opened label in the bundle format's words."""
    if result.expected.get("abstain"):
        return {"services": [], "healthy": True}
    return {"services": [result.expected.get("service")], "fault_type": result.expected.get("fault_class")}


def write(bundle: Bundle, truth: dict[str, Any], place: Path, fault: str) -> int:
    """The cut bundle with its label as one archive; its size in bytes."""
    files = contents(cut(replace(bundle, id=fault))) | {"truth.json": json.dumps(truth).encode()}
    files = {name: anywhere(content) for name, content in files.items()}
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w:gz", compresslevel=9) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{fault}/{name}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return place.stat().st_size


def anywhere(content: bytes) -> bytes:
    """The content without the names of this machine's folders."""
    for here, there in PLACES:
        content = re.sub(here, there, content)
    return content


def cut(bundle: Bundle) -> Bundle:
    """The time from NORMAL_S before the onset to just after the probes looked; fewer lines and spans."""
    onset = bundle.onset or 0.0
    start = onset - NORMAL_S
    end = max((r.time for r in bundle.readings), default=onset + 60.0) + AFTER_S
    series = [inside(s, start, end) for s in bundle.series]
    return replace(
        bundle,
        normal=(start, onset),
        abnormal=(onset, end),
        series=tuple(s for s in series if s.times),
        logs=tuple(thinned([line for line in bundle.logs if start <= line.time <= end], LINES)),
        spans=tuple(thinned_spans([span for span in bundle.spans if start <= span.start <= end], SPANS)),
        changes=tuple(c for c in bundle.changes if start <= c.time.timestamp() <= end),
    )


def inside(series: Series, start: float, end: float) -> Series:
    """The points of the time, values to four digits."""
    kept = [(t, v) for t, v in zip(series.times, series.values, strict=True) if start <= t <= end]
    return replace(series, times=tuple(t for t, _ in kept), values=tuple(float(f"{v:.4g}") for _, v in kept))


def _run(env: dict[str, str], *words: str, expect: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([str(FIREBREAK), *words], env=env, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode not in expect:
        raise RuntimeError(f"firebreak {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
