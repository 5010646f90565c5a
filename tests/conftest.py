"""What holds for all tests: laws are checked on however slow a machine; every test lies where `make test` looks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

SERVERS = {"integration", "e2e", "campaign"}
"""Marks of what starts real servers or processes."""
PLACES = {"unit": set[str](), "graph": set[str](), "evals": set[str](), "integration": {"integration"}, "e2e": SERVERS}
"""Folder → of which marks a test there has at least one; none: it has no such mark. In tests/conformance both lie side by side."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that no part of cli/checks.py would run."""
    lost = [item.nodeid for item in items if not _in_its_place(item)]
    if lost:
        raise pytest.UsageError(
            f"expected a mark that fits the folder (tests/conftest.py), found: {', '.join(lost[:5])}"
        )


def _in_its_place(item: pytest.Item) -> bool:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    marks = SERVERS & {mark.name for mark in item.iter_markers()}
    if folder not in PLACES:
        return folder == "conformance"
    return bool(marks & PLACES[folder]) if PLACES[folder] else not marks
