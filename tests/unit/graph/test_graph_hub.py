"""Pull requests are followed where there is a token for GitHub, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.clock import ManualClock
from domain.inventory import Inventory, Service
from governance.guard.client import HttpGuard
from graph.checkpoint.lease import ProcessLeases
from graph.contracts.bargains import Bargains
from graph.contracts.hub import pulls_of
from graph.contracts.rollouts import Rollouts
from graph.settings import Settings
from tests.fakes.rollouts import Site
from tests.unit.web.test_web_contracts import Book, as_it_is


@pytest.mark.parametrize(("token", "bound"), [(None, False), ("", False), ("github_pat_x", True)])
async def test_a_token_binds_it(tmp_path: Path, token: str | None, bound: bool) -> None:
    """Without one a delivery is refused by the face; with one, nothing is asked before there is something to ask."""
    book, site = Book(), Site(tmp_path / "rollouts")
    bargains = Bargains(tmp_path / "c", note=book.note, say=book.say, place=as_it_is, clock=ManualClock())
    rollouts = Rollouts(site.yard(), site.folder, ProcessLeases(), "app", site.serving, site)
    settings = Settings(home=tmp_path, github_token=None if token is None else SecretStr(token), github_signs=True)
    inventory = Inventory(services=[Service(name="pay", kind="api", github="acme/shop")])
    async with HttpGuard("http://127.0.0.1:9", "t") as guard:
        pulls = pulls_of(settings, inventory, bargains, rollouts, guard)
        assert (pulls is not None) == bound
        if pulls is not None:
            assert await pulls.turn() > 0
            assert pulls.trouble == ""
