"""The skills at hand: folders by name, read afresh each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domain.errors import NotFoundError
from skills.folder import PROSE, Package, load
from skills.problem import SkillError
from skills.schema import Skill
from skills.vocabulary import nearest


class Shelf:
    """Skills in one or more folders; the first one with a name wins."""

    def __init__(self, *roots: Path) -> None:
        self._roots = roots

    def names(self) -> list[str]:
        """Of everything that has prose, sorted."""
        return sorted({p.parent.name for root in self._roots for p in root.glob(f"*/{PROSE}")})

    def package(self, name: str) -> Package:
        """Raises NotFoundError for an unknown name, SkillError for one that cannot be read."""
        for root in self._roots if Path(name).name == name else ():
            if (root / name / PROSE).exists():
                return load(root / name)
        raise NotFoundError(f"there is no skill {name[:64]!r}", found=name[:64], hint=nearest(name, self.names()))

    def procedure(self, name: str) -> tuple[Package, Skill]:
        """A skill that can be run. Raises NotFoundError, SkillError."""
        package = self.package(name)
        if package.skill is None:
            raise SkillError(
                f"{name} is a runbook for people, it has no procedure",
                expected="assets/skill.yaml",
                found="prose only",
                hint="firebreak skill list shows what can be run",
            )
        return package, package.skill

    def unreadable(self) -> list[str]:
        """Names of what stands there and cannot be read; `skill validate` says why."""
        return [name for name in self.names() if not self._reads(name)]

    def _reads(self, name: str) -> bool:
        try:
            return bool(self.package(name))
        except SkillError:
            return False

    def procedures(self) -> Iterator[tuple[Package, Skill]]:
        """Everything that can be run; what cannot be read is left out."""
        for name in self.names():
            try:
                package = self.package(name)
            except SkillError:
                continue
            if package.skill is not None:
                yield package, package.skill
