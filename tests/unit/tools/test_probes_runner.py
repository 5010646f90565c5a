"""The runner of probes, and what is read out of pages and migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bundle import Reading
from domain.clock import ManualClock
from domain.errors import ToolError, ToolUnavailableError
from domain.inventory import Inventory, Service
from tools.probes import probe as probe_module
from tools.probes.probe import Probe, Shared, reading
from tools.probes.runner import PROBES, ProbeRunner
from tools.schema import revisions
from tools.series import gauge, samples
from tools.target import Target

Read = Callable[[Target, Shared], Awaitable[list[Reading]]]


def _runner(**reads: Read) -> ProbeRunner:
    probes = [Probe(name=name, applies=lambda s: s.kind != "host", read=read) for name, read in reads.items()]
    inventory = Inventory(services=[Service(name="a", kind="api"), Service(name="b", kind="host")])
    return ProbeRunner(inventory, {}, clock=ManualClock(), probes=probes)


def _raising(error: Exception) -> Read:
    async def read(target: Target, shared: Shared) -> list[Reading]:
        raise error

    return read


async def _fine(target: Target, shared: Shared) -> list[Reading]:
    return [reading("fine", target, ok=True, text="password=abcdefgh", note={"api_key": "abcdefgh"})]


async def _hangs(target: Target, shared: Shared) -> list[Reading]:
    await asyncio.sleep(60)
    return []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ToolUnavailableError("far end down", hint="start it"), "start it"),
        (ValueError("secret"), "unreadable answer: ValueError"),
        (OSError("x"), "OSError"),
    ],
)
async def test_one_blind_spot_does_not_cost_the_others(error: Exception, words: str) -> None:
    """A probe that fails becomes a reading that cannot tell, with the reason; the others are there."""
    found = await _runner(bad=_raising(error), fine=_fine).run()
    assert [(r.probe, r.ok) for r in found] == [("bad", None), ("fine", True)]
    assert words in found[0].data_gap


async def test_a_probe_that_hangs_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reading takes longer than its bound."""
    monkeypatch.setattr(probe_module, "BOUND_S", 0.05)
    found = await _runner(slow=_hangs).run()
    assert (found[0].ok, found[0].data_gap) == (None, "no answer within 0.05 s")


async def test_readings_are_redacted() -> None:
    """Whatever a probe says goes through redaction."""
    found = await _runner(fine=_fine).run(["fine"], ["a"])
    assert "abcdefgh" not in str(found)


async def test_unknown_names_are_refused() -> None:
    """A misspelt probe or service is an error that lists the known ones, not silence."""
    with pytest.raises(ToolError, match="unknown probe"):
        await _runner(fine=_fine).run(["find"])
    with pytest.raises(ToolError, match="unknown service"):
        await _runner(fine=_fine).run(None, ["c"])
    assert await _runner(fine=_fine).run([], None) == []
    assert await _runner(fine=_fine).run(None, ["b"]) == []


async def test_shared_facts_are_read_once() -> None:
    """Several readers cause one read, and one that gives up does not disturb the others."""
    shared, reads = Shared(), 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0.02)
        return 7

    first = asyncio.create_task(shared.once("k", read))
    await asyncio.sleep(0)
    first.cancel()
    assert await shared.once("k", read) == 7
    assert reads == 1
    await shared.close()


def test_probe_names_are_unique() -> None:
    """One registration per probe."""
    names = [p.name for p in PROBES]
    assert len(names) == len(set(names)) == 23


PAGE = """# HELP db_pool_size x
db_pool_size 5
db_pool_size_peak 9
http_requests_total{route="/a\\"b",status="200"} 3 1700000000
broken line
nan_gauge NaN
"""


def test_samples_are_found_by_name_and_pattern() -> None:
    """Comments and broken lines are skipped; the plainest name wins; an override is exact."""
    found = {s.name: s for s in samples(PAGE)}
    assert found["http_requests_total"].labels == {"route": '/a\\"b', "status": "200"}
    assert found["http_requests_total"].value == 3
    assert gauge(PAGE, r"pool.*size") == 5
    assert gauge(PAGE, r"pool.*size", "db_pool_size_peak") == 9
    assert gauge(PAGE, r"queue") is None


@given(st.text(max_size=300))
def test_any_page_can_be_read(text: str) -> None:
    """A page of nonsense is a page without samples, never an error."""
    list(samples(text))


def test_migrations_are_read_without_being_run(tmp_path: Path) -> None:
    """The chain is followed from its root; files that are none are left out; nothing is imported."""
    files: dict[str, Any] = {
        "2.py": "revision: str = '2'\ndown_revision: str = '1'\n",
        "1.py": "revision = '1'\ndown_revision = None\nraise SystemExit('imported')\n",
        "broken.py": "def",
        "other.py": "x = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert [r.id for r in revisions([str(tmp_path)])] == ["1", "2"]
    assert revisions([]) == []
    assert revisions([str(tmp_path / "none")]) == []
