"""What skills are worth on a small cluster: tasks with traps, simple methods beside ours, and ours without each of its parts."""

from benchmarks.skills.campaign import main

__all__ = ["main"]
