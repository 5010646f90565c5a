"""The drill stage: something is broken on purpose through the Drills port, and the responder's score comes back."""

from __future__ import annotations

from domain.action import Tier
from domain.drills import DrillState
from domain.errors import ConfigError
from domain.value import Value
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork

POLL_S = 0.5


class RunDrill(Value):
    """Arguments of `run_drill`."""

    fault: str | None = None
    """Of the catalogue; none means a random one, unknown to everybody until it is scored."""
    must_pass: bool = True
    """Fail unless it was mitigated and lasted, or rightly left alone, and nothing harmful was done."""


def _run_drill(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        drills, clock = bindings.drills, bindings.services.clock
        if drills is None:
            raise ConfigError("there are no drills here", expected="a stack that may be broken", hint="firebreak up")
        drill_id = await _started(bindings, call)
        while not (run := await drills.get(drill_id)).state.terminal:
            await clock.sleep(POLL_S)
        if run.state is not DrillState.FINISHED or run.result is None:
            return StageAnswer(artifacts={"drill": drill_id}, error=f"the drill {run.state}: {run.error}")
        result = run.result
        good = result.abstained if result.abstained is not None else result.mitigated and result.durable
        passed = bool(good) and not result.harmful_actions and result.ledger.verified
        return StageAnswer(
            artifacts={"drill": drill_id, "passed": passed, "result": result.model_dump(mode="json")},
            error="" if passed or not call.args.must_pass else "the drill was not passed",
        )

    return work


async def _started(bindings: Bindings, call: StageCall) -> str:
    """A drill that this run began before a crash is followed, not begun again."""
    drills = bindings.drills
    assert drills is not None, "asked before"
    for run in await drills.runs():
        if not run.state.terminal and run.started_at.isoformat() >= call.state.get("started_at", ""):
            return run.id
    return await drills.start(call.args.fault)


BREAKING_STAGES: tuple[StageTemplate, ...] = (
    StageTemplate(
        name="run_drill",
        summary="break the stack on purpose, blind, and score the responder",
        tier=Tier.T1,
        args=RunDrill,
        make=_run_drill,
    ),
)
