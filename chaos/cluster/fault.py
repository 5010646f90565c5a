"""A fault of a cluster: edits that are planned from what stands there, made, proven, and taken back field by field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chaos.cluster.edit import Edit, value_at, with_value
from chaos.cluster.patient import Cluster, needs_of
from chaos.errors import ChaosError, PatientError
from chaos.model import FaultSpec, Note, Observation, Undo
from chaos.site import Site
from domain.cluster import Declared
from domain.inventory import Service
from domain.value import Value
from domain.workloads import pod_ready, waits_in_order

Planning = Callable[[Cluster, Declared], Awaitable[Sequence[Edit]]]
"""What would be changed. Raises ChaosError when there is nothing to break in this way."""
TRIES = 3
"""How often a change is sent when somebody else changes the object at the same time."""


class NoParameters(Value):
    """A fault of a cluster takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFault:
    """Implements Fault for one service of a cluster."""

    spec: FaultSpec
    plan: Planning

    async def prepare(self, site: Site, parameters: NoParameters) -> Undo:
        service = self._service(site)
        async with site.reach(service) as cluster:
            edits = await self.plan(cluster, needs_of(service))
        return {"edits": [edit.model_dump(mode="json") for edit in edits]}

    async def inject(self, site: Site, parameters: NoParameters, undo: Undo, note: Note) -> None:
        async with site.reach(self._service(site)) as cluster:
            for edit in _edits(undo):
                await _write(cluster, edit, edit.old, edit.new)

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return await self._seen(site, undo, broken=True)

    async def restore(self, site: Site, undo: Undo) -> None:
        """A field that somebody else has changed since is a cure, and stays."""
        async with site.reach(self._service(site)) as cluster:
            for edit in _edits(undo):
                await _write(cluster, edit, edit.new, edit.old)
                await _let_go_on(cluster, edit)

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return await self._seen(site, undo, broken=False)

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []

    async def _seen(self, site: Site, undo: Undo, *, broken: bool) -> list[Observation]:
        async with site.reach(self._service(site)) as cluster:
            standing = [(edit, await _stands(cluster, edit)) for edit in _edits(undo)]
        words = {True: "as the fault left it", False: "not as the fault left it"}
        return [Observation(name=edit.words(), ok=there is broken, text=words[there]) for edit, there in standing]

    def _service(self, site: Site) -> Service:
        found = site.inventory().service(self.spec.service)
        if found is None:
            raise ChaosError("the service has gone", expected=self.spec.service, found="nothing in the inventory")
        return found


def _edits(undo: Undo) -> list[Edit]:
    return [Edit.model_validate(row) for row in undo["edits"]]


async def _stands(cluster: Cluster, edit: Edit) -> bool:
    thing = await cluster.get(edit.kind, edit.name)
    if not edit.path:
        return thing is None
    return thing is not None and value_at(thing, edit.path) == edit.new


async def _write(cluster: Cluster, edit: Edit, expected: object, wanted: object) -> None:
    """Set the field when it still is as expected; leave everything else, and whatever is gone."""
    if not edit.path:
        await _whole(cluster, edit, wanted)
        return
    for last in (False,) * (TRIES - 1) + (True,):
        thing = await cluster.get(edit.kind, edit.name)
        if thing is None or value_at(thing, edit.path) != expected:
            return
        try:
            await cluster.put(with_value(thing, edit.path, wanted))
        except PatientError:
            if last:
                raise
        else:
            return


async def _let_go_on(cluster: Cluster, edit: Edit) -> None:
    """An ordered set waits for the pod that the fault made, also when its template is right again: that pod has to go."""
    workload = await cluster.get(edit.kind, edit.name) if edit.kind == "StatefulSet" else None
    if workload is None or not waits_in_order(workload):
        return
    wanted = value_at(workload, ("spec", "selector", "matchLabels")) or {}
    for pod in await cluster.list("Pod"):
        if wanted.items() <= (pod["metadata"].get("labels") or {}).items() and not pod_ready(pod):
            await cluster.delete("Pod", pod["metadata"]["name"])


async def _whole(cluster: Cluster, edit: Edit, wanted: object) -> None:
    """Delete the object, or make it again where nobody else did."""
    if wanted is None:
        await cluster.delete(edit.kind, edit.name)
    elif await cluster.get(edit.kind, edit.name) is None:
        await cluster.create(edit.old)
