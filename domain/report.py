"""What is told afterwards: every sentence with its evidence."""

from __future__ import annotations

from typing import Any

from domain.value import UtcTime, Value


class Sentence(Value):
    """One claim and what it rests on. A sentence without evidence is shown as unsupported, never as fact."""

    text: str
    evidence: list[str] = []
    """Evidence ids (`E3`) and ledger references (`L17`)."""


class Brief(Value):
    """What broke, why, what was done, what next."""

    what_broke: list[Sentence] = []
    why: list[Sentence] = []
    actions: list[Sentence] = []
    recovery: list[Sentence] = []
    prevention: list[Sentence] = []
    status_page: str = ""
    """One paragraph for users; says nothing internal."""
    unsupported: list[str] = []
    """Sentences that code dropped because nothing carried them."""
    written_by: str = "rules"
    model_use: str = ""
    """What the incident's questions to a model have cost, in words; empty: none was asked."""
    written_at: UtcTime

    def sentences(self) -> list[Sentence]:
        """All sentences in reading order."""
        return [*self.what_broke, *self.why, *self.actions, *self.recovery, *self.prevention]


class Check(Value):
    """One look at the patient after a step."""

    name: str
    """`user probe: shop checkout`, `cause: no blocked sessions`, `re-trigger: api restart` …"""
    kind: str
    """symptom (users), cause (the culprit's own reading), durable (survives a re-trigger), regression (nothing else got worse)"""
    ok: bool | None
    text: str
    evidence: list[str] = []


class Verification(Value):
    """Whether the cure holds."""

    step_id: str | None
    """The step it follows; None for the final one."""
    symptoms_relieved: bool
    cause_repaired: bool | None
    regressed: bool = False
    checks: list[Check] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    at: UtcTime

    @property
    def passed(self) -> bool:
        """Symptoms gone, the cause not seen any more, nothing worse, and it lasted."""
        return self.symptoms_relieved and self.cause_repaired is not False and self.lasted and not self.regressed

    @property
    def lasted(self) -> bool:
        """No check saw the cure give way."""
        return not any(c.kind == "durable" and c.ok is False for c in self.checks)
