"""Containers' logs: what docker says that is no line, what it refuses, and what reaches another host's shell."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from domain.bundle import LogLine
from domain.errors import EvidenceError, ToolError
from domain.inventory import Connector, Inventory
from tests.fakes.containers import containers
from tools.telemetry.docker import DockerTelemetry, stamped
from tools.telemetry.listing import at_host

T0 = 1_772_359_200.0
INVENTORY = Inventory.model_validate(
    {
        "services": [
            {"name": "api", "kind": "api", "telemetry": {"container": "shop-1"}},
            {"name": "db", "kind": "database"},
        ]
    }
)


async def test_a_service_without_a_container_has_no_lines_and_is_no_gap(tmp_path: Path) -> None:
    """Only what runs in docker is read there, by the name that the inventory gives; the check says of how many."""
    with containers([LogLine(time=T0, service="shop-1", message="ERROR full", level="ERROR")], tmp_path):
        source = DockerTelemetry(INVENTORY, host="ops@web-1")
        (line,) = await source.logs((T0 - 10, T0 + 10))
        assert (line.service, line.message, line.level, line.time) == ("api", "ERROR full", "ERROR", T0)
        assert source.gaps == ()
        check = await source.check(T0 + 60)
    assert (check.found, check.unseen) == ("docker, lines of 1 of 2 services in the last hour", ("db",))


async def test_a_daemon_that_refuses_is_an_error_with_the_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docker said, redacted, and what to do; without docker, that it is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="docker is not on the PATH"):
        await DockerTelemetry(INVENTORY).logs((T0, T0 + 1))
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'permission denied, password=hunter2secret' >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(EvidenceError) as caught:
        await DockerTelemetry(INVENTORY).logs((T0, T0 + 1))
    assert "permission denied" in caught.value.found
    assert "hunter2" not in caught.value.found
    assert "usermod -aG docker" in caught.value.hint


@pytest.mark.parametrize("row", [b"", b"Error response from daemon", b"2026-03-", b"\xff\xfe x"])
def test_what_carries_no_time_is_no_line(row: bytes) -> None:
    """Docker's own words and a cut first line are left out."""
    assert stamped(row, "api") is None


def test_words_stay_words_on_another_host() -> None:
    """The other host's shell sees each word quoted, and ssh no option among them."""
    words = at_host("ops@web-1", ["docker", "logs", "--", "a; rm -rf /"])
    assert words[-2:] == ["ops@web-1", "docker logs -- 'a; rm -rf /'"]
    assert shlex.split(words[-1])[-1] == "a; rm -rf /"
    with pytest.raises(ValueError, match="host"):
        Connector(kind="docker", host="-oProxyCommand=x")
