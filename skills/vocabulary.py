"""What a skill may speak of: registered actions and probes, and the inventory where one is at hand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.action import ActionSpec
from domain.inventory import Inventory
from skills.analyses.catalogue import ANALYSES
from tools.actions.catalogue import ACTIONS
from tools.probes.runner import PROBES

OTHER_READS = frozenset({"logs", "changes"})
"""What prose may name beside actions and probes: sources that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words that exist."""

    actions: Mapping[str, ActionSpec]
    probes: frozenset[str]
    inventory: Inventory | None = None

    def tools(self) -> set[str]:
        """Everything that prose may name as an allowed tool."""
        return {*self.actions, *self.probes, *OTHER_READS}


def registered(inventory: Inventory | None = None) -> Vocabulary:
    """The product's own actions, probes and analyses."""
    return Vocabulary(
        actions={action.name: action.published() for action in ACTIONS},
        probes=frozenset({*(probe.name for probe in PROBES), *(analysis.name for analysis in ANALYSES)}),
        inventory=inventory,
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean x?`, or the whole list."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"use one of {', '.join(names)}"
