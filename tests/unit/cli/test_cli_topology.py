"""Which processes run for which inventory: nothing that breaks things, unless the inventory says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.home import Home
from cli.topology import Topology
from graph.settings import Settings


def planned(tmp_path: Path, *, chaos: bool) -> Topology:
    binding = {"via": "kubernetes", "path": "target.yaml", "options": {"workload": "web"}}
    service = {"name": "web", "kind": "api", "chaos": chaos, "bindings": {"kubernetes": binding}}
    config = tmp_path / "firebreak.yaml"
    config.write_text(json.dumps({"version": "1", "services": [service]}))
    home = Home.at(tmp_path / "home")
    home.prepare()
    return Topology.plan(home, Settings(), config)


@pytest.mark.parametrize("chaos", [True, False])
def test_own_clusters_are_broken_only_where_the_inventory_says_so(tmp_path: Path, chaos: bool) -> None:
    """Chaos server and reaper start, and the app hears of them, only then; the stack never does."""
    topology = planned(tmp_path, chaos=chaos)
    own, breaking = topology.servers()
    assert [p.name for p in breaking] == (["chaos", "reaper"] if chaos else [])
    assert bool(own[0].env["FIREBREAK_CHAOS_URL"]) is chaos
    assert "stack" not in {p.name for p in topology.stores()}
