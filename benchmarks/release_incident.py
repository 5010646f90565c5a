"""From a contract to an incident, by public commands only: a release whose new version turns bad after its rollout has ended.

`python -m benchmarks release_incident [--late 400] [--rps 8] [--home FOLDER]`. A home is started from a copy of the code in which
version v2 of the shop's api fails its orders once its process is `late` seconds old. Its contract is drafted, rehearsed,
signed by another person and enforced; all its terms are kept. Then the orders fail, an incident opens by itself, and what is
printed is whether the contract's release is among its evidence, whose plan came first, and what it cost the users.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.releases.worse import AGING, copied

ROOMS = [
    "domain",
    "governance",
    "rag",
    "runbooks",
    "tools",
    "agents",
    "chaos",
    "skills",
    "contracts",
    "graph",
    "web",
    "cli",
    "stack",
    "docs",
]
LONGEST_S = 1200.0
ENDED = ("resolved", "escalated", "dismissed", "taken", "waiting")
CONTEXT = {
    "deployment_id": "ember-and-oak-v2",
    "service_name": "api",
    "environment": "sandbox",
    "version": "v2",
    "owner": "maria",
    "reviewers": ["jo"],
    "changes": [{"file_path": "shop/orders.py", "lines_changed": 12, "description": "orders remember their basket"}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A running home of the changed code."""

    code: Path
    env: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        """The command of the changed code: the current folder comes before what is installed."""
        return [sys.executable, "-c", "from cli.main import run; run()", *words]

    def firebreak(self, *words: str, token: str = "") -> dict[str, Any]:
        """One command with --json. Raises RuntimeError unless it ends well, with a finding, or asking for a person."""
        env = {**self.env, **({"FIREBREAK_TOKEN": token} if token else {})}
        done = subprocess.run(
            self.command(*words, "--json"), cwd=self.code, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 3, 4) or not done.stdout:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise RuntimeError(f"firebreak {' '.join(words)}: exit {done.returncode}: {said}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def main() -> int:
    """Walk the whole way; 0 when the release was blamed by its id and its rehearsed way back was the first plan."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks release_incident", description=__doc__)
    parser.add_argument("--late", type=float, default=400.0, help="age in seconds at which v2 turns bad")
    parser.add_argument("--rps", type=float, default=8.0, help="requests a second of the shop's users")
    parser.add_argument("--home", type=Path, help="a folder for the home; a temporary one when unsaid")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firebreak-release-") as place:
        code = copied(Path(place) / "code", AGING.format(after=asked.late))
        with _up(code, asked.home or Path(place) / "home", asked.rps) as home:
            contract = _released(home)
            return _told(home, contract) if contract else 3


def _released(home: Home) -> str:
    """The contract's id once its rollout ended well; empty when it did not."""
    drafted = home.firebreak("contract", "draft", _written(home.code, CONTEXT), "--keep")
    contract, risk = str(drafted["id"]), drafted["risk"]
    _say(f"{contract}: {risk['level']} {risk['score']}, proofs missing: {', '.join(drafted['missing']) or 'none'}")
    trial = home.firebreak("contract", "rehearse", contract, "--version", "v2", "--watch", "4")
    _say(f"{trial['id']}: {trial['status']}, back in {trial['seconds']:.1f} s {'; '.join(trial['problems'])}")
    for kind in home.firebreak("contract", "show", contract)["missing"]:
        home.firebreak("contract", "negotiate", contract, "--prove", f"{kind}=see the run of the tests")
    ada = str(home.firebreak("people", "add", "ada", "--role", "approver")["token"])
    digest = home.firebreak("contract", "show", contract)["digest"]
    signed = home.firebreak("contract", "negotiate", contract, "--sign", digest, token=ada)
    _say(f"{contract}: {signed['status']} by {', '.join(s['by'] for s in signed['signatures'])}")
    rollout = _until(lambda: _enforced(home, contract))
    _say(
        f"{rollout['id']}: {rollout['status']}, {rollout['exposed']} requests; {'; '.join(rollout['explanation'][:2])}"
    )
    return contract if rollout["status"] == "fulfilled" else ""


def _enforced(home: Home, contract: str) -> dict[str, Any] | None:
    """None while the error budget is used up: a starved machine fails its users."""
    try:
        return home.firebreak("contract", "enforce", contract, "--version", "v2")
    except RuntimeError as error:
        if "contract.frozen" not in str(error):
            raise
        _say(f"frozen: {str(error).partition('found')[2][4:80]}")
        time.sleep(30.0)
        return None


def _told(home: Home, contract: str) -> int:
    began = time.monotonic()
    heard = {row["id"] for row in home.firebreak("incident", "list")["incidents"]}
    found = _until(lambda: _blaming(home, contract, heard))
    _say(f"{found['id']} {found['status']}, {time.monotonic() - began:.0f} s after the rollout ended")
    top = found["diagnosis"]["hypotheses"][0]
    _say(f"cause: {top['fault_class']} of {top['service']}, {top['confidence']:.2f}: {top['statement']}")
    cited = [e["excerpt"] for e in found["diagnosis"]["evidence"] if contract in e["excerpt"]]
    _say(f"evidence: {cited[0][:200] if cited else 'the contract is not among it'}")
    for plan in found["plans"]:
        calls = ", ".join(f"{s['call']['action']} {s['call']['target']} {s['call']['args']}" for s in plan["steps"])
        _say(f"plan of {plan['source']}: {calls}")
    done = ", ".join(f"{row['action']} {row['outcome']}" for row in found["results"])
    _say(f"done: {done or 'nothing'}; load {os.getloadavg()[0]:.1f}")
    first = found["plans"][0]["source"] if found["plans"] else ""
    return 0 if cited and first.startswith(f"contract {contract}") and found["status"] == "resolved" else 3


def _blaming(home: Home, contract: str, heard: set[str]) -> dict[str, Any] | None:
    """An incident that ended and blamed the release. What a busy machine suffers from meanwhile is told, and waited out."""
    for row in home.firebreak("incident", "list")["incidents"]:
        if row["id"] in heard or row["status"] not in ENDED:
            continue
        heard.add(row["id"])
        found = home.firebreak("incident", "show", row["id"])
        plans = " ".join(plan["source"] for plan in found["plans"])
        top: dict[str, Any] = next(iter((found["diagnosis"] or {}).get("hypotheses", [])), {})
        if str(top.get("change") or "").startswith("dep-") or contract in plans:
            return found
        _say(f"another incident meanwhile: {row['id']} {row['status']}, {row['service']} {row['fault_class'] or ''}")
    return None


def _until(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(2.0)
    raise RuntimeError(f"nothing came of it in {LONGEST_S:g} s")


@contextmanager
def _up(code: Path, folder: Path, rps: float) -> Iterator[Home]:
    home = Home(code=code, env={**os.environ, "FIREBREAK_HOME": str(folder), "FIREBREAK_LOAD_RPS": str(rps)})
    began = time.monotonic()
    with subprocess.Popen(home.command("up"), cwd=code, env=home.env, stdout=subprocess.DEVNULL) as running:
        try:
            _until(lambda: {"ready": True} if (folder / "run" / "ready").exists() else None)
            _say(f"up in {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}")
            time.sleep(60.0)
            yield home
        finally:
            running.terminate()


def _written(place: Path, context: dict[str, Any]) -> str:
    file = place / "context.json"
    file.write_text(json.dumps(context))
    return str(file)


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
