"""The small app in LangGraph's dev server says truly what the graph is bound to."""

from __future__ import annotations

import httpx
import pytest

from web import studio

HOME = {"FIREBREAK_ACTION_URL": "http://a", "FIREBREAK_CONFIG": "firebreak.yaml", "FIREBREAK_APP_URL": "http://app"}


@pytest.mark.parametrize(
    ("env", "bound", "app_url"),
    [
        ({}, "nothing", ""),
        ({"FIREBREAK_ACTION_URL": "http://a", "FIREBREAK_APP_URL": "http://app"}, "nothing", ""),
        (HOME, "home", "http://app"),
        ({**HOME, "FIREBREAK_STUDIO_SERVICES": "m:f"}, "factory", ""),
    ],
)
async def test_it_says_what_it_is_bound_to(env: dict[str, str], bound: str, app_url: str) -> None:
    """Health and the page agree; the product's address is given only when the graph works on that home."""
    transport = httpx.ASGITransport(app=studio.build_studio(env))
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok", "bound_to": bound}
        page = (await client.get("/firebreak")).json()
        assert (page["bound_to"], page["app_url"]) == (bound, app_url)
        assert "graph TD" in page["picture"]
        assert ("firebreak up" in page["next"]) is (bound == "nothing")


def test_the_app_is_built_when_it_is_asked_for() -> None:
    """Nothing is built at import; other names do not exist."""
    assert studio.app.title.startswith("Firebreak")
    with pytest.raises(AttributeError):
        _ = studio.nothing
