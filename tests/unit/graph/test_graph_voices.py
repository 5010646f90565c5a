"""What the app tells the ledger while the action server is away."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import stamina

from domain.errors import UpstreamError
from governance.guard.client import HttpGuard
from graph.voices import ledger_note


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


async def test_only_the_last_word_of_a_run_must_be_heard() -> None:
    """An observation that nobody hears stops nothing; the closing raises what is tried again."""
    async with HttpGuard("http://action-server", "token", httpx.MockTransport(away)) as guard:
        note = ledger_note(guard)
        await note("observation", "inc-1", {"text": "seen"})
        with pytest.raises(UpstreamError):
            await note("closing", "inc-1", {"run": "run-1"})
