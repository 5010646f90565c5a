"""Documents as they are read: Markdown with optional front matter, plain text, configuration files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import yaml

from domain.errors import EvidenceError
from domain.redaction import redact
from domain.value import Value

Kind = Literal["runbook", "document", "config", "case"]

MARKDOWN = frozenset({".md", ".markdown", ".txt", ".rst"})
CONFIGURATION = frozenset(
    {".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".json", ".properties", ".tf", ".service"}
)
LARGEST_BYTES = 1_000_000


class Document(Value):
    """One document; `text` is redacted and untrusted."""

    id: str
    """Path relative to what was ingested, or `cases/<incident>`."""
    title: str
    kind: Kind
    text: str
    digest: str
    """SHA-256 of title, kind, text and metadata: the same digest means unchanged."""
    metadata: dict[str, Any] = {}


def make_document(doc_id: str, title: str, kind: Kind, text: str, metadata: dict[str, Any] | None = None) -> Document:
    """A document with its digest; secrets in the text are gone."""
    clean = redact(text)
    meta = metadata or {}
    content = "\x00".join((title, kind, clean, repr(sorted(meta.items()))))
    return Document(
        id=doc_id,
        title=title,
        kind=kind,
        text=clean,
        metadata=meta,
        digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def read_document(file: Path, root: Path) -> Document | None:
    """Read one file; None when its kind is not one we read. Raises EvidenceError when it cannot be read."""
    suffix = file.suffix.lower() or (".env" if file.name.startswith(".env") else "")
    if suffix not in MARKDOWN | CONFIGURATION or _for_verifiers_only(file):
        return None
    doc_id = _id(file, root)
    if file.stat().st_size > LARGEST_BYTES:
        raise EvidenceError(f"{doc_id} is larger than {LARGEST_BYTES} bytes.", hint="split it")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{doc_id} cannot be read.", expected="UTF-8 text", found=str(error)) from error
    if suffix in CONFIGURATION:
        return make_document(doc_id, file.name, "config", text)
    return _markdown(doc_id, file, text)


def _for_verifiers_only(file: Path) -> bool:
    """The hidden checks of a skill: whoever plans reads what is retrieved, and could aim at them."""
    return file.name == "hidden.yaml" and (file.parent.parent / "SKILL.md").exists()


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """YAML front matter (between two `---` lines at the start) and the rest. Broken front matter counts as text."""
    if not text.startswith("---\n"):
        return {}, text
    head, mark, body = text[4:].partition("\n---\n")
    if not mark:
        return {}, text
    try:
        meta = yaml.safe_load(head)
    except yaml.YAMLError:
        return {}, text
    return (meta, body) if isinstance(meta, dict) else ({}, text)


def _markdown(doc_id: str, file: Path, text: str) -> Document:
    meta, body = split_front_matter(text)
    heading = next((line.lstrip("# ").strip() for line in body.splitlines() if line.startswith("# ")), "")
    name = str(meta.get("name") or "")
    kind: Kind = "runbook" if file.name == "SKILL.md" or "runbooks" in file.parts else "document"
    described = f"{meta['description']}\n\n{body}" if meta.get("description") else body
    nested = meta.get("metadata")
    flat = {k: v for k, v in ({**nested, **meta} if isinstance(nested, dict) else meta).items() if _plain(v)}
    return make_document(doc_id, heading or name or file.stem, kind, described, flat)


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _id(file: Path, root: Path) -> str:
    base = root if root.is_dir() else root.parent
    relative = file.relative_to(base)
    parts = relative.parts[:-1] if relative.name == "SKILL.md" else (*relative.parts[:-1], relative.name)
    return "/".join((base.name, *parts))
