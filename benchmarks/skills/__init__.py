"""What skills are worth: tasks with traps, simple methods beside ours, and ours without each of its parts."""

from __future__ import annotations

import sys


def main() -> int:
    """`firebreak eval skills` with the options that follow the benchmark's name."""
    from cli.main import app

    app(["eval", "skills", *sys.argv[1:]], standalone_mode=False)
    return 0


__all__ = ["main"]
