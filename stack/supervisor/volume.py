"""The api's data directory on a small file system of its own, by the best means this machine offers.

tmpfs: mounted by root. unshare: a tmpfs inside a user and mount namespace that a holder process keeps open, reached from
outside through /proc/<holder>/root. quota: a plain directory; the api itself refuses to write beyond the limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from stack.home import Home, write_private
from stack.supervisor import procfs

SIZE_BYTES = 24 * 1024 * 1024
FORBID = "STACK_DATA_FS"
"""Environment variable that names the only means to try; for tests and for machines where one misbehaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The data directory as it was prepared."""

    kind: str
    path: Path
    """As everyone outside the api's namespace reaches it."""
    inside: Path
    """As the api sees it."""
    enter: tuple[str, ...] = ()
    """Words before a program that runs inside."""
    holder: int | None = None

    @property
    def quota_bytes(self) -> int:
        """For the api to keep, when no file system does."""
        return SIZE_BYTES if self.kind == "quota" else 0


def prepare(home: Home) -> Volume:
    """Mount what is not mounted yet. Takes over what a former supervisor mounted."""
    wanted = os.environ.get(FORBID, "")
    for kind, attempt in (("tmpfs", _tmpfs), ("unshare", _unshare)):
        if wanted in ("", kind):
            found = attempt(home)
            if found is not None:
                return found
    return Volume(kind="quota", path=home.api_data, inside=home.api_data)


def mounted(path: Path) -> bool:
    """Whether something is mounted exactly there."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return False
    escaped = str(path).replace("\\", "\\134").replace(" ", "\\040")
    return any(line.split()[1] == escaped for line in lines)


def release(home: Home) -> None:
    """Unmount and end the holder. Idempotent; needs nobody's memory."""
    for pid in _holders(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    (home.run / "volume.json").unlink(missing_ok=True)
    for _ in range(20):
        if not mounted(home.api_data):
            return
        if subprocess.run(["umount", str(home.api_data)], capture_output=True, check=False).returncode != 0:
            time.sleep(0.1)
    subprocess.run(["umount", "-l", str(home.api_data)], capture_output=True, check=False)


def _tmpfs(home: Home) -> Volume | None:
    if os.geteuid() != 0 or not shutil.which("mount"):
        return None
    here = home.api_data
    if not mounted(here):
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0755,nosuid,nodev", "shop-data", str(here)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
    return Volume(kind="tmpfs", path=here, inside=here)


def _unshare(home: Home) -> Volume | None:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return None
    pid = next(iter(_holders(home)), None) or _hold(home)
    if pid is None:
        return None
    enter = ("nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials", "--")
    outside = Path(f"/proc/{pid}/root{home.api_data}")
    if not os.access(outside, os.W_OK):
        return None
    return Volume(kind="unshare", path=outside, inside=home.api_data, enter=enter, holder=pid)


_HOLD = 'mount -t tmpfs -o "size=$2,mode=0755" shop-data "$1" && echo held && exec sleep infinity'


def _hold(home: Home) -> int | None:
    """Start the holder; its pid, or None where namespaces are not to be had."""
    child = subprocess.Popen(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            _HOLD,
            "sh",
            str(home.api_data),
            str(SIZE_BYTES),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as said:
        if said.readline().strip() != "held":
            child.kill()
            child.wait()
            return None
    row = {"pid": child.pid, "ticks": procfs.start_ticks(child.pid)}
    write_private(home.run / "volume.json", json.dumps(row))
    return child.pid


def _holders(home: Home) -> list[int]:
    try:
        found = json.loads((home.run / "volume.json").read_text())
        pid, ticks = int(found["pid"]), int(found["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [pid] if procfs.same(pid, ticks) else []
