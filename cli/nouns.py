"""Which file holds which command, so that a command imports its own file and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "demo": "demo",
    "up": "up",
    "down": "up",
    "status": "up",
    "serve": "up",
    "login": "up",
    "doctor": "doctor",
    "investigate": "investigate",
    "chat": "chat",
    "kill": "kill",
    "resume": "kill",
}
"""Commands without a noun, to the file in this folder whose `register` adds them."""
NOUNS = {
    name: name
    for name in (
        *(
            "incident",
            "bundle",
            "drill",
            "stack",
            "config",
            "intake",
            "change",
            "checkpoint",
            "rag",
            "tiers",
            "findings",
        ),
        *("ledger", "events", "webhook", "policy", "pipeline", "skill", "contract", "agent", "eval", "vault", "people"),
        *("shadow", "target", "backtest"),
    )
} | {"eval": "evaluate"}
"""Groups of commands, to the file whose `app` they are."""
SPEAKS_ALONE = "backtest"
"""The group that does something without a further word."""


class Nouns(TyperGroup):
    """The root command. Listing it imports everything; running one command imports that one."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every word, in the order in which help shows them."""
        return [*VERBS, *NOUNS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name. None for a word that nobody knows, after all were imported: help suggests one of them."""
        known = cmd_name in VERBS or cmd_name in NOUNS
        for name in [cmd_name] if known else self.list_commands(ctx):
            if name not in self.commands:
                self.commands.update(_commands(name))
        return self.commands.get(cmd_name)


def _commands(name: str) -> Mapping[str, Any]:
    """What the file of that command holds, by name."""
    root = typer.Typer(rich_markup_mode=None)
    root.callback()(lambda: None)
    if name in VERBS:
        import_module(f"cli.{VERBS[name]}").register(root)
    else:
        group = import_module(f"cli.{NOUNS[name]}").app
        root.add_typer(group, name=name, no_args_is_help=name != SPEAKS_ALONE)
    return typer.main.get_group(root).commands
