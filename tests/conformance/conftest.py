"""Ledgers for the conformance suites: one PostgreSQL server for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ledgers import Stored, in_file, in_postgres
from tests.fakes.tools_postgres import running_postgres


@pytest.fixture(scope="session")
def ledger_dsn() -> Iterator[str]:
    with running_postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Stored:
    if request.param == "sqlite":
        return in_file(tmp_path)
    return in_postgres(tmp_path, request.getfixturevalue("ledger_dsn"))
