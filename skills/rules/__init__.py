"""What makes a skill one that can be believed: one small function per rule, each with its own test."""

from skills.rules import commands, effects, names, prose, undo, vacuous
from skills.rules.flaw import Rule

RULES: tuple[Rule, ...] = (
    *names.RULES,
    *effects.RULES,
    *undo.RULES,
    *vacuous.RULES,
    *commands.RULES,
    *prose.RULES,
)
"""Every rule over a procedure, in the order in which people should mend things."""
