"""The one error tree.

An area is given by inheritance, the exact case by `code` (stable, `area.what_happened`). Every error says what was
expected, what was found and what a person can do. `Transient` marks the errors for which trying again helps.
Expected outcomes (denied, no data, unknown, inconclusive) are values, not exceptions.
"""

from __future__ import annotations


class FirebreakError(Exception):
    """Root of everything Firebreak raises on purpose."""

    code = "firebreak.failed"

    def __init__(self, message: str, *, expected: str = "", found: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.hint = hint
        if code:
            self.code = code

    def lines(self) -> list[str]:
        """The error as a person reads it: message, then expected / found / hint where known."""
        rows = [self.message]
        rows += [f"{label}: {text}" for label, text in self._facts() if text]
        return rows

    def _facts(self) -> list[tuple[str, str]]:
        return [("expected", self.expected), ("found", self.found), ("what to do", self.hint)]


class Transient(Exception):  # noqa: N818 - a marker, not an error of its own
    """Mixin: trying again may help, not before `retry_after` seconds."""

    retry_after: float = 1.0


class ConfigError(FirebreakError):
    """A setting, `firebreak.yaml` or a command's words are wrong. Raised before anything starts."""

    code = "config.invalid"


class IntakeError(FirebreakError):
    """An alert delivery is not what its source promises."""

    code = "intake.malformed"


class AuthError(FirebreakError):
    """No valid credential was presented, or it may not do this."""

    code = "auth.refused"


class NotFoundError(FirebreakError):
    """The thing asked for by id does not exist."""

    code = "request.not_found"


class ConflictError(FirebreakError):
    """The thing exists but is not in a state that allows this."""

    code = "request.conflict"


class EvidenceError(FirebreakError):
    """A bundle, a probe or a telemetry source cannot be read."""

    code = "evidence.unreadable"


class GovernanceError(FirebreakError):
    """A broken promise on the governed path: a lost lock, an unknown plan, a stale approval."""

    code = "governance.broken"


class LedgerError(GovernanceError):
    """The ledger cannot be written, read or verified."""

    code = "ledger.broken"


class ToolError(FirebreakError):
    """An action or a probe could not do its work."""

    code = "tool.failed"


class ToolUnavailableError(Transient, ToolError):
    """The tool's far end does not answer."""

    code = "tool.unavailable"


class ToolUnknownError(ToolError):
    """A request went out and no answer came back: the effect may be there. Look, never send again."""

    code = "tool.unknown"


class ModelError(FirebreakError):
    """The model's answer cannot be used."""

    code = "model.unusable"


class ModelUnavailableError(Transient, ModelError):
    """The model endpoint is missing, slow or refuses."""

    code = "model.unavailable"


class StorageError(FirebreakError):
    """A store of ours cannot be read or written."""

    code = "storage.failed"


class StorageUnavailableError(Transient, StorageError):
    """A store of ours does not answer now."""

    code = "storage.unavailable"


class LeaseLostError(Transient, StorageError):
    """Another runner holds this thread now; its fencing token is newer."""

    code = "storage.lease_lost"


class ProcessError(FirebreakError):
    """A process of ours could not be started, adopted or stopped."""

    code = "process.failed"


class UpstreamError(Transient, FirebreakError):
    """A service of ours (app, action server, chaos server) does not answer."""

    code = "upstream.unavailable"


class CircuitOpenError(Transient, FirebreakError):
    """A dependency failed again and again; nothing is sent until its circuit breaker tries once more."""

    code = "dependency.circuit_open"
