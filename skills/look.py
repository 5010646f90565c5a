"""Carrying out checks: probes, reading commands, PromQL; with patience until they hold, and as long as they must."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from domain.action import Effect
from domain.bundle import Reading
from domain.errors import FirebreakError
from domain.redaction import redact
from domain.runner import Command, Ran, RunOutcome
from domain.value import new_id
from skills.bench import Bench
from skills.check import Check, Expectation, holds, values_at
from skills.report import Seen

PAUSE_S = 0.5
"""Between two looks at something that does not hold yet."""
LONGEST_COMMAND_S = 30.0
MOST_UNSURE = 3
"""Looks in a row that could not tell, before that is the answer."""


async def see_all(checks: Sequence[Check], bench: Bench, *, patient: bool = True) -> list[Seen]:
    """Every check side by side, in their order. `patient`: as `within_s` and `hold_s` say; else one look."""
    return list(await asyncio.gather(*(see(check, bench, patient=patient) for check in checks)))


async def see(check: Check, bench: Bench, *, patient: bool = True) -> Seen:
    """Look until it holds (at most `within_s`), then whether it keeps holding (`hold_s`).

    What could not be told is looked at again a few times even without patience: a busy machine is no answer.
    """
    began = bench.clock.monotonic()
    since: float | None = None
    unsure = 0
    while True:
        found = await _once(check, bench)
        unsure = unsure + 1 if found.holds is None else 0
        now = bench.clock.monotonic()
        since = (now if since is None else since) if found.holds else None
        if not patient:
            break
        held = since is not None and now - since >= check.hold_s
        late = since is None and now - began >= check.within_s and not 0 < unsure < MOST_UNSURE
        if held or late:
            break
        await bench.clock.sleep(PAUSE_S)
    return found.model_copy(update={"seconds": round(bench.clock.monotonic() - began, 2)})


async def _once(check: Check, bench: Bench) -> Seen:
    try:
        if check.probe is not None:
            return await _probe(check, bench)
        if check.command is not None:
            return await _command(check, bench)
        return await _query(check, bench)
    except FirebreakError as error:
        return Seen(name=check.name, holds=None, text=redact("; ".join(error.lines()))[:300])


async def _probe(check: Check, bench: Bench) -> Seen:
    assert check.probe is not None, "asked before"
    assert check.service is not None, "the schema demands it"
    rows = await bench.probes.run([check.probe], [check.service])
    fitting = [r for r in rows if _where(check, r)]
    if not fitting:
        return Seen(name=check.name, holds=None, text=f"{check.probe} says nothing of {check.service}")
    verdicts = [_reading(check.expect, row) for row in fitting]
    text = "; ".join(dict.fromkeys(row.data_gap or row.text for row in fitting))
    shown = _shown(check.expect.path, [row.values for row in fitting])
    return Seen(name=check.name, holds=_all(verdicts), text=f"{text}{shown}"[:400])


def _where(check: Check, row: Reading) -> bool:
    return all(str(row.values.get(key)) == str(value) for key, value in check.where.items())


def _reading(expect: Expectation, row: Reading) -> bool | None:
    verdicts: list[bool | None] = []
    if expect.ok is not None:
        verdicts.append(None if row.ok is None else row.ok is expect.ok)
    if expect.about_value:
        verdicts.append(holds(expect, values_at(dict(row.values), expect.path) if expect.path else [row.text]))
    return _all(verdicts)


async def _command(check: Check, bench: Bench) -> Seen:
    assert check.command is not None, "asked before"
    assert check.service is not None, "the schema demands it"
    runner = bench.reader(check.service)
    if runner is None:
        return Seen(name=check.name, holds=None, text=f"no runner reaches {check.service}")
    longest = min(LONGEST_COMMAND_S, max(check.within_s, 5.0))
    command = Command(argv=check.command, effect=Effect.READ, timeout_s=longest)
    try:
        ran = await runner.run(command, new_id("look"))
    finally:
        await runner.aclose()
    return Seen(name=check.name, holds=ran_as_expected(check.expect, ran), text=_said(ran))


def ran_as_expected(expect: Expectation, ran: Ran) -> bool | None:
    """None when it did not run to its end, or when what it printed is not what a path can be read from."""
    if ran.outcome is not RunOutcome.DONE:
        return None
    verdicts: list[bool | None] = []
    if expect.exit_code is not None or not expect.about_value:
        verdicts.append(ran.exit_code == (expect.exit_code or 0))
    if expect.about_value:
        verdicts.append(holds(expect, _printed(expect.path, ran.stdout)))
    return _all(verdicts)


def _printed(path: str, text: str) -> list[Any]:
    if not path:
        return [text]
    try:
        return values_at(json.loads(text), path)
    except ValueError:
        return []


async def _query(check: Check, bench: Bench) -> Seen:
    assert check.promql is not None, "asked before"
    if bench.query is None:
        text = "no Prometheus is configured: name one among the inventory's connectors"
        return Seen(name=check.name, holds=None, text=text)
    samples = await bench.query(check.promql)
    verdict = holds(check.expect, list(samples)) if samples else None
    shown = ", ".join(f"{s:g}" for s in samples[:6]) or "no sample"
    return Seen(name=check.name, holds=verdict, text=f"{check.promql[:80]}: {shown}")


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    """No is stronger than cannot tell, which is stronger than yes."""
    if any(v is False for v in verdicts):
        return False
    return None if not verdicts or any(v is None for v in verdicts) else True


def _shown(path: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not path:
        return ""
    found = [v for row in rows for v in values_at(dict(row), path)]
    return f" ({path}: {', '.join(str(v) for v in found[:4]) or 'not there'})"


def _said(ran: Ran) -> str:
    if ran.outcome is not RunOutcome.DONE:
        return f"{ran.outcome.value}: {ran.reason}"[:300]
    return f"exit code {ran.exit_code}: {(ran.stdout or ran.stderr).strip()}"[:300]
