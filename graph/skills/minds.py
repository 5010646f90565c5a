"""The minds of the stages of skills: the configured one, or one that an order names."""

from __future__ import annotations

from functools import lru_cache

from agents.reasoners.circuit import CircuitReasoner
from agents.reasoners.openai import OpenAiReasoner
from domain.clock import Clock
from domain.inventory import ModelConfig
from domain.reasoning import Reasoner
from governance.health import Breaker, Circuits
from graph.minds import endpoint_named
from graph.settings import Settings
from skills.bench import Minds


def minds_of(settings: Settings, config: ModelConfig, circuits: Circuits, clock: Clock) -> Minds:
    """The last few are kept, so that budgets and broken circuits outlive one question."""

    @lru_cache(maxsize=8)
    def mind(model: str, base_url: str) -> Reasoner | None:
        endpoint = endpoint_named(settings, config, model=model, base_url=base_url)
        if endpoint is None:
            return None
        named = bool(model or base_url)
        breaker = Breaker("model of a stage", clock) if named else circuits.of("model")
        return CircuitReasoner(OpenAiReasoner(endpoint), breaker)

    return mind
