"""The small app beside the graph in LangGraph's dev server: what the graph is bound to, and where the whole product is.

The product's own app is not mounted there: its door would stand before Studio's routes, and its responder would be a
second one for the same home (docs/adr/0016-studio.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI

from domain.value import Value
from graph.picture import mermaid
from graph.studio import Bound, bound_to

NEXT: dict[Bound, str] = {
    "factory": "These are the services that FIREBREAK_STUDIO_SERVICES names, for rehearsals.",
    "home": "Runs started here work on the live home, through its guard. Incidents, approvals and drills are in its app.",
    "nothing": (
        "Nothing is connected: every run ends without a look and without a step. Start the whole product with "
        "`firebreak up`, then set FIREBREAK_HOME, FIREBREAK_ACTION_URL and FIREBREAK_CONFIG and start this server again."
    ),
}


class Studio(Value):
    """What a developer sees here."""

    graph: Literal["incident"] = "incident"
    bound_to: Bound
    next: str
    app_url: str = ""
    """The running product's own app, when a home is up."""
    picture: str
    """The graph as a Mermaid drawing."""


def build_studio(env: Mapping[str, str]) -> FastAPI:
    """Two routes that read nothing but the environment."""
    app = FastAPI(title="Firebreak in LangGraph Studio", docs_url=None, redoc_url=None)

    @app.get("/healthz", summary="The server answers; what the graph is bound to")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "bound_to": bound_to(env)}

    @app.get("/firebreak", summary="What this is, and how to start the whole product")
    async def firebreak() -> Studio:
        bound = bound_to(env)
        url = env.get("FIREBREAK_APP_URL", "") if bound == "home" else ""
        return Studio(bound_to=bound, next=NEXT[bound], app_url=url, picture=mermaid())

    return app


def __getattr__(name: str) -> Any:
    """`app` for langgraph.json, built when the server asks for it and not at import."""
    if name == "app":
        return build_studio(os.environ)
    raise AttributeError(name)
