"""Which mind answers: rules alone, or a model that rules stand in for visibly."""

from __future__ import annotations

import re

from agents.reasoners.circuit import CircuitReasoner
from agents.reasoners.fallback import FallbackReasoner
from agents.reasoners.openai import Endpoint, OpenAiReasoner
from agents.reasoners.rules import RulesReasoner
from agents.reasoners.spending import Limits, Prices
from domain.clock import Clock
from domain.errors import ConfigError
from domain.inventory import ModelConfig
from domain.reasoning import Reasoner
from governance.health import Breaker
from graph.settings import Settings

DEFAULT_MODEL = "gpt-4.1-mini"
"""Asked for when an endpoint or a key is given and no model is named."""


def reasoner_of(settings: Settings, config: ModelConfig, clock: Clock, breaker: Breaker | None = None) -> Reasoner:
    """The reasoner for every role. The inventory's model settings override the environment's."""
    rules = RulesReasoner(clock)
    endpoint = endpoint_of(settings, config)
    if endpoint is None:
        return rules
    model = CircuitReasoner(OpenAiReasoner(endpoint), breaker or Breaker("model", clock))
    return FallbackReasoner(model, rules)


def endpoint_named(settings: Settings, config: ModelConfig, *, model: str = "", base_url: str = "") -> Endpoint | None:
    """The configured endpoint with another model or another address.

    The configured key goes to no other address than the configured one: whoever may name an address must not learn it.
    """
    if not base_url or base_url == (config.base_url or settings.model_base_url):
        return endpoint_of(settings, config.model_copy(update={"model": model} if model else {}))
    named = config.model_copy(update={"model": model or config.model, "base_url": base_url})
    return endpoint_of(settings.model_copy(update={"model_api_key": None, "model_azure_endpoint": ""}), named)


def endpoint_of(settings: Settings, config: ModelConfig) -> Endpoint | None:
    """The configured endpoint, or None: rules only."""
    base_url = config.base_url or settings.model_base_url
    model = config.model or settings.model
    if not (model or base_url or settings.model_azure_endpoint or settings.model_api_key):
        return None
    return Endpoint(
        model=model or DEFAULT_MODEL,
        base_url=base_url,
        api_key=settings.model_api_key,
        azure_endpoint=settings.model_azure_endpoint,
        azure_api_version=settings.model_azure_api_version,
        timeout_s=settings.model_timeout_s,
        secrets=secrets_of(settings),
        limits=Limits(
            tokens=settings.model_token_budget,
            calls=settings.model_call_budget,
            seconds=settings.model_seconds_budget,
            money=settings.model_money_budget,
        ),
        prices=Prices(
            input=settings.model_price_input, output=settings.model_price_output, currency=settings.model_currency
        ),
    )


def secrets_of(settings: Settings) -> tuple[re.Pattern[str], ...]:
    """The configured patterns of secrets. Raises ConfigError for one that is no regular expression."""
    try:
        return tuple(re.compile(pattern) for pattern in settings.redact_patterns)
    except re.error as error:
        raise ConfigError(
            "A pattern of secrets cannot be read.",
            expected='regular expressions as JSON, e.g. ["ACME-[0-9]+"]',
            found=f"{error.pattern!r}: {error}",
            hint="FIREBREAK_REDACT_PATTERNS",
        ) from error
