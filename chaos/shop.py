"""A customer of the shop: browses, orders, and reads the order back, over the address that everybody uses."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from chaos.http import Answer, Http
from chaos.site import StackFacts, Visit
from domain.errors import UpstreamError

PATIENCE_S = 2.0
"""No customer waits longer for one answer."""


class HttpShop:
    """Implements Shop. `facts` is asked each time, since ports may change with a restart."""

    def __init__(self, http: Http, facts: Callable[[], StackFacts]) -> None:
        self._http = http
        self._facts = facts

    async def visit(self) -> Visit:
        slowest = 0.0
        try:
            base = self._facts().shop_url.rstrip("/")
            catalogue = await self._ask("GET", f"{base}/api/catalogue")
            slowest = catalogue.ms
            products = _products(catalogue)
            if not products:
                return Visit(ok=False, ms=slowest, text=f"no catalogue: {_said(catalogue)}")
            wanted = {"customer": "walk-in", "items": [{"product_id": random.choice(products), "quantity": 1}]}
            placed = await self._ask("POST", f"{base}/api/orders", wanted)
            slowest = max(slowest, placed.ms)
            if placed.status != 201:
                return Visit(ok=False, ms=slowest, text=f"no order: {_said(placed)}")
            found = await self._ask("GET", f"{base}/api/orders/{placed.body['id']}")
            slowest = max(slowest, found.ms)
        except UpstreamError as error:
            return Visit(ok=False, ms=max(slowest, PATIENCE_S * 1000), text=f"no answer: {error.found}")
        except (KeyError, TypeError, ValueError) as error:
            return Visit(ok=False, ms=slowest, text=f"an answer nobody can use: {type(error).__name__}")
        if found.status != 200 or found.body.get("id") != placed.body["id"]:
            return Visit(ok=False, ms=slowest, text=f"the order cannot be read back: {_said(found)}")
        return Visit(ok=True, ms=slowest, text=f"browsed, ordered and read back in at most {slowest:.0f} ms a request")

    async def metrics(self, service: str) -> Mapping[str, float]:
        process = next((p for p in self._facts().processes if p.name == service), None)
        if process is None or process.port is None:
            return {}
        try:
            answer = await self._ask("GET", f"http://127.0.0.1:{process.port}/metrics")
        except UpstreamError:
            return {}
        return sums(answer.text) if answer.status == 200 else {}

    async def _ask(self, method: str, url: str, body: Any = None) -> Answer:
        return await self._http.ask(method, url, json=body, timeout_s=PATIENCE_S)


def sums(exposition: str) -> dict[str, float]:
    """Sum over all label sets, per sample name."""
    found: dict[str, float] = {}
    for line in exposition.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, _, rest = line.replace("{", " ", 1).partition(" ")
        try:
            found[name] = found.get(name, 0.0) + float(rest.rpartition(" ")[2])
        except ValueError:
            continue
    return found


def _products(answer: Answer) -> list[int]:
    rows = answer.body.get("products") if answer.status == 200 and isinstance(answer.body, dict) else None
    return [int(row["id"]) for row in rows or []]


def _said(answer: Answer) -> str:
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    return f"{answer.status} {detail or answer.text[:120]}".strip()
