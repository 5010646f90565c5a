"""Which mind works at which stage: rules unless a model is asked for; the one that the command names goes before the configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.inventory import Inventory
    from domain.reasoning import Reasoner
    from skills.report import Engine

Model = Annotated[
    str, typer.Option("--model", help="Model for every stage of this command, instead of the configured.")
]
Verifier = Annotated[
    str, typer.Option(help="rules, or llm: a model beside them, whose no counts and whose yes does not.")
]
VerifierModel = Annotated[str, typer.Option("--verifier-model", help="Model that verifies; implies --verifier llm.")]
OptimizerModel = Annotated[str, typer.Option("--optimizer-model", help="Model that reviews; implies --optimizer llm.")]
PlannerModel = Annotated[str, typer.Option("--planner-model", help="Model that chooses; implies --planner llm.")]
PlannerUrl = Annotated[
    str,
    typer.Option("--planner-base-url", help="Its OpenAI-compatible endpoint; the configured key is not sent there."),
]


def service_named(word: str) -> str:
    """The service that a command is about. Raises ConfigError for a TARGET file: those are bound to services."""
    if not word.endswith((".yaml", ".yml")):
        return word
    raise ConfigError(
        "a TARGET file is reached through a service of the inventory",
        expected="the name of a service",
        found=word,
        hint=f"give the service `kubernetes: {{via: kubernetes, path: {word}}}` or `host: {{via: ssh, path: {word}}}` "
        "in firebreak.yaml (docs/how-to/run-on-a-remote-host-or-cluster.md), and name the service here",
    )


def engine(word: str, model: str = "") -> Engine:
    """`llm` or the rules under any of their names; unsaid: llm where a model is named. Raises ConfigError."""
    word = word or ("llm" if model else "rules")
    if word == "llm":
        return "llm"
    if word not in ("rules", "template", "heuristic"):
        raise ConfigError("there is no such engine", expected="llm, rules, template or heuristic", found=word)
    if model:
        raise ConfigError(f"a model was named for a stage of {word}", expected="llm, or no model", found=model)
    return "rules"


def verifier_of(word: str, model: str) -> dict[str, str]:
    """The verifier's part of an order. Raises ConfigError."""
    return {"verifier": engine(word, model), "verifier_model": model}


def planner_of(word: str, model: str, base_url: str) -> dict[str, str]:
    """The planner of a mission. Raises ConfigError."""
    return {"planner": engine(word, model or base_url), "planner_model": model, "planner_base_url": base_url}


def mind_of(by: Engine, model: str, inventory: Inventory) -> Reasoner | None:
    """The model to ask where `llm` works; None: rules only, or none is configured."""
    if by == "rules":
        return None
    from agents.reasoners.openai import OpenAiReasoner
    from graph.minds import endpoint_named
    from graph.settings import load_settings

    endpoint = endpoint_named(load_settings(), inventory.model, model=model)
    return OpenAiReasoner(endpoint) if endpoint else None
