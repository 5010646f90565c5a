"""What simple methods have at hand in one kind of place: commands that words suggest, reactions that readings suggest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Patterns, first fit first; the last one fits everything."""

    commands: Sequence[tuple[str, str]]
    """What the words of a card make one type."""
    reactions: Sequence[tuple[str, Sequence[str]]]
    """What a reading says → what is tried, in this order, each once."""

    def command(self, text: str) -> str:
        """The one command for a card."""
        return next(action for pattern, action in self.commands if re.search(pattern, text))

    def reaction(self, text: str) -> Sequence[str]:
        """What is tried for a reading."""
        return next(names for pattern, names in self.reactions if re.search(pattern, text))


CLUSTER = Habits(
    commands=(
        (r"replica|scaled", "scale_workload"),
        (r"release|image|version", "rollback_deployment"),
        ("", "restart_workload"),
    ),
    reactions=(
        (r"^0 of 0 ", ("scale_workload",)),
        (r"ImagePullBackOff|CrashLoopBackOff", ("rollback_deployment", "restart_workload")),
        ("", ("restart_workload", "rollback_deployment", "scale_workload")),
    ),
)
HOST = Habits(
    commands=(
        (r"release|deploy", "rollback_release"),
        (r"configuration", "restore_config"),
        (r"full", "free_disk_space"),
        ("", "restart_service"),
    ),
    reactions=(
        (r"missing|emptied|changed", ("restore_config", "restart_service")),
        (r"free", ("free_disk_space", "restart_service")),
        (r"connections in use", ("scale_pool", "restart_service")),
        (r"\(in use", ("shift_traffic", "restart_service")),
        (r"429", ("switch_upstream", "restart_service")),
        ("", ("restart_service", "rollback_release", "shift_traffic")),
    ),
)
"""For processes, files and links, as the local stack has them."""
