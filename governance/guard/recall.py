"""Asked again: a step that is done is answered from its claim, one that is running is waited for."""

from __future__ import annotations

import asyncio

from governance.guard.attempt import Attempt, Door, Parts, Wrapper, receipt_of
from governance.guard.resolve import answer_from_claim


class Recall(Wrapper):
    """Nothing here can cause an effect, so it stands before everything that could refuse."""

    name = "recall"

    def __init__(self, inner: Door, parts: Parts) -> None:
        super().__init__(inner, parts)
        self._running: dict[str, asyncio.Future[None]] = {}

    async def carry_out(self, attempt: Attempt) -> None:
        while (running := self._running.get(attempt.key)) is not None:
            await asyncio.shield(running)
        if await answer_from_claim(attempt, self.parts):
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running[attempt.key] = done
        try:
            await self.inner.carry_out(attempt)
            attempt.receipt = receipt_of(attempt)
        finally:
            del self._running[attempt.key]
            done.set_result(None)
