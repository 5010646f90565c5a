"""What is wrong with a skill, where, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

from domain.errors import ConfigError
from domain.value import Value


class SkillError(ConfigError):
    """A skill cannot be read or used."""

    code = "skill.invalid"


class Level(StrEnum):
    """Whether a skill with this problem is refused."""

    ERROR = "error"
    WARNING = "warning"


class Problem(Value):
    """One finding of the validator."""

    rule: str
    """Stable name of the rule, e.g. `vacuous_criterion`."""
    file: str
    line: int = 1
    text: str
    """What was expected and what was found."""
    fix: str
    """What a person can do."""
    level: Level = Level.ERROR

    def words(self) -> str:
        """One line for a terminal; editors jump to `file:line`."""
        return f"{self.file}:{self.line}: {self.level.value} [{self.rule}] {self.text} — {self.fix}"
