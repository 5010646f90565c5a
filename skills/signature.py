"""From what went wrong to one word that repairs can be looked up by: structure first, tools' own words last."""

from __future__ import annotations

import re
from enum import StrEnum

from domain.action import Outcome, Verdict
from skills.report import Failure, Report, Seen, StepReport


class Signature(StrEnum):
    """The failures that the field knows."""

    RBAC_DENIED = "RBAC_DENIED"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    ROLLOUT_TIMEOUT = "ROLLOUT_TIMEOUT"
    READINESS_NOT_MET = "READINESS_NOT_MET"
    CRD_MISSING = "CRD_MISSING"
    POLICY_BLOCKED = "POLICY_BLOCKED"
    CONNECTION_REFUSED = "CONNECTION_REFUSED"
    COMMAND_NOT_FOUND = "COMMAND_NOT_FOUND"
    IMAGE_PULL_FAILED = "IMAGE_PULL_FAILED"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    VERIFICATION_FAILED = "VERIFICATION_FAILED"
    UNKNOWN = "UNKNOWN"

    @property
    def about_the_skill(self) -> bool:
        """Whether the procedure itself is in doubt, and not only the moment or the leave."""
        return self not in (Signature.POLICY_BLOCKED, Signature.PRECONDITION_FAILED, Signature.CONNECTION_REFUSED)


_WORDS: tuple[tuple[Signature, re.Pattern[str]], ...] = tuple(
    (signature, re.compile(pattern, re.I))
    for signature, pattern in (
        (
            Signature.RBAC_DENIED,
            r"\bforbidden\b|cannot (get|list|create|patch|update|delete|watch) resource|\b403\b|permission denied",
        ),
        (
            Signature.CRD_MISSING,
            r"no matches for kind|the server doesn't have a resource type|could not find the requested resource",
        ),
        (Signature.IMAGE_PULL_FAILED, r"imagepullbackoff|errimagepull|failed to pull image"),
        (Signature.ROLLOUT_TIMEOUT, r"timed out waiting for|exceeded its progress deadline"),
        (
            Signature.RESOURCE_NOT_FOUND,
            r"\bnotfound\b|\b(deployment|pod|service|configmap|secret|namespace)s?\b.*\bnot found",
        ),
        (Signature.COMMAND_NOT_FOUND, r"command not found|no such program|executable file not found"),
        (Signature.CONNECTION_REFUSED, r"connection refused|no route to host|could not connect|unable to connect"),
        (Signature.READINESS_NOT_MET, r"readiness probe failed|not ready\b|0/\d+ .*(ready|available)"),
    )
)


def failure_of(report: Report) -> Failure | None:
    """Why a run did not do what it promises; None when it did."""
    if report.gate is not None and not report.gate.open:
        return _at_the_gate(report)
    refused = next((s for s in report.steps if s.verdict is Verdict.DENY), None)
    if refused is not None:
        return Failure(signature=Signature.POLICY_BLOCKED, text=refused.summary[:400], step=refused.name)
    failed = next((s for s in report.steps if s.outcome in (Outcome.FAILED, Outcome.UNKNOWN)), None)
    if failed is not None:
        return _step(failed)
    missed = next((s for s in (*report.visible, *report.hidden) if s.holds is not True), None)
    return _missed(missed) if missed is not None else None


def signature_of_text(text: str) -> Signature:
    """What a tool's own words say."""
    return next((signature for signature, pattern in _WORDS if pattern.search(text)), Signature.UNKNOWN)


def _at_the_gate(report: Report) -> Failure:
    assert report.gate is not None, "asked before"
    text = "; ".join(report.gate.reasons)[:400]
    unmet = next((s for s in report.preconditions if s.holds is not True), None)
    if unmet is not None:
        return Failure(signature=Signature.PRECONDITION_FAILED, text=unmet.text, step=unmet.name)
    if report.environment is not None and not report.environment.reachable:
        return Failure(signature=Signature.CONNECTION_REFUSED, text=text)
    if "is not there: install it" in text:
        return Failure(signature=Signature.COMMAND_NOT_FOUND, text=text)
    return Failure(signature=Signature.POLICY_BLOCKED, text=text)


def _step(step: StepReport) -> Failure:
    return Failure(signature=signature_of_text(step.summary), text=step.summary[:400], step=step.name)


def _missed(seen: Seen) -> Failure:
    said = signature_of_text(seen.text)
    readable = said in (Signature.READINESS_NOT_MET, Signature.IMAGE_PULL_FAILED, Signature.ROLLOUT_TIMEOUT)
    return Failure(signature=said if readable else Signature.VERIFICATION_FAILED, text=seen.text[:400], step=seen.name)
