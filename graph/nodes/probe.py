"""probe: the tool node through which a mind reaches read-only probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolNode

from domain.bundle import Reading
from domain.redaction import redact_json
from graph.services import Probes, Services


def make_probe(services: Services) -> ToolNode:
    """One tool per probe; each takes the service to look at."""
    return ToolNode([probe_tool(services.probes, name) for name in services.probes.names()], name="probe")


def probe_tool(probes: Probes, name: str) -> BaseTool:
    """A probe as a tool: content for the mind, readings as the artifact."""

    async def look(service: str) -> tuple[str, list[dict[str, Any]]]:
        readings = [redact_json(asdict(r)) for r in await probes.run([name], [service])]
        return "; ".join(str(r["text"] or r["data_gap"]) for r in readings) or "nothing to read", readings

    return StructuredTool.from_function(
        coroutine=look,
        name=name,
        description=f"Read-only probe {name} of one service of the inventory. Changes nothing.",
        response_format="content_and_artifact",
    )


def readings_of(messages: Sequence[AnyMessage]) -> list[Reading]:
    """Readings that the tool node brought back."""
    rows = [row for m in messages if isinstance(m, ToolMessage) and isinstance(m.artifact, list) for row in m.artifact]
    return [Reading(**row) for row in rows]
