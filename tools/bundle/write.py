"""Write an incident bundle, redacted: what a closed incident is exported to."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tarfile
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from domain.bundle import Bundle
from domain.errors import EvidenceError
from domain.redaction import redact, redact_json


def write_bundle(bundle: Bundle, path: str | Path, extra: Iterable[re.Pattern[str]] = ()) -> Path:
    """Write the bundle to a folder, or to an archive when the name ends in .tar.gz or .tgz; returns the path.

    All text is redacted (`extra`: custom patterns). Reading it back gives the same bundle, except for `problems`.
    """
    target = Path(path)
    patterns = tuple(extra)
    try:
        if target.name.endswith((".tar.gz", ".tgz")):
            _archive(target, contents(bundle, patterns))
        else:
            _folder(target, contents(bundle, patterns))
    except OSError as error:
        raise EvidenceError(f"cannot write the bundle to {target}", found=str(error)) from error
    return target


def contents(bundle: Bundle, extra: Iterable[re.Pattern[str]] = ()) -> dict[str, bytes]:
    """File name → content of the redacted bundle; files that would be empty are left out."""
    patterns = tuple(extra)

    def clean(value: Any) -> Any:
        return redact_json(value, patterns)

    files = {
        "incident.json": _document(clean(_incident(bundle))),
        "topology.json": _document(clean(_topology(bundle))) if bundle.edges or bundle.nodes else b"",
        "metrics.csv": _metrics(bundle, patterns),
        "logs.jsonl": _lines(clean(_sparse(_fields(row))) for row in bundle.logs),
        "spans.jsonl": _lines(clean(_sparse(_fields(row))) for row in bundle.spans),
        "alerts.jsonl": _lines(clean(_with(bundle, "alerts.jsonl", _signals(bundle)))),
        "changes.jsonl": _lines(clean(_with(bundle, "changes.jsonl", _changes(bundle)))),
        "state.json": _document(clean(_state(bundle))) if bundle.readings or bundle.platform else b"",
    }
    files |= {f"docs/{_inside(name)}": redact(text, patterns).encode() for name, text in bundle.documents}
    return {name: content for name, content in files.items() if content or name.startswith("docs/")}


def _incident(bundle: Bundle) -> dict[str, Any]:
    unknown: dict[str, Any] = bundle.extra.get("incident.json", {}).get("", {})
    return unknown | {
        "schema_version": "1",
        "id": bundle.id,
        "title": bundle.title,
        "system": bundle.system,
        "alert": _sparse(_fields(bundle.alert)) if bundle.alert else None,
        "onset": bundle.onset,
        "windows": {
            "normal": list(bundle.normal) if bundle.normal else None,
            "abnormal": list(bundle.abnormal) if bundle.abnormal else None,
        },
        "services": list(bundle.services),
        "changes_asked": bundle.changes_asked,
        **({"sources": [_sparse(_fields(o)) for o in bundle.origins]} if bundle.origins else {}),
    }


def _topology(bundle: Bundle) -> dict[str, Any]:
    return {"edges": [_sparse(_fields(e)) for e in bundle.edges], "nodes": [_sparse(_fields(n)) for n in bundle.nodes]}


def _state(bundle: Bundle) -> dict[str, Any]:
    return {"readings": [_fields(r) for r in bundle.readings], "objects": list(bundle.platform)}


def _signals(bundle: Bundle) -> list[dict[str, Any]]:
    return [_sparse(_fields(row)) for row in bundle.signals]


def _changes(bundle: Bundle) -> list[dict[str, Any]]:
    return [_sparse(row.model_dump()) | {"time": row.time.timestamp()} for row in bundle.changes]


def _with(bundle: Bundle, name: str, written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the unknown fields they came with."""
    kept = bundle.extra.get(name, {})
    return [kept.get(str(position), {}) | row for position, row in enumerate(written)]


def _fields(row: Any) -> dict[str, Any]:
    """A flat dataclass as it stands; `asdict` would copy a million lines first."""
    return {name: getattr(row, name) for name in _names(row.__class__)}


@lru_cache(maxsize=32)
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cast(Any, kind)))


def _sparse(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty anyway; numbers and names that are required stay."""
    return {k: v for k, v in row.items() if v not in ("", None, [], {}) or (k in _REQUIRED and v is not None)}


_REQUIRED = frozenset(
    {"time", "start", "duration_ms", "service", "message", "operation", "trace_id", "span_id", "name"}
)


def _document(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, default=str).encode() + b"\n"


def _lines(values: Iterable[Any]) -> bytes:
    return "".join(json.dumps(v, ensure_ascii=False, default=str) + "\n" for v in values).encode()


def _metrics(bundle: Bundle, patterns: tuple[re.Pattern[str], ...]) -> bytes:
    if not bundle.series:
        return b""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "service", "metric", "value"])
    for series in bundle.series:
        names = [redact(series.service, patterns), redact(series.metric, patterns)]
        writer.writerows([t, *names, v] for t, v in zip(series.times, series.values, strict=True))
    return out.getvalue().encode()


def _inside(name: str) -> str:
    """A document's name that stays below docs/ and ends in .md."""
    parts = [p for p in PurePosixPath(name).parts if p not in {"..", ".", "/"}] or ["document"]
    plain = "/".join(parts)
    return plain if plain.endswith(".md") else f"{plain}.md"


def _folder(target: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _archive(target: Path, files: Mapping[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            _pack(stream, files, target.name.removesuffix(".tgz").removesuffix(".tar.gz"))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def packed(bundle: Bundle, root: str, beside: Mapping[str, Any] | None = None) -> bytes:
    """The redacted bundle as the bytes of a .tar.gz whose files lie in the folder `root`.

    `beside`: name → JSON document to put beside the bundle's own files, redacted too; readers ignore what they do not know.
    """
    more = {name: _document(redact_json(value)) for name, value in (beside or {}).items()}
    out = io.BytesIO()
    _pack(out, contents(bundle) | more, root)
    return out.getvalue()


def _pack(stream: IO[bytes], files: Mapping[str, bytes], root: str) -> None:
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
