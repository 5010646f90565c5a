"""What a runner refuses whatever the caller says: the last check before a command leaves."""

from __future__ import annotations

from domain.commands import reads_only
from domain.remote import RemoteTarget
from domain.runner import Command


def refusal(command: Command, target: RemoteTarget | None, *, may_change: bool) -> str:
    """Why the command is not run, or nothing. `may_change` is true only in the action server, behind the guard."""
    if not command.effect.mutating:
        if reads_only(command.argv):
            return ""
        return (
            f"{command.argv[0]} with these words is not known to read only; "
            "declare what it does and let the guard judge it as an action"
        )
    if not may_change:
        return "this process may only read; what changes something goes through the guard"
    if target is None or not target.allows(command.argv):
        allowed = ", ".join(" ".join(words) for words in target.changing()) if target else ""
        return f"the TARGET file does not allow this command; `ssh.commands` lists: {allowed or 'none'}"
    return ""
