"""Runbooks: the folders of `runbooks/` as pages, searched through the retriever where there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt
from markupsafe import Markup

from domain.errors import NotFoundError
from web.pages import Pages
from web.ports import Ports
from web.words import safe_url

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One runbook."""

    slug: str
    title: str
    description: str
    text: str
    """Markdown without its front matter; untrusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One passage that a search found; `slug` is empty when it stands in no runbook of ours."""

    id: str
    slug: str
    title: str
    heading: str
    text: str


def read(folder: Path) -> Book | None:
    """The runbook in one folder, or None when there is none."""
    try:
        text = (folder / "SKILL.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    front = _FRONT.match(text)
    facts = _front_matter(front.group(1)) if front else {}
    body = text[front.end() :] if front else text
    heading = re.search(r"^#\s+(.+)$", body, re.M)
    title = heading.group(1).strip() if heading else folder.name.replace("-", " ").capitalize()
    return Book(
        slug=folder.name,
        title=title,
        description=str(facts.get("description", "")),
        text=body.replace(heading.group(0), "", 1) if heading else body,
    )


def shelf(root: Path) -> list[Book]:
    """All runbooks by name."""
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    return [book for book in map(read, folders) if book]


def rendered(text: str) -> Markup:
    """Markdown as HTML: no raw HTML, no images, links only to http(s) and only where they are safe."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.validateLink = lambda url: bool(safe_url(url))  # type: ignore[method-assign]
    return Markup(markdown.render(text))  # noqa: S704 - rendered with raw HTML off and links checked


def search_plain(books: Sequence[Book], words: str) -> list[Hit]:
    """Runbooks that carry all the words, with the first line that carries one. Used when there is no retriever."""
    wanted = words.lower().split()
    hits: list[Hit] = []
    for book in books:
        text = f"{book.title}\n{book.description}\n{book.text}"
        if not all(w in text.lower() for w in wanted):
            continue
        line = next((x for x in text.splitlines() if any(w in x.lower() for w in wanted)), "")
        hits.append(Hit(id=book.slug, slug=book.slug, title=book.title, heading="", text=line.strip()[:400]))
    return hits


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Pages only; machines search through the command line."""
    router = APIRouter(include_in_schema=False)

    @router.get("/runbooks")
    async def index(request: Request, q: str = "") -> HTMLResponse:
        books = shelf(ports.runbooks)
        words = q.strip()[:300]
        hits = await _search(ports, books, words) if words else []
        return await pages.render(request, "runbooks.html", books=books, q=words, passages=hits)

    @router.get("/runbooks/{slug}")
    async def one(request: Request, slug: str) -> HTMLResponse:
        book = read(ports.runbooks / slug) if _SLUG.fullmatch(slug) else None
        if book is None:
            raise NotFoundError("There is no such runbook.", found=slug[:80], hint="See /runbooks for all of them.")
        return await pages.render(request, "runbook.html", book=book, body=rendered(book.text))

    return router


async def _search(ports: Ports, books: Sequence[Book], words: str) -> list[Hit]:
    if ports.retriever is None:
        return search_plain(books, words)
    slugs = {b.slug for b in books}
    found = await ports.retriever.search(words, limit=10)
    return [
        Hit(id=p.id, slug=_slug_of(p.document, slugs), title=p.title, heading=p.heading, text=p.text[:600])
        for p in found
    ]


def _slug_of(document: str, slugs: set[str]) -> str:
    return next((part for part in re.split(r"[/#]", document) if part in slugs), "")


def _front_matter(text: str) -> dict[str, object]:
    try:
        facts = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return facts if isinstance(facts, dict) else {}
