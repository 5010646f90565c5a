"""One look at a bundle with everything that helps: diffs read, the engine's diagnosis, second opinions, runbooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.apart import told_apart
from agents.diff_reader import DiffsRead, read_diffs
from agents.perceiver import Perceiver
from agents.perception import diagnose
from agents.perception.facts import Facts
from agents.perception.history import History
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis
from domain.reasoning import Reasoner
from domain.retrieval import Retriever


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
        read = await read_diffs(self.reasoner, bundle)
        found = diagnose(bundle, history=self.history, diffs_read=read.readings)
        seen = await Perceiver(self.reasoner).consider(found, self.probes, Facts(bundle).services)
        return await told_apart(_with_diffs(seen.diagnosis, read), self.retriever)


def _with_diffs(diagnosis: Diagnosis, read: DiffsRead) -> Diagnosis:
    """What was read in vain, and why diffs went unread, beside the other opinions."""
    second = diagnosis.second_opinion
    if second is None or not (read.dropped or read.fell_back):
        return diagnosis
    update = {"dropped": [*second.dropped, *read.dropped], "fell_back": second.fell_back or read.fell_back}
    return diagnosis.model_copy(update={"second_opinion": second.model_copy(update=update)})
