"""`firebreak people …`: who may sign in with a token of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import UpstreamError

if TYPE_CHECKING:
    from governance.guard.client import HttpGuard
    from governance.guard.people import Welcome

T = TypeVar("T")
app = typer.Typer(help="Give people tokens of their own, and take them away. Roles come from the inventory's `people`.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the inventory's `people`, e.g. ada.")]


@app.command()
def add(
    name: Name,
    role: Annotated[
        list[str] | None,
        typer.Option(help="viewer, responder, approver or admin; only for somebody the inventory does not name."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a person a token. It is shown this once; only its digest is kept.

    It signs a browser in, and commands with it in FIREBREAK_TOKEN speak in that person's name.
    Example: firebreak people add ada --role approver
    """
    _welcome(_asked(lambda guard: guard.add_person(name, role or [])), as_json)


@app.command("list")
def list_people(as_json: JsonFlag = False) -> None:
    """List everybody with a credential of their own: tokens, and sessions of today.

    Example: firebreak people list
    """
    found = _asked(lambda guard: guard.people()).people
    if as_json:
        print_json({"people": [person.model_dump(mode="json") for person in found]})
        return
    for person in found:
        until = f"until {person.expires_at:%H:%M}" if person.expires_at else "until removed"
        say(f"{person.name}  {', '.join(person.roles)}  {person.kind} {until}{'  ' + person.via if person.via else ''}")
    if not found:
        say("Nobody has a token of their own; the operator's is in secrets/. Try: firebreak people add ada")


@app.command()
def rotate(name: Name, as_json: JsonFlag = False) -> None:
    """Give a person a fresh token; the old one and all sessions end at once.

    Example: firebreak people rotate ada
    """
    _welcome(_asked(lambda guard: guard.rotate_person(name)), as_json)


@app.command()
def remove(name: Name, as_json: JsonFlag = False) -> None:
    """End everything of a person: token and sessions.

    Example: firebreak people remove ada
    """
    _asked(lambda guard: guard.remove_person(name))
    if as_json:
        print_json({"removed": name})
    else:
        say(f"{name} has no way in any more.")


def _welcome(made: Welcome, as_json: bool) -> None:
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    say(f"{made.person.name} ({', '.join(made.person.roles)}) signs in with this token; it is not shown again:")
    say(made.token)


def _asked(ask: Callable[[HttpGuard], Awaitable[T]]) -> T:
    """Ask the action server of this home, as its operator."""
    from governance.guard.client import HttpGuard

    file = SESSION.home.run / "ports.json"
    if not file.exists():
        raise UpstreamError(
            f"No Firebreak runs in {SESSION.home.path}.",
            expected="a home that was started",
            hint="firebreak up --detach",
        )
    url = f"http://127.0.0.1:{json.loads(file.read_text())['action-server']}"

    async def work() -> T:
        async with HttpGuard(url, SESSION.home.token("operator")) as guard:
            return await ask(guard)

    return asyncio.run(work())
