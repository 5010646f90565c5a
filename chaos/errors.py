"""What can go wrong while breaking things on purpose."""

from __future__ import annotations

from domain.errors import ConflictError, FirebreakError, Transient


class ChaosError(FirebreakError):
    """A fault cannot be made, proven or taken back."""

    code = "chaos.failed"


class InjectionRefusedError(ConflictError):
    """Breaking is not allowed here or not now."""

    code = "chaos.refused"


class PatientError(Transient, ChaosError):
    """The patient's control endpoint, database or shop could not be asked."""

    code = "chaos.patient_unreachable"
