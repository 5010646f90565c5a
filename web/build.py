"""Puts the face together: routes, perimeter, errors. The only place that knows all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import RedirectResponse
from starlette.types import Scope

from graph.settings import Settings
from web import (
    agents,
    approvals,
    backtest,
    bargain_pages,
    bargains,
    chat,
    doctor,
    drills,
    errors,
    export,
    flagger,
    health,
    incidents,
    intake,
    kill,
    ledger,
    login,
    operations,
    outgoing,
    pipelines,
    rollout_pages,
    rollouts,
    runbooks,
    shadow,
    sign_in,
    skill_pages,
    skills,
    slis,
)
from web import metrics as exposition
from web.keyring import Keyring
from web.metrics import Metrics
from web.pages import ROOT, Pages, Ways
from web.perimeter import Authentication, BodyLimit, RequestIdAndHeaders
from web.persons import form_is_ours
from web.ports import Ports
from web.sessions import Sessions

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_ABOUT = """
Everything needs `Authorization: Bearer <operator token>` (or a browser's session), except `/healthz`, `/login` and
`/intake/*`, which proves its senders itself. Errors are problem documents (RFC 9457) with `code`, `expected`, `found`
and `hint`. Streams are server-sent events.
"""


class _LongLived(StaticFiles):
    """Static files whose address carries their digest."""

    async def get_response(self, path: str, scope: Scope):  # type: ignore[no-untyped-def]
        response = await super().get_response(path, scope)
        known = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if known else "no-cache"
        return response


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def build_app(ports: Ports, settings: Settings, *, lifespan: Lifespan = _nothing) -> FastAPI:
    """The app over bound ports. `lifespan` opens and closes what the ports need."""
    ways = Ways(oidc=urlsplit(settings.oidc_issuer).netloc, proxy=bool(settings.trusted_proxies))
    pages = Pages(ports, ways)
    metrics = Metrics()
    keyring = Keyring(
        ports.home, [settings.intake_token.get_secret_value()] if settings.intake_token else [], ports.clock
    )
    sessions = Sessions(ports.home / "secrets" / "sessions.json", ports.clock)
    app = FastAPI(
        title="Firebreak",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(form_is_ours)],
        responses=errors.problem_schema(),
    )
    for router in _routers(ports, pages, settings, metrics, keyring, sessions):
        app.include_router(router)
    app.mount("/static", _LongLived(directory=Path(ROOT / "static")))
    app.add_api_route("/favicon.ico", lambda: RedirectResponse("/static/mark.svg"), include_in_schema=False)
    errors.install(app, pages.problem)
    app.add_middleware(Authentication, keyring=keyring, sessions=sessions, login_page=pages.login)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestIdAndHeaders, observe=metrics.observe)
    return app


def _routers(
    ports: Ports, pages: Pages, settings: Settings, metrics: Metrics, keyring: Keyring, sessions: Sessions
) -> list[APIRouter]:
    """All rooms, in the order in which addresses are compared."""
    secrets = [s.strip() for s in settings.intake_secrets.split(",") if s.strip()]
    return [
        login.build(pages, keyring, sessions),
        sign_in.build(ports.door, sessions, settings, sign_in.Oidc(settings, ports.clock)),
        intake.build(ports, keyring, secrets, metrics),
        flagger.build(ports, keyring),
        incidents.build(ports, metrics),
        export.build(ports),
        approvals.build(ports, pages),
        agents.build(ports, pages),
        operations.build(ports, pages),
        chat.build(ports, pages),
        shadow.build(ports, pages),
        backtest.build(ports, pages),
        drills.build(ports, pages),
        ledger.build(ports, pages),
        slis.build(ports, pages),
        kill.build(ports),
        pipelines.build(ports),
        skills.build(ports),
        bargains.build(ports),
        bargain_pages.build(ports, pages),
        skill_pages.build(ports, pages),
        rollouts.build(ports),
        rollout_pages.build(ports, pages),
        outgoing.build(ports),
        runbooks.build(ports, pages),
        doctor.build(ports, pages, settings),
        health.build(ports),
        exposition.build(ports, metrics),
        incidents.build_pages(ports, pages, metrics),
    ]
