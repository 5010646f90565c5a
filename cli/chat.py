"""`firebreak chat`: ask about an incident or the system, answered from evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import AppClient, connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("chat")(chat)


def chat(
    question: Annotated[str, typer.Argument(help="What you want to know; leave it out for a conversation.")] = "",
    incident: Annotated[str, typer.Option(help="Incident id the question is about.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Ask about an incident or the system. Every sentence of the answer names its evidence.

    Example: firebreak chat "why not restart?" --incident inc-4f2a9c1be07d
    """
    with connect(SESSION.home) as client:
        if question:
            _ask(client, question, incident, as_json)
            return
        say("Ask about incidents; an empty line ends.")
        while text := typer.prompt(">", prompt_suffix=" ", default="", show_default=False):
            _ask(client, text, incident, as_json=False)


def _ask(client: AppClient, text: str, incident: str, as_json: bool) -> None:
    pieces = []
    for _, piece in client.stream("/api/chat", {"text": text, "incident": incident or None}):
        pieces.append(piece)
        if as_json:
            continue
        match piece.get("kind"):
            case "sentence":
                say(f"  {piece['text']}  [{', '.join(piece.get('evidence', []))}]")
            case "unsupported":
                say(f"  (unsupported, dropped: {piece['text']})")
            case "suggestion":
                say(f"  ask next: {piece['text']}")
            case _:
                continue
    if as_json:
        print_json({"pieces": pieces})
