"""Where everything of one installation lies: FIREBREAK_HOME as paths, and the tokens its processes share."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKENS = ("operator", "agent", "chaos", "intake", "guard")
"""operator: the person at this machine · agent: the app at the action server · chaos: the drill runner · intake: alert senders ·
guard: the action server at the chaos server, to redeem injections."""


PERSONS_TOKEN = "FIREBREAK_TOKEN"
"""A person's own token (`firebreak people add NAME`): commands speak in that person's name. No process of ours gets it."""


@dataclass(frozen=True, slots=True)
class Home:
    """One FIREBREAK_HOME. Paths are absolute."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Home:
        return cls(path.expanduser().resolve())

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def stack(self) -> Path:
        return self.path / "stack"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the embedded redis-server; a socket path may have 107 bytes, so a long home gets a short one."""
        inside = self.redis / "redis.sock"
        if len(str(inside)) <= 100:
            return inside
        name = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"firebreak-{os.getuid()}-{name}.sock"

    @property
    def chaos_config(self) -> Path:
        """Names the inventory whose clusters the chaos server of this home may have broken."""
        return self.run / "chaos-config"

    def prepare(self) -> None:
        """Make the folders (0700 where secrets live) and whatever tokens are missing."""
        for folder in (self.path, self.run, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.secrets.chmod(0o700)
        for name in TOKENS:
            if not self.token_file(name).exists():
                write_private(self.token_file(name), secrets.token_urlsafe(32))

    def token_file(self, name: str) -> Path:
        return self.secrets / f"{name}.token"

    def token(self, name: str) -> str:
        """The token, or an empty string when this home has none yet."""
        file = self.token_file(name)
        return file.read_text().strip() if file.exists() else ""

    def stack_facts(self) -> dict[str, Any]:
        """What the local stack wrote about itself (`stack.json`), or an empty mapping."""
        file = self.stack / "stack.json"
        if not file.exists():
            return {}
        facts: dict[str, Any] = json.loads(file.read_text())
        return facts


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    temporary = file.with_suffix(file.suffix + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    temporary.replace(file)
