"""A runner for a namespace: reading kubectl commands, answered through the API; changes are registered actions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from domain.clock import Clock, SystemClock
from domain.errors import AuthError, FirebreakError, ToolError
from domain.redaction import redact
from domain.runner import Command, Profile, Ran, RunOutcome
from domain.value import digest
from tools.bundle.imports.platform_dump import bare
from tools.kubernetes.client import ClusterClient
from tools.kubernetes.kinds import KINDS, Kind
from tools.kubernetes.profile import profile_of
from tools.kubernetes.workload import KEPT_AS, facts_of, owned_by
from tools.runners.kubectl import NotUnderstoodError, Question, parse
from tools.runners.permitted import refusal
from tools.runners.protocol import checked_step

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    call: str
    ran: Ran


class KubernetesRunner:
    """Implements domain.runner.Runner. Reading leaves no trace in a cluster, so steps are remembered in this process only."""

    def __init__(self, cluster: ClusterClient, *, name: str, clock: Clock | None = None) -> None:
        self._cluster = cluster
        self._name = name
        self._clock = clock or SystemClock()
        self._steps: dict[str, _Step] = {}

    async def profile(self) -> Profile:
        """See Runner."""
        return await profile_of(self._cluster, self._name, self._clock)

    async def run(self, command: Command, step_id: str) -> Ran:
        """See Runner. What changes something is refused: it is a registered action of the guard."""
        try:
            known = self._steps.get(checked_step(step_id))
        except ToolError as error:
            return _refused("; ".join(error.lines()))
        call = digest({"argv": list(command.argv)})
        if known is not None:
            return (
                known.ran
                if known.call == call
                else _refused("this step id belongs to another command; use a fresh one")
            )
        if why := refusal(command, None, may_change=False):
            return _refused(f"{why} (scale_workload, patch_image, … for a cluster)" if command.effect.mutating else why)
        try:
            question = parse(command.argv, self._cluster.namespace)
        except NotUnderstoodError as error:
            return _refused(redact(str(error)))
        ran = await self._asked(question, command)
        if ran.outcome is RunOutcome.DONE:
            self._steps[step_id] = _Step(call=call, ran=ran)
        return ran

    async def settle(self, step_id: str) -> Ran | None:
        """See Runner."""
        known = self._steps.get(step_id)
        return known.ran if known else None

    async def aclose(self) -> None:
        """See Runner."""
        await self._cluster.aclose()

    async def _asked(self, question: Question, command: Command) -> Ran:
        started = self._clock.monotonic()
        try:
            code, text = await self._answer(question)
            out, err = (text, "") if code == 0 or question.verb == "can" else ("", text)
        except (ToolError, AuthError) as error:
            if not error.code.startswith("kubernetes."):
                return _refused(redact("; ".join(error.lines())))
            code, out, err = 1, "", "; ".join(error.lines())
        except FirebreakError as error:
            return _refused(redact("; ".join(error.lines())))
        kept, cut = _bounded(redact(out), command.max_output_bytes)
        seconds = round(self._clock.monotonic() - started, 3)
        return Ran(
            outcome=RunOutcome.DONE, exit_code=code, stdout=kept, stderr=redact(err), truncated=cut, seconds=seconds
        )

    async def _answer(self, question: Question) -> tuple[int, str]:
        """(exit code, text) as kubectl would give them."""
        kind = question.kind
        if question.verb == "version" or kind is None:
            return 0, json.dumps(await self._cluster.read("/version"))
        match question.verb:
            case "get":
                return await self._get(kind, question)
            case "logs":
                return await self._logs(kind, question)
            case "rollout":
                return await self._rollout(kind, question)
            case _:
                allowed = await self._cluster.may(question.asked, kind, question.sub)
                return (0, "yes\n") if allowed else (1, "no\n")

    async def _get(self, kind: Kind, question: Question) -> tuple[int, str]:
        if question.name:
            found = await self._cluster.get(kind, question.name)
            return (0, json.dumps(bare(found))) if found else (1, _gone(kind, question.name))
        rows = [bare(o) for o in await self._cluster.list(kind, question.labels)]
        return 0, json.dumps({"apiVersion": "v1", "kind": "List", "items": rows})

    async def _logs(self, kind: Kind, question: Question) -> tuple[int, str]:
        name = question.name
        if kind.name in KEPT_AS:
            pods = await self._pods_of(kind, name)
            if not pods:
                return 1, f"{kind.name.lower()} {name} has no pods\n"
            name = str(pods[0]["metadata"]["name"])
        return 0, await self._cluster.log(name, KINDS["Pod"], question.lines)

    async def _pods_of(self, kind: Kind, workload: str) -> list[Object]:
        """Those of a deployment belong to its replica sets, those of other workloads to themselves."""
        found = await self._cluster.get(kind, workload)
        owners = [found] if found else []
        if found and kind.name == "Deployment":
            owners = owned_by(await self._cluster.list(KINDS["ReplicaSet"]), found["metadata"]["uid"])
        pods = await self._cluster.list(KINDS["Pod"])
        return [pod for owner in owners for pod in owned_by(pods, owner["metadata"]["uid"])]

    async def _rollout(self, kind: Kind, question: Question) -> tuple[int, str]:
        """As `rollout status --watch=false`, but that an unfinished rollout is no success."""
        found = await self._cluster.get(kind, question.name) if kind.name in KEPT_AS else None
        if found is None:
            return 1, _gone(kind, question.name)
        facts = facts_of(found)
        words = f"{facts['ready']} of {facts['replicas']} pods are ready"
        if facts["complete"]:
            return 0, f"{kind.name.lower()} {question.name} successfully rolled out: {words}\n"
        return 1, f"the rollout of {kind.name.lower()} {question.name} has not ended: {words}\n"


def _gone(kind: Kind, name: str) -> str:
    return f'Error from server (NotFound): {kind.key} "{name}" not found\n'


def _refused(why: str) -> Ran:
    return Ran(outcome=RunOutcome.REFUSED, reason=why)


def _bounded(text: str, most: int) -> tuple[str, bool]:
    """Head and tail, the middle left out."""
    if len(text) <= most:
        return text, False
    return f"{text[: most // 2]}\n[left out]\n{text[-(most // 2) :]}", True
