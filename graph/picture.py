"""The picture of the graph for the README, drawn from the graph that runs."""

from __future__ import annotations

from typing import Any, cast

from graph.build import build
from graph.services import Services


class _Unbound:
    """Stands for every service while the graph is only drawn: nothing of it is ever called."""

    def __getattr__(self, name: str) -> _Unbound:
        return self

    def names(self) -> list[str]:
        return []


def mermaid() -> str:
    """The graph as a Mermaid drawing."""
    drawing: Any = build(cast(Services, _Unbound())).get_graph()
    text: str = drawing.draw_mermaid()
    return text
