"""A copy of the code in which version v2 of the shop's api is worse. In the shop itself releases differ by their name only."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("agents", "chaos", "cli", "contracts", "docs", "domain", "governance", "graph", "rag", "runbooks", "skills", "stack",
         "tools", "web")  # fmt: skip
BUILT = "Measured(build(shop)"
MAIN = "\ndef main()"

AGING = '''
def worse(inner):
    """Its basket store is full after {after:g} seconds, and no order goes in any more."""
    import time
    from starlette.responses import JSONResponse

    began = time.monotonic()

    async def app(scope, receive, send):
        ordering = scope["type"] == "http" and scope["method"] == "POST" and "orders" in scope["path"]
        if not ordering or time.monotonic() - began < {after:g}:
            return await inner(scope, receive, send)
        logging.getLogger("api").error("basket store: no slot left for another order")
        await JSONResponse({{"code": "orders.basket"}}, 500)(scope, receive, send)

    return app
'''
LEAKING = '''
def worse(inner):
    """It keeps {kib} KiB of every request, up to 600 MiB."""
    kept = []

    async def app(scope, receive, send):
        if scope["type"] == "http" and scope["path"].startswith("/api/") and len(kept) * {kib} < 600 * 1024:
            kept.append(bytearray(b"x" * 1024 * {kib}))
        await inner(scope, receive, send)

    return app
'''


def copied(code: Path, worse: str) -> Path:
    """The rooms under `code`; `worse` is the source of a function of that name that wraps the application of v2."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, code / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", code)
    file = code / "stack" / "shop" / "api" / "__main__.py"
    text = file.read_text()
    if BUILT not in text or MAIN not in text:
        raise RuntimeError(f"{file} is built another way now")
    text = text.replace(BUILT, 'Measured(worse(build(shop)) if place.version == "v2" else build(shop)')
    file.write_text(text.replace(MAIN, f"{worse}\n{MAIN}", 1))
    return code
