"""Processes: not running, starting again and again, paused, alive but silent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import NO_ANSWER, Claim, Sign, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.kinds import CACHE_KINDS, DATABASE_KINDS, WORKER_KINDS
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition

DOWN_STATES = frozenset({"stopped", "crashed", "exited", "dead", "failed", "not_running", "missing"})
LOOP_STATES = frozenset({"backoff", "restarting"})
LOOP_RESTARTS = 2
FRESH_S = 20.0
"""A process younger than this has just been (re)started."""
FATAL = re.compile(r"traceback|error|fatal|panic|cannot|could not|refus|exit|missing|invalid|corrupt", re.I)


def stopped(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A process that is gone and stays gone: crash, or its kind's own word for it."""
    for reading in facts.readings("process_state"):
        state = _state(reading)
        if state not in DOWN_STATES or (state == "crashed" and _restarts(reading) > LOOP_RESTARTS):
            continue
        yield Claim(
            service=reading.service,
            fault_class=_down_class(facts, reading.service),
            strength=0.93,
            direct=True,
            statement=f"{reading.service} is not running ({state}, last exit {reading.values.get('last_exit')}).",
            signs=(of_reading(reading, f"{reading.service} is not running", _line(reading)), *_silence(facts, reading)),
            falsify=f"look for a running process of {reading.service}: state running and answering",
            probe=("process_state", reading.service, "state running"),
            findings=(finding(Condition.PROCESS_NOT_RUNNING, reading.service, reading.service, **_facts(reading)),),
            details=_facts(reading),
        )


def crash_loop(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A process that starts and exits again and again; a torn local file names the reason."""
    for reading in facts.readings("process_state"):
        sure = _looping(reading)
        if not sure and not _maybe_looping(reading):
            continue
        torn = facts.reading("warm_file", reading.service)
        broken = torn is not None and torn.ok is False and bool(torn.values.get("exists", True))
        signs = [of_reading(reading, f"{reading.service} exits soon after each start", _line(reading))]
        signs += _last_words(facts, reading)
        found = [finding(Condition.PROCESS_CRASH_LOOPING, reading.service, reading.service, **_facts(reading))]
        details = _facts(reading)
        statement = f"{reading.service} starts and exits again and again ({_restarts(reading):.0f} restarts)"
        if torn is not None and broken:
            signs.append(of_reading(torn, "a file it reads at start cannot be read; a restart alone will not help"))
            found.append(
                finding(
                    Condition.LOCAL_STATE_TORN,
                    reading.service,
                    reading.service,
                    path=torn.values.get("path"),
                    **_warm(torn),
                )
            )
            details |= {"path": torn.values.get("path"), "files": [torn.values.get("path")]}
            statement += f": its local warm-start file {torn.values.get('path')} cannot be read"
        doubts = () if torn is None or broken else (of_reading(torn, "its local warm-start file is readable"),)
        yield Claim(
            service=reading.service,
            fault_class="crash_loop",
            strength=0.95 if broken else 0.72 if sure else 0.45,
            direct=sure or broken,
            needs_symptom=not sure,
            statement=statement + ".",
            signs=tuple(signs),
            doubts=doubts,
            falsify=f"{reading.service} stays up for a minute after a plain restart",
            probe=("process_state", reading.service, "state running with a growing uptime"),
            findings=tuple(found),
            details=details,
        )


def torn_file(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """A torn warm-start file while the service's process cannot be seen looping (its reading is missing or in between)."""
    for torn in facts.readings("warm_file"):
        state = facts.reading("process_state", torn.service)
        if torn.ok is not False or not torn.values.get("exists", True) or (state is not None and _looping(state)):
            continue
        down = state is None or state.ok is False or _young(state)
        yield Claim(
            service=torn.service,
            fault_class="crash_loop",
            strength=0.9 if down and symptoms.present else 0.5,
            direct=True,
            needs_symptom=True,
            statement=f"{torn.service} cannot read its local warm-start file {torn.values.get('path')}.",
            signs=(of_reading(torn, "a file it reads at start cannot be read"),),
            doubts=()
            if down or state is None
            else (of_reading(state, "the process runs; the file only matters at its next start"),),
            falsify="the file parses",
            probe=("warm_file", torn.service, "valid"),
            findings=(
                finding(
                    Condition.LOCAL_STATE_TORN, torn.service, torn.service, path=torn.values.get("path"), **_warm(torn)
                ),
            ),
            details={"path": torn.values.get("path"), "files": [torn.values.get("path")]},
        )


def paused(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A stopped (signal) process: the operating system says T."""
    for reading in facts.readings("process_state"):
        if not _paused(reading):
            continue
        yield Claim(
            service=reading.service,
            fault_class="hang",
            strength=0.96,
            direct=True,
            statement=(
                f"{reading.service} is paused (process {reading.values.get('pid')} is in state T): "
                "it lives and does nothing."
            ),
            signs=(
                of_reading(reading, f"{reading.service} is paused by a signal", _line(reading)),
                *_silence(facts, reading),
            ),
            falsify=f"`ps -o stat= -p {reading.values.get('pid')}` shows S or R, not T",
            probe=("process_state", reading.service, "os_state other than T"),
            findings=(finding(Condition.PROCESS_PAUSED, reading.service, reading.service, **_facts(reading)),),
            details=_facts(reading),
        )


def unresponsive(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Alive but silent: the process runs, its own health check times out, and it says nothing any more."""
    for reading in facts.readings("process_state"):
        if _state(reading) != "running" or _paused(reading) or _young(reading):
            continue
        checks = [r for p in ("http_health", "tcp_health") for r in facts.readings(p) if r.service == reading.service]
        timed_out = [r for r in checks if r.ok is False and NO_ANSWER.search(f"{r.values.get('error')} {r.text}")]
        if not timed_out or any(r.ok for r in checks):
            continue
        quiet = not any(line.service == reading.service and line.time > facts.now - 15 for line in facts.recent_logs)
        doubts = () if quiet else (of_reading(reading, "it still writes to its log"),)
        yield Claim(
            service=reading.service,
            fault_class="hang",
            strength=0.6 if quiet else 0.35,
            statement=f"{reading.service} runs but answers none of its checks in time.",
            signs=(
                of_reading(reading, "the process runs", _line(reading)),
                *(of_reading(r, "its own check times out") for r in timed_out),
            ),
            doubts=doubts,
            by_silence=True,
            needs_symptom=True,
            falsify=f"{reading.service} answers its health check within its tolerance",
            probe=("http_health", reading.service, "an answer in time"),
            findings=(finding(Condition.PROCESS_UNRESPONSIVE, reading.service, reading.service, **_facts(reading)),),
            details=_facts(reading),
        )


def _down_class(facts: Facts, service: str) -> str:
    kind = facts.kind(service)
    if kind in DATABASE_KINDS:
        return "down"
    if kind in CACHE_KINDS:
        return "cache_down"
    return "consumer_stopped" if kind in WORKER_KINDS else "crash"


def _state(reading: Reading) -> str:
    return str(reading.values.get("state", "")).lower()


def _restarts(reading: Reading) -> float:
    return number(reading.values.get("restarts"))


def _paused(reading: Reading) -> bool:
    return str(reading.values.get("os_state", ""))[:1].upper() == "T" or _state(reading) == "paused"


def _young(reading: Reading) -> bool:
    uptime = reading.values.get("uptime_s")
    return uptime is not None and number(uptime) < FRESH_S


def _looping(reading: Reading) -> bool:
    """It is down between two tries, or has been tried several times."""
    if _state(reading) in LOOP_STATES:
        return True
    return _state(reading) == "crashed" and _restarts(reading) > LOOP_RESTARTS


def _maybe_looping(reading: Reading) -> bool:
    """It runs, for the moment: just started, after it exited with an error of its own (not by a signal)."""
    failed = number(reading.values.get("last_exit")) > 0
    up = _state(reading) in ("running", "starting") and _young(reading)
    return up and failed and _restarts(reading) > LOOP_RESTARTS and not _paused(reading)


def _facts(reading: Reading) -> dict[str, object]:
    keys = ("state", "pid", "os_state", "restarts", "last_exit", "started_at", "uptime_s")
    return {k: reading.values[k] for k in keys if k in reading.values}


def _warm(reading: Reading) -> dict[str, object]:
    return {k: v for k, v in reading.values.items() if k in ("valid", "bytes", "error")}


def _line(reading: Reading) -> str:
    if reading.text:
        return reading.text
    words = [f"{k}={v}" for k, v in _facts(reading).items() if k != "started_at"]
    return f"{reading.service}: " + " ".join(words)


def _silence(facts: Facts, reading: Reading) -> list[Sign]:
    checks = [r for p in ("http_health", "tcp_health") for r in facts.readings(p) if r.service == reading.service]
    return [of_reading(r, "its own check fails too") for r in checks if r.ok is False][:2]


def _last_words(facts: Facts, reading: Reading) -> list[Sign]:
    lines = [line for line in facts.logs_like(FATAL) if line.service == reading.service]
    if lines:
        return [of_log(lines[-1], "what it wrote before it exited", len(lines))]
    tail = reading.values.get("log_tail")
    text = tail[-1] if isinstance(tail, list) and tail else tail
    if not text:
        return []
    return [
        Sign(
            kind="log",
            source=f"logs:{reading.service}",
            service=reading.service,
            time=reading.time,
            excerpt=str(text)[-240:],
            supports="what it wrote before it exited",
            tainted=True,
        )
    ]


RULES = (stopped, crash_loop, torn_file, paused, unresponsive)
