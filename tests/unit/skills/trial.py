"""A bench over the little world: two skills on a shelf, the world's guard, no wall clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.action import Verdict
from domain.conditions import Condition
from domain.reasoning import Reasoner
from skills.bench import Bench, Minds
from skills.folder import DIGEST, digest_of
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import Vocabulary
from tests.fakes.world import INVENTORY, SPECS, TickingClock, World, WorldGuard, WorldProbes
from tests.unit.skills.shelf import GOOD, PROSE, as_yaml

PAUSED = (Condition.PROCESS_PAUSED, "api")
STATE: dict[str, Any] = {"probe": "state", "service": "${service}"}
RESUME: dict[str, Any] = {
    **GOOD,
    "scope": {"environments": ["production"]},
    "preconditions": [{"name": "broken", **STATE, "expect": {"ok": False}}],
    "success_criteria": [{"name": "fine", **STATE, "expect": {"ok": True}, "within_s": 2}],
}
POOL: dict[str, Any] = {
    **RESUME,
    "irreversible": "",
    "actions": [
        {"name": "widen", "action": "scale_pool", "target": "${service}", "args": {"size": 9}, "effect": "reversible"},
    ],
    "rollback": [{"undoes": "widen", "action": "scale_pool"}],
}
SERVED: dict[str, Any] = {"name": "served", "probe": "http_health", "service": "frontend", "expect": {"ok": True}}
TOOLS = "state http_health resume_process scale_pool restart_service process_state"


@dataclass
class Trial:
    """One skill, one world."""

    root: Path
    world: World
    skill: dict[str, Any] = field(default_factory=lambda: RESUME)
    hidden: Sequence[dict[str, Any]] = (SERVED,)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    model: Reasoner | None = None
    minds: Minds | None = None
    probes: Any = None
    """Other looks than the world's own."""
    more_probes: frozenset[str] = frozenset()
    """Their names."""

    def __post_init__(self) -> None:
        self.clock = TickingClock()
        self.guard = WorldGuard(self.world, self.clock, self.verdicts)
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self.write()

    def write(self, skill: dict[str, Any] | None = None) -> None:
        """Put the skill (or another one) on the shelf, pinned."""
        self.skill = skill or self.skill
        folder = self.root / "shelf" / "paused-process"
        (folder / "assets").mkdir(parents=True, exist_ok=True)
        texts = [as_yaml(self.skill), as_yaml({"hidden_checks": list(self.hidden)})]
        (folder / "assets" / "skill.yaml").write_text(texts[0])
        (folder / "assets" / "hidden.yaml").write_text(texts[1])
        prose = PROSE.format(name="paused-process", pin=DIGEST, digest=digest_of(*texts))
        lines = [f"allowed-tools: {TOOLS}" if x.startswith("allowed-tools") else x for x in prose.splitlines()]
        (folder / "SKILL.md").write_text("\n".join(lines) + "\n")

    @property
    def bench(self) -> Bench:
        """Ports over the world."""
        return Bench(
            inventory=INVENTORY,
            words=Vocabulary(
                actions={s.name: s for s in SPECS},
                probes=frozenset({"state", "http_health", "process_state"}) | self.more_probes,
                inventory=INVENTORY,
            ),
            probes=self.probes or WorldProbes(self.world),
            guard=self.guard,
            shelf=Shelf(self.root / "shelf"),
            store=SkillStore(self.root / "home"),
            clock=self.clock,
            note=self._note,
            minds=self.minds or (lambda model, base_url: self.model),
        )

    async def _note(self, kind: str, change: str, content: dict[str, Any]) -> None:
        json.dumps(content)
        self.notes.append((kind, change, content))
