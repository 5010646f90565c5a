"""Small things that several faults do to the patient or look up about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.errors import PatientError
from chaos.model import Observation, Undo
from chaos.oracle import SLOW_MS
from chaos.site import Identity, Site
from chaos.workload.orders import heard
from domain.value import new_id


def identity_of(undo: Undo, key: str) -> Identity | None:
    """The process noted under `key`, or None."""
    found = undo.get(key)
    return Identity.model_validate(found) if found else None


async def pid_of(site: Site, name: str) -> Identity:
    """The process as it runs now. Raises PatientError when it does not."""
    process = (await site.control.status()).process(name)
    found = site.machine.identity(process.pid) if process and process.pid else None
    if found is None:
        raise PatientError(
            f"{name} does not run", expected="a running process", found=process.state if process else "none"
        )
    return found


async def restart(site: Site, name: str) -> Observation:
    """The process started anew, as a deploy or a reboot would; whether it came up."""
    await site.control.post(f"/processes/{name}/restart")
    return await running(site, name, seconds=12.0)


async def deploy(site: Site, name: str, summary: str) -> None:
    """The same release goes out again: a restart that is recorded as a deploy."""
    await site.control.post(f"/processes/{name}/restart", {"marker": "deploy", "summary": summary})


async def running(site: Site, name: str, *, seconds: float = 0.0) -> Observation:
    """Whether the supervisor calls it running, within so many seconds."""
    end = site.clock.monotonic() + seconds
    while True:
        process = (await site.control.status()).process(name)
        state = process.state if process else "unknown"
        if state == "running" or site.clock.monotonic() >= end:
            return Observation(name=f"{name} runs", ok=state == "running", text=state)
        await site.clock.sleep(0.2)


async def ensure_running(site: Site, name: str) -> None:
    """Start it when it is not up; leave it alone when it is."""
    if not (await running(site, name)).ok:
        await restart(site, name)


async def users_suffer(site: Site) -> Observation:
    """Part of a receipt: a visit fails or is far too slow."""
    visit = await site.shop.visit()
    suffer = not visit.ok or visit.ms > SLOW_MS
    return Observation(
        name="users suffer", ok=suffer, text=visit.text if not visit.ok else f"served in {visit.ms:.0f} ms"
    )


async def start_workload(site: Site, undo: Undo, name: str, orders: Mapping[str, Any], note: Any) -> None:
    """Start a leased workload: noted first, told what to do afterwards, so that no crash leaves one unaccounted for."""
    process = await site.machine.spawn(name)
    await note({"process": process.model_dump()})
    await site.machine.tell(process, {**orders, "until": undo["until"], "state_file": undo["state_file"]})


async def stop_workload(site: Site, undo: Undo) -> None:
    """End it; no error when it ended already."""
    process = identity_of(undo, "process")
    if process is not None:
        await site.machine.stop(process)


def workload_gone(site: Site, undo: Undo) -> Observation:
    """Whether the workload has ended."""
    process = identity_of(undo, "process")
    alive = process is not None and site.machine.alive(process)
    return Observation(name="workload", ok=not alive, text="still runs" if alive else "ended")


async def workload_at_work(site: Site, undo: Undo, least: int, *, seconds: float = 8.0) -> Observation:
    """Whether the workload runs and says, freshly, that it holds or does at least so much."""
    process = identity_of(undo, "process")
    end = site.clock.monotonic() + seconds
    while True:
        said = heard(state_file(undo))
        alive = process is not None and site.machine.alive(process)
        fresh = said is not None and site.clock.now().timestamp() - said.at < 5.0
        if alive and fresh and said is not None and said.active >= least:
            return Observation(
                name="workload", ok=True, text=f"at work: {said.active} active, {said.total} in all {said.text}"
            )
        if not alive or site.clock.monotonic() >= end:
            text = "not running" if not alive else f"runs, but {said.active if said else 'nothing'} active of {least}"
            return Observation(name="workload", ok=False, text=text)
        await site.clock.sleep(0.25)


def state_file(undo: Undo) -> Path:
    """Where the fault's workload writes what it does."""
    return Path(str(undo["state_file"]))


def new_state_file(site: Site) -> str:
    """A fresh name in the work directory."""
    return str(site.work_dir() / f"{new_id('work')}.json")
