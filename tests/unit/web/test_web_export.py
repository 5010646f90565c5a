"""An incident leaves as a redacted bundle that can be investigated elsewhere."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import httpx
import pytest

from cli.bundle import unpack
from domain.crew import OutputPointer
from domain.errors import FirebreakError
from domain.lifecycle import OutputType, Phase
from tests.fakes import web_story as story
from tests.fakes.web_services import FakeResponder
from tools.bundle import read_bundle
from web.ports import Ports

SHARES_ONE_APP = True

PATH = f"/api/incidents/{story.ID}/bundle"


async def test_the_bundle_reads_back_with_its_record(person: httpx.AsyncClient, ports: Ports, tmp_path: Path) -> None:
    """Signals, windows and alert as the engine reads them; the whole record beside them."""
    answer = await person.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/gzip")
    bundle = unpack(answer.content, tmp_path / "case.tar.gz")
    assert bundle == read_bundle(tmp_path / "case.tar.gz")
    assert bundle.id == story.ID
    assert bundle.series
    assert bundle.normal is not None
    assert bundle.normal[1] == bundle.onset
    with tarfile.open(tmp_path / "case.tar.gz") as archive:
        record = archive.extractfile(f"{story.ID}/record.json")
        assert record is not None
        assert json.loads(record.read())["id"] == story.ID


async def test_a_folder_gets_the_same_files(person: httpx.AsyncClient, tmp_path: Path) -> None:
    """The outer folder of the archive is left out; what cannot be written is an error a person understands."""
    content = (await person.get(PATH)).content
    assert unpack(content, tmp_path / "case") == read_bundle(tmp_path / "case")
    (tmp_path / "file").write_text("")
    with pytest.raises(FirebreakError, match="cannot be written"):
        unpack(content, tmp_path / "file" / "case")


async def test_what_an_export_says_is_redacted(person: httpx.AsyncClient, ports: Ports, tmp_path: Path) -> None:
    """Secrets in the record do not leave."""
    incident = await ports.responder.incident(story.ID)
    ports.responder.records[story.ID] = incident.model_copy(update={"title": "password=hunter2"})  # type: ignore[attr-defined]
    unpack((await person.get(PATH)).content, tmp_path / "case")
    assert all("hunter2" not in f.read_text() for f in (tmp_path / "case").iterdir())


DEPLOY = {"id": "told", "kind": "deploy", "service": "api", "time": story.T0.isoformat(), "diff": "-a = 1"}


def pointer(kind: str, digest: str) -> OutputPointer:
    return OutputPointer(
        agent="responder", phase=Phase.PLAN, type=OutputType.ALPHA, kind=kind, at=story.T0, sha256=digest
    )


async def test_probe_readings_and_sources_are_those_of_the_decisive_diagnosis(
    person: httpx.AsyncClient, ports: Ports, tmp_path: Path
) -> None:
    """The last one before anything was changed; later ones look at a system that is being mended."""
    reading = {
        "probe": "disk_usage",
        "service": "api",
        "time": 5.0,
        "ok": False,
        "text": "full",
        "values": {"used": 1.0},
    }
    source = {"source": "loki", "kind": "logs", "window": [1.0, 5.0], "rows": 7, "gap": ""}
    assert isinstance(ports.responder, FakeResponder)
    ports.responder.contents = {
        "b": {"readings": [reading], "sources": [source], "changes": [DEPLOY]},
        "d": {"readings": []},
    }
    left = [pointer(k, d) for k, d in (("diagnosis", "a"), ("diagnosis", "b"), ("step", "c"), ("diagnosis", "d"))]
    incident = await ports.responder.incident(story.ID)
    ports.responder.records[story.ID] = incident.model_copy(update={"outputs": left})
    bundle = unpack((await person.get(PATH)).content, tmp_path / "case")
    assert [(r.probe, r.ok, r.values) for r in bundle.readings] == [("disk_usage", False, {"used": 1.0})]
    assert [(o.source, o.window, o.rows) for o in bundle.origins] == [("loki", (1.0, 5.0), 7)]
    assert [c.diff for c in bundle.changes if c.id == "told"] == ["-a = 1"]


async def test_only_people_with_a_token_export(stranger: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    """Strangers are refused, unknown incidents are not found."""
    assert (await stranger.get(PATH)).status_code == 401
    assert (await person.get("/api/incidents/inc-nope/bundle")).status_code == 404
