"""The nodes of the incident graph as stages: the very same functions, so that both walks are one and the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from domain.action import Tier
from graph.at_work import carried_out
from graph.nodes.act import make_act, make_roll_back
from graph.nodes.approve import approve
from graph.nodes.clarify import make_clarify
from graph.nodes.closing import make_escalate, make_explain, make_learn
from graph.nodes.intake import make_intake
from graph.nodes.judge import make_judge
from graph.nodes.oversee import make_oversee
from graph.nodes.perceive import make_perceive
from graph.nodes.plan import make_plan
from graph.nodes.probe import make_probe
from graph.nodes.verify import make_verify
from graph.pipelines.stages import Bindings, NoArguments, StageAnswer, StageCall, StageTemplate, StageWork
from graph.services import Services

_READING: dict[str, Callable[[Services], Any]] = {
    "intake": make_intake,
    "perceive": make_perceive,
    "plan": make_plan,
    "judge": make_judge,
    "approve": lambda _: approve,
    "verify": make_verify,
    "oversee": make_oversee,
    "clarify": make_clarify,
    "escalate": make_escalate,
    "explain": make_explain,
    "learn": make_learn,
}
_CONFIGURED: dict[str, Callable[[Services], Any]] = {
    "probe": lambda services: make_probe(services).ainvoke,
    "act": make_act,
    "roll_back": make_roll_back,
}
"""Nodes that run tools and so need the run's configuration."""
_CHANGING = ("act", "roll_back")


def _work(name: str, make: Callable[[Services], Any], *, configured: bool) -> Callable[[Bindings], StageWork]:
    def bound(bindings: Bindings) -> StageWork:
        made: Callable[..., Coroutine[Any, Any, dict[str, Any]]] = make(bindings.services)
        node = made if name == "probe" else carried_out(bindings.services, name, made)

        async def work(call: StageCall) -> StageAnswer:
            update = node(call.state, call.config) if configured else node(call.state, runtime=call.runtime)
            return StageAnswer(update=await update)

        return work

    return bound


def _template(name: str, make: Callable[[Services], Any], *, configured: bool) -> StageTemplate:
    changing = name in _CHANGING
    return StageTemplate(
        name=f"incident.{name}",
        summary=f"the incident graph's {name}",
        tier=Tier.T1 if changing else Tier.T0,
        args=NoArguments,
        make=_work(name, make, configured=configured),
        mutating=changing,
    )


INCIDENT_STAGES: tuple[StageTemplate, ...] = (
    *(_template(name, make, configured=False) for name, make in _READING.items()),
    *(_template(name, make, configured=True) for name, make in _CONFIGURED.items()),
)
