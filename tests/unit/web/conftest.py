from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes.web_shared import SharedApp
from web.build import build_app
from web.ports import Ports

SITE = "http://firebreak.test"


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SharedApp | None:
    """The app of a module that says `SHARES_ONE_APP = True`; None elsewhere."""
    wanted = getattr(request.module, "SHARES_ONE_APP", False)
    return SharedApp(tmp_path_factory.mktemp("shared")) if wanted else None


@pytest.fixture
def ports(shared: SharedApp | None, tmp_path: Path) -> Ports:
    return fakes.ports(shared.home if shared else tmp_path)


@pytest.fixture
def app(shared: SharedApp | None, ports: Ports) -> FastAPI:
    if shared:
        return shared.showing(ports)
    return build_app(ports, Settings(home=ports.home, intake_secrets="whsec_c2VjcmV0LW9uZQ==,whsec_c2VjcmV0LXR3bw=="))


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without any credential."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE) as client:
        yield client


@pytest.fixture
async def person(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A script of the operator: bearer token."""
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE, headers=headers) as client:
        yield client


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The operator's browser, signed in: cookie, HTML, same-origin words on every request."""
    headers = {"Accept": "text/html", "Origin": SITE, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE, headers=headers) as client:
        await client.get("/login", params={"token": fakes.OPERATOR})
        yield client


@pytest.fixture
def csrf(browser: httpx.AsyncClient) -> Callable[[], str]:
    """The form token of the browser's session, as its pages carry it."""
    from web.perimeter import COOKIE
    from web.sessions import csrf_of

    return lambda: csrf_of(str(browser.cookies.get(COOKIE)))
