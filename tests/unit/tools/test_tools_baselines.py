"""Golden files by digest."""

from __future__ import annotations

from pathlib import Path

from domain.inventory import Inventory, Service
from tools.baselines import FileBaselines


def baselines(root: Path, *golden: str) -> FileBaselines:
    return FileBaselines(Inventory(services=[Service(name="api", kind="api", golden=list(golden))]), root)


async def test_a_file_and_a_folder_are_known_by_their_content(tmp_path: Path) -> None:
    """Another byte, another name or a missing file is another digest."""
    (tmp_path / "release.tar").write_bytes(b"one")
    folder = tmp_path / "golden"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    golden = baselines(tmp_path, "release.tar", "golden", "gone")
    first = await golden.digests()
    assert first["api/gone"] == ""
    assert len(first["api/release.tar"]) == len(first["api/golden"]) == 64
    assert await golden.digests() == first
    (tmp_path / "release.tar").write_bytes(b"two")
    (folder / "a").rename(folder / "b")
    second = await golden.digests()
    assert first["api/release.tar"] != second["api/release.tar"]
    assert first["api/golden"] != second["api/golden"]


async def test_nothing_declared_is_nothing_to_look_at(tmp_path: Path) -> None:
    """No thread, no file."""
    assert await baselines(tmp_path).digests() == {}
