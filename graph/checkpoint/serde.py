"""What may stand in a checkpoint. Types are listed once, here; anything else is refused when it is read back."""

from __future__ import annotations

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from domain.action import ActionCall, ActionResult, DryRun, DryRunResult, Effect, Judgement, Outcome, Reason, Verdict
from domain.alert import Alert, AlertStatus, Change, Signature
from domain.crew import OutputPointer
from domain.diagnosis import BlastRadius, Diagnosis, DiagnosisVerdict, Evidence, Hypothesis, NextProbe, SecondOpinion
from domain.guard import Approval, ApprovalStatus, Receipt
from domain.incident import IncidentStatus, TimelineEntry
from domain.lifecycle import OutputType, Phase
from domain.pipeline import StageResult, StageStatus
from domain.plan import Criterion, Plan, Step, StepResult
from domain.reasoning import ProbeWish
from domain.report import Brief, Check, Sentence, Verification
from domain.retrieval import Passage
from domain.severity import Severity
from domain.usage import Usage

PERSISTED_TYPES: tuple[type, ...] = (
    ActionCall,
    ActionResult,
    Alert,
    AlertStatus,
    Approval,
    ApprovalStatus,
    BlastRadius,
    Brief,
    Change,
    Check,
    Criterion,
    Diagnosis,
    DiagnosisVerdict,
    DryRun,
    DryRunResult,
    Effect,
    Evidence,
    Hypothesis,
    IncidentStatus,
    Judgement,
    NextProbe,
    Outcome,
    OutputPointer,
    OutputType,
    Passage,
    Phase,
    Plan,
    ProbeWish,
    Reason,
    Receipt,
    SecondOpinion,
    Sentence,
    Severity,
    Signature,
    StageResult,
    StageStatus,
    Step,
    StepResult,
    TimelineEntry,
    Usage,
    Verdict,
    Verification,
)
"""Everything of ours that a graph state may hold."""


def strict_serde() -> JsonPlusSerializer:
    """A serializer that reads back only plain data, messages and the listed types."""
    return JsonPlusSerializer(
        allowed_msgpack_modules=[(cls.__module__, cls.__name__) for cls in PERSISTED_TYPES], pickle_fallback=False
    )
