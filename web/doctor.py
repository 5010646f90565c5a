"""The settings page: what it stands on, what runs, which mind answers, and every setting without its secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import SecretStr

from domain.redaction import redact
from graph.settings import Settings
from web.health import look
from web.pages import Pages
from web.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting as it may be shown."""

    name: str
    value: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One process of ours."""

    name: str
    state: str
    pid: int | None
    url: str
    log_file: str


def setting_rows(settings: Settings) -> list[SettingRow]:
    """All settings by environment variable; secrets say only whether they are set."""
    rows = []
    for name, field in type(settings).model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"FIREBREAK_{name.upper()}"
        rows.append(
            SettingRow(name=variable, value=_shown(name, getattr(settings, name)), description=field.description or "")
        )
    return rows


def _shown(name: str, value: Any) -> str:
    if isinstance(value, SecretStr) or name.endswith("secrets"):
        return "set, not shown" if value else "not set"
    return redact(str(value)) if value not in (None, "") else "not set"


def told(state: Mapping[str, Any]) -> str:
    """What a dependency says, and how the breaker around it stands when it is not closed."""
    circuit, detail = state.get("circuit", "closed"), str(state.get("detail", ""))
    if circuit == "closed":
        return detail
    again = f", tried again in {state['retry_after_s']:.0f} s" if state.get("retry_after_s") else ""
    return f"{detail}; circuit {circuit.replace('_', '-')}{again}".lstrip("; ")


def process_rows(home: Path) -> list[ProcessRow]:
    """The supervisor's table; empty when this app was started by itself."""
    try:
        table = json.loads((home / "run" / "processes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    rows = table.get("processes", table) if isinstance(table, dict) else table
    if isinstance(rows, Mapping):
        rows = [{"name": name, **row} for name, row in rows.items() if isinstance(row, dict)]
    return [_process(row) for row in rows if isinstance(row, dict) and row.get("name")]


def _process(row: Mapping[str, Any]) -> ProcessRow:
    pid = row.get("pid")
    return ProcessRow(
        name=str(row["name"]),
        state=str(row.get("state") or "unknown"),
        pid=pid if isinstance(pid, int) else None,
        url=redact(str(row.get("url") or "")),
        log_file=str(row.get("log_file") or ""),
    )


def build(ports: Ports, pages: Pages, settings: Settings) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/settings")
    async def page(request: Request) -> HTMLResponse:
        health = await look(ports)
        dependencies = [(name, s.get("ok"), redact(told(s))) for name, s in health.items()]
        return await pages.render(
            request,
            "settings.html",
            dependencies=dependencies,
            processes=process_rows(ports.home),
            services=ports.inventory.services if ports.inventory else [],
            settings=setting_rows(settings),
            base=str(request.base_url).rstrip("/"),
        )

    return router
