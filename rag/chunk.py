"""Documents into passages: one per heading, long ones split at paragraphs, each carrying its document's title."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.document import Document

LONGEST = 1400
"""Characters of one passage; about what a person reads at a glance."""
_HEADING = re.compile(r"^(#{1,4})\s+(.+?)\s*#*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One passage before it is indexed."""

    id: str
    document: str
    title: str
    heading: str
    text: str
    kind: str
    fault_classes: str = ""
    """Classes that the document is about, separated by spaces."""

    def indexed_text(self) -> str:
        """What is searched: title and heading count as words of the passage."""
        return f"{self.title}\n{self.heading}\n{self.text}"


def chunks(document: Document) -> list[Chunk]:
    """The passages of a document, in order, with unique ids; empty sections vanish."""
    sections = _sections(document.text) if document.kind != "config" else [("", document.text)]
    found: list[Chunk] = []
    taken: dict[str, int] = {}
    for heading, body in sections:
        for part in _parts(body):
            slug = _slug(heading) or "top"
            taken[slug] = taken.get(slug, 0) + 1
            suffix = f"-{taken[slug]}" if taken[slug] > 1 else ""
            found.append(
                Chunk(
                    id=f"{document.id}#{slug}{suffix}",
                    document=document.id,
                    title=document.title,
                    heading=heading,
                    text=part,
                    kind=document.kind,
                    fault_classes=str(document.metadata.get("fault_classes", "")),
                )
            )
    return found


def _sections(text: str) -> list[tuple[str, str]]:
    sections: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else _HEADING.match(line)
        if match:
            sections.append((match.group(2), []))
        else:
            sections[-1][1].append(line)
    return [(heading, "\n".join(lines).strip()) for heading, lines in sections if "\n".join(lines).strip()]


def _parts(body: str) -> list[str]:
    parts: list[str] = []
    for paragraph in re.split(r"\n\s*\n", body):
        for piece in _pieces(paragraph):
            if parts and len(parts[-1]) + len(piece) + 2 <= LONGEST:
                parts[-1] = f"{parts[-1]}\n\n{piece}"
            else:
                parts.append(piece)
    return [p for p in parts if p.strip()]


def _pieces(paragraph: str) -> list[str]:
    if len(paragraph) <= LONGEST:
        return [paragraph]
    pieces: list[str] = [""]
    for line in paragraph.splitlines():
        for start in range(0, max(len(line), 1), LONGEST):
            part = line[start : start + LONGEST]
            if len(pieces[-1]) + len(part) + 1 > LONGEST:
                pieces.append(part)
            else:
                pieces[-1] = f"{pieces[-1]}\n{part}" if pieces[-1] else part
    return pieces


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")[:60].rstrip("-")
