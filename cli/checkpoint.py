"""`firebreak checkpoint …`: what runs remember, read from the checkpointer itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError, FirebreakError, NotFoundError, UpstreamError
from graph.checkpoint.views import BUDGETS, CheckpointView, difference, summary, view_of
from graph.settings import Settings, load_settings

app = typer.Typer(help="Read what runs remember.")

T = TypeVar("T")
AGENT = "responder"
Thread = Annotated[str, typer.Argument(help="Incident or pipeline run.")]
Chosen = Annotated[str, typer.Option("--checkpoint", help="Checkpoint id; the newest when left out.")]


@app.command("list")
def list_checkpoints(
    thread: Annotated[str, typer.Argument(help="Incident or pipeline run; all threads when left out.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List checkpoints, newest first; without a thread the newest of each.

    Example: firebreak checkpoint list inc-1a2b3c
    """
    found = _reading(lambda saver: _views(saver, thread, limit))
    if not thread:
        newest: dict[str, CheckpointView] = {}
        for view in found:
            newest.setdefault(view.thread, view)
        found = list(newest.values())
    if as_json:
        fields = {"thread", "id", "at", "step", "title", "phase", "status"}
        print_json({"checkpoints": [v.model_dump(mode="json", include=fields) for v in found]})
        return
    if not found:
        say("No checkpoint yet. Runs begin with an alert; try: firebreak drill run")
        return
    table = Table("thread", "checkpoint", "step", "phase", "status", "at")
    for view in found:
        table.add_row(view.thread, view.id, str(view.step), view.phase, view.status, view.at[:19])
    Console().print(table)


@app.command("show")
def show(thread: Thread, checkpoint: Chosen = "", as_json: JsonFlag = False) -> None:
    """Show one checkpoint: phase, tasks, dependencies, variables, recent evidence, agent and tier.

    Example: firebreak checkpoint show inc-1a2b3c --json
    """
    view = _one(thread, checkpoint)
    if as_json:
        print_json(view.model_dump(mode="json"))
        return
    say(summary(view, 100_000))
    say(f"checkpoint {view.id} of {view.at[:19]}")


@app.command("diff")
def diff(
    thread: Thread,
    before: Annotated[str, typer.Argument(help="Checkpoint id.")],
    after: Annotated[str, typer.Argument(help="Checkpoint id; the newest when left out.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show what changed between two checkpoints of a thread.

    Example: firebreak checkpoint diff inc-1a2b3c 1f0a-… 1f0b-…
    """
    changes = difference(_one(thread, before), _one(thread, after))
    if as_json:
        print_json({"thread": thread, "changes": [c.model_dump() for c in changes]})
        return
    for change in changes:
        say(f"{change.field}: {change.before or '(nothing)'} → {change.after or '(nothing)'}")
    if not changes:
        say("Nothing that is shown differs.")


@app.command("summary")
def summarise(
    thread: Thread,
    checkpoint: Chosen = "",
    budget: Annotated[int, typer.Option(help="Tokens at most: 500, 1000, 2000 or 4000.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Sum a checkpoint up within a token budget, for a person or a model that takes over.

    Example: firebreak checkpoint summary inc-1a2b3c --budget 500
    """
    if budget not in BUDGETS:
        raise ConfigError("There is no such budget.", expected=", ".join(str(b) for b in BUDGETS), found=str(budget))
    text = summary(_one(thread, checkpoint), budget)
    if as_json:
        print_json({"thread": thread, "budget": budget, "summary": text})
        return
    say(text)


def _one(thread: str, checkpoint: str) -> CheckpointView:
    async def read(saver: Any) -> CheckpointView:
        where = {"thread_id": thread, "checkpoint_ns": ""} | ({"checkpoint_id": checkpoint} if checkpoint else {})
        found = await saver.aget_tuple({"configurable": where})
        if found is None:
            raise NotFoundError(
                f"{thread} has no checkpoint {checkpoint}".rstrip(), hint="firebreak checkpoint list shows them"
            )
        return view_of(found, agent=AGENT, tier=_tier())

    return _reading(read)


async def _views(saver: Any, thread: str, limit: int) -> list[CheckpointView]:
    config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}} if thread else None
    rows = [view_of(row) async for row in saver.alist(config, limit=limit if thread else None)]
    return list(islice(sorted(rows, key=lambda v: v.at, reverse=True), limit if thread else None))


def _reading(work: Callable[[Any], Awaitable[T]]) -> T:
    from graph.checkpoint.opening import open_saver

    async def read() -> T:
        async with open_saver(_settings()) as saver:
            return await work(saver)

    return asyncio.run(read())


def _settings() -> Settings:
    """Those of this home, with its embedded Redis where that runs and no other was named."""
    settings = load_settings().model_copy(update={"home": SESSION.home.path})
    socket = SESSION.home.redis_socket
    if settings.redis_url is None and socket.exists():
        return settings.model_copy(update={"redis_url": SecretStr(f"unix://{socket}")})
    if settings.redis_url is None and not (SESSION.home.path / "checkpoints.db").exists():
        raise UpstreamError(
            f"No run has left a checkpoint in {SESSION.home.path}.",
            expected="the home's Redis, or its checkpoints.db",
            found="neither",
            hint="firebreak up --detach starts the home's Redis; REDIS_URL names another",
        )
    return settings


def _tier() -> str:
    """The agent's tier now, when a home is up."""
    try:
        with connect(SESSION.home) as client:
            agents = client.get("/api/agents").get("agents", [])
    except FirebreakError:
        return ""
    return next((str(a["tier"]) for a in agents if a["agent"] == AGENT), "")
