"""One app for the tests of a module: building it costs more than most of them. What it asks is the running test's own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from graph.settings import Settings
from tests.fakes import web_services as fakes
from web.build import build_app
from web.ports import Ports

PLAIN = {"home", "runbooks"}
"""Paths: the same for all tests that share the app."""


class SharedApp:
    """Built over places instead of ports; `showing` puts a test's ports into them.

    The home is shared, and with it sessions and files; whoever tests those, counts metrics or leaves a port out builds an
    app of their own.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = fakes.ports(home)
        names = [f.name for f in fields(Ports) if f.name not in PLAIN]
        bound = {n: Place(self, n) for n in names if getattr(self.ports, n) is not None}
        given: dict[str, Any] = {**bound, "home": home, "runbooks": self.ports.runbooks}
        self._app = build_app(Ports(**given), Settings(home=home))

    def showing(self, ports: Ports) -> FastAPI:
        """The app over these ports, until the next test's are put in."""
        self.ports = ports
        return self._app


class Place:
    """Where a port stands: everything goes to the one that stands there now."""

    def __init__(self, shared: SharedApp, name: str) -> None:
        self._shared, self._name = shared, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(getattr(self._shared.ports, self._name), attribute)
