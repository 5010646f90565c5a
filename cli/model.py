"""The configured model for commands that work on bundles, without a home or an inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import ConfigError

if TYPE_CHECKING:
    from agents.reasoners.shown import ShownReasoner
    from domain.reasoning import Reasoner


def configured_model() -> Reasoner:
    """The model of the environment's settings, with rules behind it. Raises ConfigError when none is configured."""
    from domain.clock import SystemClock
    from domain.inventory import ModelConfig
    from graph.minds import endpoint_of, reasoner_of
    from graph.settings import load_settings

    settings = load_settings()
    if endpoint_of(settings, ModelConfig()) is None:
        raise ConfigError(
            "No model is configured.",
            expected="FIREBREAK_MODEL_BASE_URL and FIREBREAK_MODEL, or OPENAI_API_KEY",
            found="none of them",
            hint="without --model the rules answer alone",
        )
    return reasoner_of(settings, ModelConfig(), SystemClock())


def shown_model() -> ShownReasoner:
    """Keeps what a model would be sent, without the secrets that the settings name. Raises ConfigError for a wrong pattern."""
    from agents.reasoners.shown import ShownReasoner
    from graph.minds import secrets_of
    from graph.settings import load_settings

    return ShownReasoner(secrets_of(load_settings()))
