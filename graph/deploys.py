"""What deploys and commits changed: their diffs, from the checkout that the inventory names for a service.

A deploy changed everything between the commit that ran before it and its own; the one before it may lie long back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import structlog

from domain.alert import Change
from domain.bundle import Window
from domain.errors import ToolError
from domain.inventory import Inventory, Service
from graph.changes import Changes
from tools.git import Checkout

log = structlog.get_logger(__name__)

LOOK_BACK_S = 90 * 86_400.0
"""How far back the deploy before is looked for, in seconds."""
MOST = 20_000
"""Characters of a diff that are kept."""
_FILE = re.compile(r"^\+\+\+ b/(.+)$|^--- a/(.+)$", re.M)


class ReadDeploys:
    """`changes`, in which deploys and commits without a diff carry what Git says. Relative folders start from `root`."""

    def __init__(self, changes: Changes, inventory: Inventory, root: Path) -> None:
        self._changes = changes
        self._checkouts = {s.name: checkout(s, root) for s in inventory.services if s.repository}
        self._read: dict[tuple[str, str, str], str] = {}

    async def __call__(self, window: Window) -> list[Change]:
        """Changes of the window, oldest first. A repository that cannot be read leaves them as they were told."""
        found = await self._changes(window)
        if not any(self._unread(change) for change in found):
            return found
        earlier = await self._changes((window[0] - LOOK_BACK_S, window[1]))
        return [await self._told(change, earlier) if self._unread(change) else change for change in found]

    def _unread(self, change: Change) -> bool:
        known = change.kind in ("deploy", "commit") and bool(change.commit or change.version)
        return known and not change.diff and change.service in self._checkouts

    async def _told(self, change: Change, earlier: Sequence[Change]) -> Change:
        after = change.commit or change.version
        before = f"{after}~1" if change.kind == "commit" else ran_before(change, earlier)
        if not before or before == after:
            return change
        try:
            diff = await self._diff(change.service, before, after)
        except ToolError as error:
            log.warning("deploy.unread", service=change.service, change=change.id, error=error.message)
            return change
        return change.model_copy(update={"diff": diff, "files": change.files or files_of(diff)})

    async def _diff(self, service: str, before: str, after: str) -> str:
        key = (service, before, after)
        if key not in self._read:
            self._read[key] = (await self._checkouts[service].diff(before, after))[:MOST]
        return self._read[key]


def checkout(service: Service, root: Path) -> Checkout:
    """Where the service's source lies."""
    return Checkout(folder=root / service.repository, paths=tuple(service.source))


def ran_before(deploy: Change, changes: Sequence[Change]) -> str:
    """The commit (else the version) of the last deploy of the same service before this one; empty when none is known."""
    former = [c for c in changes if c.kind == "deploy" and c.service == deploy.service and c.time < deploy.time]
    last = max(former, key=lambda c: c.time, default=None)
    return (last.commit or last.version) if last else ""


def files_of(diff: str) -> list[str]:
    """Names of the files that a unified diff touches, in order."""
    return list(dict.fromkeys(name for found in _FILE.findall(diff) for name in found if name))
