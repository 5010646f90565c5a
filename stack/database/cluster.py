"""A PostgreSQL cluster on disk: made once, configured for a small shop on loopback TCP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stack.database.binaries import Binaries, RunAs

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "100",
    "shared_buffers": "16MB",
    "max_wal_size": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Sample data of a demonstration: safe against any process's death, not against a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "max_parallel_workers": "0",
    "autovacuum_naptime": "30s",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "on",
    "deadlock_timeout": "800ms",
    "log_line_prefix": "'%m [%p] %q%u@%d %a '",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
}


def create(binaries: Binaries, who: RunAs, data: Path, password: str) -> bool:
    """initdb unless the cluster is there. True when it was made now. Raises RuntimeError with initdb's words."""
    if (data / "PG_VERSION").exists():
        return False
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix=".pw", delete=False) as secret:
        secret.write(password)
    try:
        if who.uid is not None and who.gid is not None:
            os.chown(data, who.uid, who.gid)
            os.chown(secret.name, who.uid, who.gid)
        _initdb(binaries, who, data, secret.name)
    finally:
        Path(secret.name).unlink(missing_ok=True)
    lines = "".join(f"{key} = {value}\n" for key, value in SETTINGS.items())
    with (data / "postgresql.conf").open("a") as stream:
        stream.write("\n# the shop\n" + lines + _by_version(data))
    return True


def _by_version(data: Path) -> str:
    major = int((data / "PG_VERSION").read_text().split(".")[0])
    return "io_method = sync\n" if major >= 18 else ""


def _initdb(binaries: Binaries, who: RunAs, data: Path, password_file: str) -> None:
    command = [
        *who.prefix,
        binaries.program("initdb"),
        f"--pgdata={data}",
        "--username=admin",
        "--auth=scram-sha-256",
        f"--pwfile={password_file}",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    done = subprocess.run(
        command,
        user=who.uid,
        group=who.gid,
        extra_groups=[] if who.uid is not None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=data.parent,
    )
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise RuntimeError(f"initdb failed: {(done.stderr or done.stdout).strip()[-600:]}")
