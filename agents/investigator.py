"""One look at a bundle with everything that helps: diffs read, the engine's diagnosis, second opinions, runbooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.apart import told_apart
from agents.diff_reader import NOTHING, DiffsRead
from agents.perceiver import Perceiver, Seen
from agents.perception import diagnose
from agents.perception.facts import Facts
from agents.perception.history import History
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis
from domain.reasoning import Reasoner
from domain.retrieval import Retriever
from domain.second_opinion import DiffReading

Diagnosing = Callable[[Bundle, Mapping[str, DiffReading]], Awaitable[Diagnosis]]
"""The engine, given what a mind made of the changes' diffs (change id → reading)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was made of a bundle, and of its changes' diffs."""

    seen: Seen
    diffs: DiffsRead


async def look_with(
    perceiver: Perceiver,
    engine: Diagnosing,
    bundle: Bundle,
    *,
    probes: Sequence[str],
    services: Sequence[str],
    before: DiffsRead = NOTHING,
) -> Looked:
    """Diffs (those read `before` are known), engine, second opinions; live incidents and bundles alike.

    Raises what the reasoner raises.
    """
    read = await perceiver.read(bundle, before)
    seen = await perceiver.consider(await engine(bundle, read.readings), probes, services)
    return Looked(seen=replace(seen, diagnosis=_with_diffs(seen.diagnosis, read)), diffs=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigator:
    """`reasoner` None: the engine alone. `probes`: names of the read-only probes that may be asked for next."""

    retriever: Retriever
    reasoner: Reasoner | None = None
    probes: Sequence[str] = ()
    history: History | None = None

    async def look(self, bundle: Bundle) -> Diagnosis:
        """The diagnosis. Raises what the reasoner raises."""
        if self.reasoner is None:
            return await told_apart(diagnose(bundle, history=self.history), self.retriever)
        looked = await look_with(
            Perceiver(self.reasoner), self._engine, bundle, probes=self.probes, services=Facts(bundle).services
        )
        return await told_apart(looked.seen.diagnosis, self.retriever)

    async def _engine(self, bundle: Bundle, read: Mapping[str, DiffReading]) -> Diagnosis:
        return diagnose(bundle, history=self.history, diffs_read=read)


def _with_diffs(diagnosis: Diagnosis, read: DiffsRead) -> Diagnosis:
    """What was read in vain, and why diffs went unread, beside the other opinions."""
    second = diagnosis.second_opinion
    if second is None or not (read.dropped or read.fell_back):
        return diagnosis
    update = {"dropped": [*second.dropped, *read.dropped], "fell_back": second.fell_back or read.fell_back}
    return diagnosis.model_copy(update={"second_opinion": second.model_copy(update=update)})
