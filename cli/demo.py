"""`firebreak demo`: break a real stack in a way the responder was not told, and watch it mend it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cli.client import AppClient
from cli.demo_screen import Screen
from cli.drill import follow, passed
from cli.home import Home
from cli.output import Exit, note, print_json
from cli.session import SESSION, JsonFlag
from cli.temporary import temporary_home


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("demo")(demo)


def demo(
    fault: Annotated[str, typer.Option(help="Fault of the catalogue; a random one when left out.")] = "",
    policy: Annotated[str, typer.Option(help="`production` judges the same stack as production: it asks you.")] = "",
    once: Annotated[bool, typer.Option("--once", help="End after one drill instead of keeping everything up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the demo's own questions; never an approval.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Break a real PostgreSQL-backed shop and watch Firebreak find, mend and explain it. No key, no container.

    Examples: firebreak demo · firebreak demo --fault disk_full · firebreak demo --policy production
    """
    started = time.monotonic()
    home = Home.at(SESSION.home.path) if SESSION.explicit_home else None
    screen = Screen(quiet=as_json, started=started)
    screen.opening()
    with temporary_home(policy, screen.starting, home) as client:
        screen.serving(client)
        result = follow(client, fault, screen.progress, lambda run: screen.look(client, run))
        screen.result(client, result)
        if as_json:
            print_json(result.model_dump(mode="json"))
        elif not once and not yes:
            _stay(client, screen)
    if not passed(result):
        if not as_json:
            note("The drill was not passed; what went wrong stands above.")
        raise typer.Exit(int(Exit.FINDING))


def _stay(client: AppClient, screen: Screen) -> None:
    """Keep everything up for a look around, when a person is there to look."""
    if not screen.watched():
        return
    screen.invitation(client)
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        note("")
