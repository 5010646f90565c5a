"""Which mind answers: rules alone, or a model that rules stand in for visibly."""

from __future__ import annotations

from agents.reasoners.circuit import CircuitReasoner
from agents.reasoners.fallback import FallbackReasoner
from agents.reasoners.openai import Endpoint, OpenAiReasoner
from agents.reasoners.rules import RulesReasoner
from domain.clock import Clock
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from governance.health import Breaker
from graph.settings import Settings

DEFAULT_MODEL = "gpt-4.1-mini"
"""Asked for when an endpoint or a key is given and no model is named."""


def reasoner_of(settings: Settings, inventory: Inventory, clock: Clock, breaker: Breaker | None = None) -> Reasoner:
    """The reasoner for every role. The inventory's model settings override the environment's."""
    rules = RulesReasoner(clock)
    endpoint = endpoint_of(settings, inventory)
    if endpoint is None:
        return rules
    model = CircuitReasoner(OpenAiReasoner(endpoint), breaker or Breaker("model", clock))
    return FallbackReasoner(model, rules)


def endpoint_of(settings: Settings, inventory: Inventory) -> Endpoint | None:
    """The configured endpoint, or None: rules only."""
    base_url = inventory.model.base_url or settings.model_base_url
    model = inventory.model.model or settings.model
    if not (model or base_url or settings.model_azure_endpoint or settings.model_api_key):
        return None
    return Endpoint(
        model=model or DEFAULT_MODEL,
        base_url=base_url,
        api_key=settings.model_api_key,
        azure_endpoint=settings.model_azure_endpoint,
        azure_api_version=settings.model_azure_api_version,
        timeout_s=settings.model_timeout_s,
        token_budget=settings.model_token_budget,
    )
