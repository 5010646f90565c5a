"""What a host is and has, looked at with programs that only read."""

from __future__ import annotations

from collections.abc import Iterable

from domain.clock import Clock
from domain.errors import FirebreakError
from domain.programs import READERS
from domain.redaction import redact
from domain.remote import RemoteTarget, Words
from domain.runner import Profile
from tools.runners.protocol import NEEDED
from tools.runners.transport import Transport

LOOK_S = 15.0

_SCRIPT = """
echo "kernel $(uname -sr)"
echo "machine $(uname -m)"
echo "node $(uname -n)"
echo "user $(id -un)"
for program in "$@"; do command -v "$program" >/dev/null 2>&1 && echo "tool $program"; done
"""


async def profile_of(transport: Transport, name: str, target: RemoteTarget | None, clock: Clock) -> Profile:
    """One look. What cannot be seen stands under `problems`."""
    changing = target.changing() if target else []
    programs = sorted({*NEEDED, *READERS, *(words[0] for words in changing)})
    try:
        answer = await transport.ask(("sh", "-c", _SCRIPT, "firebreak", *programs), timeout_s=LOOK_S)
    except FirebreakError as error:
        return Profile(target=name, runner=transport.kind, reachable=False, problems=_told(error), taken_at=clock.now())
    rows = [line.partition(" ") for line in answer.out.decode(errors="replace").splitlines()]
    facts = {key: value for key, _, value in rows if key != "tool"}
    tools = [value for key, _, value in rows if key == "tool"]
    missing = [program for program in NEEDED if program not in tools]
    return Profile(
        target=name,
        runner=transport.kind,
        reachable=True,
        permissions=sorted(_permissions(tools, changing, facts.get("user", ""))),
        tools=dict.fromkeys(tools, ""),
        versions={key: facts[key] for key in ("kernel", "machine") if facts.get(key)},
        nodes=[facts["node"]] if facts.get("node") else [],
        problems=[f"{', '.join(missing)} missing: no command can run there"] if missing else [],
        taken_at=clock.now(),
    )


def _permissions(tools: Iterable[str], changing: Iterable[Words], user: str) -> Iterable[str]:
    """Who we are there, what may be read with, and what the TARGET file lets the guard change."""
    there = set(tools)
    yield f"log in as {user}"
    yield from (f"read with {program}" for program in there & READERS)
    yield from (f"run {' '.join(words)}" for words in changing if words[0] in there)


def _told(error: FirebreakError) -> list[str]:
    return [redact(line) for line in error.lines()]
