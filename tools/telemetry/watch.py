"""Watching what people and supervisors do: configuration files, process states, schema versions. No network here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.alert import Change
from domain.bundle import LogLine
from domain.errors import FirebreakError
from domain.redaction import redact
from tools.config_versions import ConfigVersion, FileConfigVersions, version_of
from tools.file import read_text

GOOD_S = 10.0
"""Seconds of health under a version before it counts as good."""
FIRST_GOOD_S = 2.0
"""The same for the version that was there first: the service is seen well with it, and there is none to fall back on before."""
AGAIN_S = 60.0
"""A version that stays good is said to be so again after this."""
DIFF_LINES = 200


@dataclass(slots=True)
class ConfigWatch:
    """One service's configuration file: what changed, and which version the service is well with."""

    service: str
    path: Path
    versions: FileConfigVersions
    known: str = ""
    """Version seen last; kept across restarts of the collector."""
    since: float = 0.0
    """When the file took this content, by its own modification time."""
    healthy_since: float | None = None
    marked_at: float = 0.0
    only_one: bool = True
    """No other version was ever seen."""
    _facts: tuple[int, int, int] | None = None

    def touched(self) -> bool:
        """Whether the file may have changed since the last look (cheap)."""
        try:
            facts = self.path.stat()
        except OSError:
            found = None
        else:
            found = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        changed = found != self._facts
        self._facts = found
        return changed and found is not None

    async def look(self, now: float) -> Change | None:
        """Read the file, keep a new version, and tell what changed; None when nothing did (or it is the first look)."""
        try:
            text = read_text(self.path)
            version = version_of(text)
            if version == self.known:
                return None
            former = await self.versions.get(self.service, self.known) if self.known else None
            await self.versions.record(self.service, text, now)
        except FirebreakError:
            self._facts = None
            return None
        first = not self.known
        before, self.known = self.known, version
        self.only_one = first
        self.since = min(now, self._facts[1] / 1e9) if self._facts else now
        self.healthy_since, self.marked_at = None, 0.0
        return None if first else self._change(before, version, former or "", text, now)

    def _change(self, before: str, version: str, former: str, text: str, now: float) -> Change:
        return Change(
            id=f"config-{self.service}-{before[:6]}-{version[:6]}-{int(now)}",
            kind="config",
            time=datetime.fromtimestamp(self.since, UTC),
            service=self.service,
            version=version,
            summary=f"{self.path.name} of {self.service} was edited",
            files=[str(self.path)],
            diff=unified_diff(former, text, self.path.name),
        )

    async def note_health(self, now: float, *, healthy: bool, started_at: float | None) -> ConfigVersion | None:
        """Count healthy seconds; mark the version good when a process that was started under it has been well long enough.

        A process that started before the file changed says nothing about the file's content.
        """
        under_it = started_at is None or started_at >= self.since - 1.0
        if not healthy or not self.known or not under_it:
            self.healthy_since = None
            return None
        if self.healthy_since is None:
            self.healthy_since = now
        enough = FIRST_GOOD_S if self.only_one else GOOD_S
        enough = enough if started_at is not None else 6 * GOOD_S
        if now - self.healthy_since < enough or now - self.marked_at < AGAIN_S:
            return None
        try:
            await self.versions.mark_good(self.service, self.known, now)
        except FirebreakError:
            return None
        self.marked_at = now
        return await self.versions.latest_good(self.service)


def unified_diff(before: str, after: str, name: str) -> str:
    """A redacted unified diff, bounded."""
    rows = difflib.unified_diff(
        redact(before).splitlines(), redact(after).splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=2
    )
    listed = list(rows)
    more = [f"… {len(listed) - DIFF_LINES} more lines"] if len(listed) > DIFF_LINES else []
    return "\n".join(listed[:DIFF_LINES] + more)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """What a supervisor says about one process."""

    state: str
    pid: int | None
    restarts: int
    last_exit: str
    started_at: float | None

    @property
    def running(self) -> bool:
        """Up, and neither stopped nor waiting to be started."""
        return self.state == "running"


def process_facts(row: Mapping[str, Any]) -> ProcessFacts:
    """A status row (see `PidFileProcess.state` and the control endpoint) as facts; unknown shapes become `unknown`."""
    pid, restarts, started = row.get("pid"), row.get("restarts"), row.get("started_at")
    if isinstance(started, str):
        try:
            started = datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()
        except ValueError:
            started = None
    return ProcessFacts(
        state=str(row.get("state") or "unknown"),
        pid=pid if isinstance(pid, int) else None,
        restarts=restarts if isinstance(restarts, int) else 0,
        last_exit=str(row.get("last_exit") if row.get("last_exit") is not None else ""),
        started_at=float(started) if isinstance(started, int | float) else None,
    )


def process_note(service: str, before: Mapping[str, Any] | None, now_facts: ProcessFacts, now: float) -> LogLine | None:
    """A log line about a change of state or a restart; None when nothing changed."""
    after = facts_row(now_facts)
    if before is None or dict(before) == after:
        return None
    state = f"{before.get('state')} → {now_facts.state}" if before.get("state") != now_facts.state else now_facts.state
    pids = f", pid {before.get('pid')} → {now_facts.pid}" if before.get("pid") != now_facts.pid else ""
    exited = f", last exit {now_facts.last_exit}" if now_facts.last_exit else ""
    return LogLine(
        time=now,
        service=service,
        level="INFO" if now_facts.running and not pids else "WARNING",
        message=f"process {state}{pids}, restarts {now_facts.restarts}{exited}",
        attributes={"from": "supervisor"},
    )


def facts_row(facts: ProcessFacts) -> dict[str, Any]:
    """What is kept of the facts."""
    return {
        "state": facts.state,
        "pid": facts.pid,
        "restarts": facts.restarts,
        "last_exit": facts.last_exit,
        "started_at": facts.started_at,
    }


def migration_change(service: str, before: str, after: str, now: float) -> Change:
    """The schema's version moved, whoever moved it."""
    return Change(
        id=f"schema-{service}-{before}-{after}-{int(now)}",
        kind="migration",
        time=datetime.fromtimestamp(now, UTC),
        service=service,
        version=after,
        summary=f"the schema version went from {before or 'none'} to {after or 'none'}",
    )
