"""Ending the tasks of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

HEARD_S = 1.0
"""How long a task may take to leave before it is asked again; time enough to give its lease back."""


async def end_tasks(tasks: Mapping[str, asyncio.Task[None]]) -> None:
    """Cancel all; the mapping empties itself as they end.

    A cancellation can get lost in a library below (asyncio.wait_for before Python 3.12, LangGraph while it tidies up
    after a stream); the task would go on, and the process would never end. So each is asked until it has heard.
    """
    while running := list(tasks.values()):
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=HEARD_S)
