"""Rendering: one Jinja environment that always escapes, and what every page's frame shows."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from domain.errors import FirebreakError
from domain.guard import GuardStatus
from web import words
from web.errors import Problem
from web.keyring import Principal
from web.ports import Ports

ROOT = Path(__file__).parent
_FRAME_PATIENCE_S = 1.5
"""How long a page waits for the action server before it is shown without its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the header of every page needs."""

    guard: GuardStatus | None
    """None: the action server does not answer."""
    principal: Principal | None
    path: str
    request_id: str
    drills: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How one may sign in besides a token."""

    oidc: str = ""
    """Host of the OpenID provider; empty: none."""
    proxy: bool = False


@cache
def environment() -> Environment:
    """Templates with our filters, compiled once a process; undefined names are errors, everything is escaped."""
    env = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(words.FILTERS)
    env.globals["asset"] = _assets(ROOT / "static")
    return env


class Pages:
    """Renders pages and fragments."""

    def __init__(self, ports: Ports, ways: Ways | None = None) -> None:
        self._ports = ports
        self._env = environment()
        self._ways = ways or Ways()

    async def render(
        self, request: Request, template: str, *, status: int = 200, frame: Frame | None = None, **context: Any
    ) -> HTMLResponse:
        """A whole page."""
        shown = frame or await self.frame(request)
        html = self._env.get_template(template).render(frame=shown, ways=self._ways, **context)
        return HTMLResponse(html, status)

    def fragment(self, template: str, **context: Any) -> str:
        """A piece of a page."""
        return self._env.get_template(template).render(**context)

    async def frame(self, request: Request) -> Frame:
        """State of the door and the caller."""
        principal = getattr(request.state, "principal", None)
        guard = await self._guard() if principal else None
        return Frame(
            guard=guard,
            principal=principal,
            path=request.url.path,
            request_id=str(getattr(request.state, "request_id", "")),
            drills=self._ports.drills is not None,
        )

    async def problem(self, request: Request, problem: Problem) -> HTMLResponse:
        """An error as a page."""
        return await self.render(request, "problem.html", status=problem.status, problem=problem)

    async def login(self, request: Request) -> HTMLResponse:
        """The sign-in page in place of the page that was asked for."""
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return await self.render(request, "login.html", status=401, target=target, refused=False)

    async def _guard(self) -> GuardStatus | None:
        try:
            return await asyncio.wait_for(self._ports.door.status(), _FRAME_PATIENCE_S)
        except (FirebreakError, TimeoutError):
            return None


def _assets(root: Path) -> Any:
    """A function from a static file's name to its address with a digest, so that browsers may keep it for good."""
    marks = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()[:10]
        for path in root.rglob("*")
        if path.is_file()
    }

    def asset(name: str) -> str:
        return f"/static/{name}?v={marks[name]}"

    return asset
