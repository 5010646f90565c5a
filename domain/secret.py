"""Secrets of targets: where they are kept, and what the credential of the running step opens at its target."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from domain.errors import ToolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One version of a secret."""

    version: int
    """Grows with every write; 0: there is none."""
    values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class SecretStore(Protocol):
    """A store with versions. Calls block. Raises FirebreakError when it does not answer or refuses."""

    def newest(self, place: str) -> Kept:
        """The newest version at a place, `<environment>/<target>/<name>`."""
        ...

    def keep(self, place: str, values: Mapping[str, str]) -> int:
        """Add a version, as the step that runs now; its number. Raises ToolError outside a step."""
        ...


Write = Callable[[str, Mapping[str, str]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What one step's credential opens. Lives as long as the step, in the process that carries it out."""

    values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables that the target's bindings name → their values for this step."""
    write: Write | None = None
    """Adds a version to a secret under the step's credential; None where the issuer keeps no secrets."""


_OPENED: ContextVar[Opened | None] = ContextVar("opened", default=None)


@contextmanager
def step_opens(opened: Opened) -> Generator[None, None, None]:
    """Within the block, and in every task that it starts, the step's credential counts."""
    token = _OPENED.set(opened)
    try:
        yield
    finally:
        _OPENED.reset(token)


def keep_as_step(place: str, values: Mapping[str, str]) -> int:
    """Add a version under the running step's credential; its number. Raises ToolError without a step that may."""
    opened = _OPENED.get()
    if opened is None or opened.write is None:
        raise ToolError(
            f"no credential of a running step keeps secrets at {place}",
            expected="a step under a credential that Vault issued",
            found="no running step" if opened is None else "an issuer that keeps no secrets",
            hint="set Vault up (firebreak vault setup), or let the binding name a secret_file",
            code="tool.no_credential",
        )
    return opened.write(place, values)


class StepVariables(Mapping[str, str]):
    """A process's variables, with what the running step's credential opens laid over them."""

    def __init__(self, below: Mapping[str, str]) -> None:
        self._below = below

    def __getitem__(self, name: str) -> str:
        values = _values()
        return values[name] if name in values else self._below[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._below, **_values()})

    def __len__(self) -> int:
        return len({**self._below, **_values()})


def _values() -> Mapping[str, str]:
    opened = _OPENED.get()
    return opened.values if opened else {}
