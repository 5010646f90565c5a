"""A small Git repository for tests: commits made of files, nothing of the machine's configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Repository:
    """`commit` writes files (None deletes) and returns the commit's id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(self.folder)}
        named = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false")
        ran = subprocess.run(
            ["git", *named, *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **quiet},
            capture_output=True,
            check=True,
        )
        return ran.stdout.decode(errors="replace").strip()

    def commit(self, files: Mapping[str | bytes, str | bytes | None], message: str = "a change") -> str:
        for name, text in files.items():
            path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")
