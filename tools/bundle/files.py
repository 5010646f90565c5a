"""The files of a bundle, opened safely: nothing outside the bundle is read, nothing unpacks without end.

A bundle comes from a stranger. Archives are streamed under a byte budget and never unpacked to disk; links, devices
and names that climb out (`..`, absolute) are left out and reported.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from domain.errors import EvidenceError

TRUTH = "truth.json"
KNOWN = frozenset(
    {
        "incident.json",
        "topology.json",
        "metrics.csv",
        "logs.jsonl",
        "spans.jsonl",
        "alerts.jsonl",
        "changes.jsonl",
        "state.json",
        TRUTH,
    }
)
MAX_BYTES = 768 * 1024 * 1024
"""Bytes after decompression of a whole bundle; the largest development case has 25 MB."""
MAX_MEMBERS = 20_000
_CHUNK = 1 << 20


@dataclass(slots=True, kw_only=True)
class BundleFiles:
    """Known files of one bundle by their plain name (`.gz` removed); documents as `docs/<name>`."""

    origin: Path
    raw: dict[str, bytes | Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    budget: int = MAX_BYTES

    def read(self, name: str) -> bytes | None:
        """Decompressed content, or None when the bundle has no such file. EvidenceError names a broken file."""
        for candidate in (name, f"{name}.gz"):
            found = self.raw.get(candidate)
            if found is None:
                continue
            try:
                with io.BytesIO(found) if isinstance(found, bytes) else found.open("rb") as stream:
                    return self._plain(stream, packed=candidate.endswith(".gz"))
            except (OSError, EOFError, zlib.error) as error:
                raise broken(candidate, "a readable file", str(error)) from error
        return None

    def documents(self) -> list[str]:
        """Names of the Markdown documents, sorted, `.gz` removed."""
        return sorted({n.removesuffix(".gz") for n in self.raw if n.startswith("docs/")})

    def _plain(self, stream: IO[bytes], *, packed: bool) -> bytes:
        source: IO[bytes] = gzip.GzipFile(fileobj=stream) if packed else stream  # type: ignore[assignment]
        content = source.read(self.budget + 1)
        self.budget -= len(content)
        if self.budget < 0:
            raise _too_large(self.origin)
        return content


def broken(name: str, expected: str, found: str) -> EvidenceError:
    """The error for a malformed file; it names the file."""
    return EvidenceError(f"cannot read {name} of the bundle", expected=expected, found=found[:300])


def open_files(path: Path) -> BundleFiles:
    """List the known files of a bundle. Raises EvidenceError when `path` is neither a folder nor a tar archive."""
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return _from_archive(path)
    raise EvidenceError(
        f"no bundle at {path}",
        expected="a folder or a .tar.gz file",
        found="nothing there",
        hint="a bundle is a folder that holds incident.json",
    )


def _wanted(relative: PurePosixPath) -> str:
    """The plain key of a member that matters, or an empty string."""
    name = str(relative)
    if name.removesuffix(".gz") in KNOWN:
        return name
    inside = relative.parts[0] == "docs" and len(relative.parts) > 1 if relative.parts else False
    return name if inside and name.removesuffix(".gz").endswith(".md") else ""


def _from_folder(folder: Path) -> BundleFiles:
    files = BundleFiles(origin=folder)
    root = folder.resolve()
    candidates = [p for p in folder.iterdir() if p.is_file()]
    docs = folder / "docs"
    if docs.is_dir() and docs.resolve().is_relative_to(root):
        candidates += [p for p in docs.rglob("*") if p.is_file()]
    for item in sorted(candidates):
        key = _wanted(PurePosixPath(item.relative_to(folder).as_posix()))
        if not key:
            continue
        if not item.resolve().is_relative_to(root):
            files.problems.append(f"{key}: left out, it is a link to outside of the bundle")
            continue
        files.raw[key] = item
    return files


class _Budgeted(io.RawIOBase):
    """A decompressed stream that refuses to go on for ever."""

    def __init__(self, stream: IO[bytes], origin: Path) -> None:
        self._stream = stream
        self._origin = origin
        self._left = MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_CHUNK if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._origin)
        return data


def _from_archive(path: Path) -> BundleFiles:
    found: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            plain: IO[bytes] = gzip.GzipFile(fileobj=stream) if packed else stream  # type: ignore[assignment]
            with tarfile.open(fileobj=_Budgeted(plain, path), mode="r|") as archive:
                _collect(archive, found, problems)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise broken(path.name, "a tar archive, plain or gzip", str(error)) from error
    return BundleFiles(origin=path, raw=dict(_below_root(found)), problems=problems)


def _collect(archive: tarfile.TarFile, found: dict[str, bytes], problems: list[str]) -> None:
    for count, member in enumerate(archive):
        if count >= MAX_MEMBERS:
            raise EvidenceError("the bundle has too many files", expected=f"at most {MAX_MEMBERS}", found="more")
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts:
            problems.append(f"{member.name[:200]!r}: left out, the name points outside of the bundle")
        elif member.isfile() and _looks_known(name):
            content = archive.extractfile(member)
            found[str(PurePosixPath(*[p for p in name.parts if p != "."]))] = content.read() if content else b""
        elif not member.isfile() and not member.isdir() and _looks_known(name):
            problems.append(f"{member.name[:200]!r}: left out, it is not a regular file")


def _looks_known(name: PurePosixPath) -> bool:
    return name.name.removesuffix(".gz") in KNOWN or "docs" in name.parts[:-1]


def _below_root(found: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Keys relative to the folder that holds incident.json (an archive may wrap everything in one folder)."""
    homes = [PurePosixPath(n).parent for n in found if PurePosixPath(n).name.removesuffix(".gz") == "incident.json"]
    root = min(homes, key=lambda p: (len(p.parts), str(p))) if homes else PurePosixPath()
    below = [(PurePosixPath(n), c) for n, c in found.items()]
    inside = [(n.relative_to(root), c) for n, c in below if n.is_relative_to(root)]
    return [(key, content) for name, content in inside if (key := _wanted(name))]


def _too_large(origin: Path) -> EvidenceError:
    return EvidenceError(
        f"the bundle {origin.name} is too large",
        expected=f"at most {MAX_BYTES} bytes after decompression",
        found="more",
        hint="cut the windows around the incident",
    )
