"""A real journal file, written by systemd-journal-remote from the export format (https://systemd.io/JOURNAL_EXPORT_FORMATS/)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.bundle import LogLine

WRITER = Path("/lib/systemd/systemd-journal-remote")
_PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}


def write_journal(lines: Sequence[LogLine], place: Path) -> Path:
    """The lines as entries of the units `<service>.service`; skips the test where no journal can be written or read."""
    if not WRITER.exists() or shutil.which("journalctl") is None:
        pytest.skip("no systemd-journal-remote or journalctl on this machine")
    entries = [
        f"__REALTIME_TIMESTAMP={round(line.time * 1e6)}\n__MONOTONIC_TIMESTAMP={number + 1}\n"
        f"_BOOT_ID={1:032x}\n_SYSTEMD_UNIT={line.service}.service\n"
        f"PRIORITY={_PRIORITIES.get(line.level, 6)}\nMESSAGE={line.message}\n"
        for number, line in enumerate(lines)
    ]
    journal = place / "unit.journal"
    command = [str(WRITER), f"--output={journal}", "-"]
    subprocess.run(command, input="\n".join(entries) + "\n", text=True, capture_output=True, check=True)
    return journal
