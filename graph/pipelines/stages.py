"""What an agent stage can be: registered templates with typed arguments, the least tier they need, and one async function."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a run always has its ids)
from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from domain.action import Tier
from domain.drills import Drills
from domain.value import Value
from graph.pipelines.state import PipelineState
from graph.services import Services
from graph.state import Knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What stage templates may ask."""

    services: Services
    drills: Drills | None = None
    """None: nothing may be broken on purpose here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCall:
    """One visit of one agent stage."""

    stage: str
    visit: int
    args: Any
    """An instance of the template's argument model."""
    state: PipelineState
    asked: Mapping[str, Any]
    """What this visit asked people before; empty when it asked nothing."""
    config: RunnableConfig
    runtime: Runtime[Knobs]

    @property
    def id(self) -> str:
        """The same for the same visit, also after a crash: what makes a repeated call harmless."""
        return f"{self.state['run']}-{self.stage}-{self.visit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAnswer:
    """What a visit came to."""

    artifacts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Plain JSON."""
    update: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further channels of the state."""
    error: str = ""
    """Why it failed; empty: it completed."""
    asks: Mapping[str, Any] | None = None
    """A question to people; the stage is entered again, with `call.asked`, when they have answered."""


StageWork = Callable[[StageCall], Awaitable[StageAnswer]]


class NoArguments(Value):
    """The template takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTemplate:
    """One kind of work."""

    name: str
    summary: str
    tier: Tier
    """The least tier that can do it."""
    args: type[Value]
    make: Callable[[Bindings], StageWork]
    mutating: bool = False
    needs_tool: str = ""
    """A program that must be on the PATH."""


def registry(*groups: tuple[StageTemplate, ...]) -> dict[str, StageTemplate]:
    """By name. Raises ValueError when two have one name."""
    found: dict[str, StageTemplate] = {}
    for template in (t for group in groups for t in group):
        if template.name in found:
            raise ValueError(f"two stage templates are called {template.name}")
        found[template.name] = template
    return found
