"""`docker logs` and `ssh` as small programs on the PATH: one shows what containers wrote, the other runs its words right here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from domain.bundle import LogLine

DOCKER = """
import json, pathlib, sys

words = sys.argv[1:]
assert words[:2] == ["logs", "--timestamps"], words
since, until = (float(w.partition("=")[2]) for w in words[2:4])
rows = json.loads((pathlib.Path(__file__).parent / "containers.json").read_text())
if words[-1] not in rows:
    sys.exit(f"Error response from daemon: No such container: {words[-1]}")
for time, stamp, severe, text in rows[words[-1]]:
    if since <= time < until:
        print(stamp, text, file=sys.stderr if severe else sys.stdout)
"""
SSH = """
import subprocess, sys

at = sys.argv.index("--")
assert sys.argv[at + 1] == "ops@web-1", sys.argv
sys.exit(subprocess.call(["sh", "-c", " ".join(sys.argv[at + 2:])]))
"""


@contextmanager
def containers(lines: Sequence[LogLine], place: Path) -> Iterator[None]:
    """Each service is a container of its name that wrote its lines, errors on the error stream."""
    written: dict[str, list[tuple[float, str, bool, str]]] = {}
    for line in lines:
        stamp = datetime.fromtimestamp(line.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        written.setdefault(line.service, []).append((line.time, stamp, line.level == "ERROR", line.message))
    (place / "containers.json").write_text(json.dumps(written))
    for name, text in (("docker", DOCKER), ("ssh", SSH)):
        (place / name).write_text(f"#!{sys.executable}\n{text}")
        (place / name).chmod(0o755)
    with mock.patch.dict(os.environ, {"PATH": f"{place}:{os.environ['PATH']}"}):
        yield
