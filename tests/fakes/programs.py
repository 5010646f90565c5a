"""terraform and ansible-playbook as small programs on the PATH, over files that really change."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from domain.inventory import Binding, Environment, Mode, Service

TERRAFORM = """
import hashlib, json, pathlib, sys

here = pathlib.Path(".")
wanted = json.loads((here / "wanted.json").read_text())
file = here / "terraform.tfstate"
state = json.loads(file.read_text()) if file.exists() else {"serial": 0, "resources": {}}
there = state["resources"]
words = sys.argv[1:]


def actions(name):
    if name not in there:
        return ["create"]
    if name not in wanted:
        return ["delete"]
    return ["no-op"] if there[name] == wanted[name] else ["update"]


changes = [{"address": n, "change": {"actions": actions(n)}} for n in sorted({*wanted, *there})]
pending = any(c["change"]["actions"] != ["no-op"] for c in changes)
if words[0] == "plan":
    outs = [w.split("=", 1)[1] for w in words if w.startswith("-out=")]
    for out in outs:
        (here / out).write_text(json.dumps({"wanted": wanted, "serial": state["serial"], "resource_changes": changes}))
    sys.exit(2 if pending and "-detailed-exitcode" in words else 0)
if words[0] == "show":
    print((here / words[2]).read_text())
if words[:2] == ["state", "pull"] and file.exists():
    print(file.read_text())
if words[0] == "apply":
    plan = json.loads((here / words[-1]).read_text())
    if plan["serial"] != state["serial"]:
        sys.exit("Error: Saved plan is stale")
    broken = (here / "broken").exists()
    done = dict(list(plan["wanted"].items())[:1]) if broken else plan["wanted"]
    file.write_text(json.dumps({"serial": state["serial"] + 1, "resources": done}))
    if broken:
        sys.exit("Error: the cloud refused the second one")
    print("Apply complete!")
"""
"""`wanted.json` is the configuration, `terraform.tfstate` the world; a file `broken` lets an apply end half-way."""

ANSIBLE = """
import json, pathlib, sys

here, words = pathlib.Path("."), sys.argv[1:]
wanted = json.loads((here / words[-1]).read_text().splitlines()[0].removeprefix("# "))
world = pathlib.Path((here / "world").read_text().strip())
there = json.loads(world.read_text()) if world.exists() else {}
changed = sum(there.get(name) != value for name, value in wanted.items())
if (here / "unreachable").exists():
    print("web : ok=0 changed=0 unreachable=1 failed=0")
    sys.exit(0 if "--check" in words else 4)
if "--check" not in words:
    world.write_text(json.dumps({**there, **wanted}))
print(f"web : ok=2 changed={changed} unreachable=0 failed=0")
"""
"""The playbook's first line says what hosts should be; `world` names the file that holds what they are."""


def installed(folder: Path, name: str, text: str) -> Path:
    """A program of this name in a folder that can be put on the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return folder


def platform(folder: Path) -> Path:
    """A service's folders `cloud` and `plays` with something to do in both; returns where the programs lie."""
    cloud, plays = folder / "cloud", folder / "plays"
    for place in (cloud, plays):
        place.mkdir(parents=True)
    (cloud / "wanted.json").write_text(json.dumps({"web": "small"}))
    (plays / "world").write_text(str(folder / "hosts.json"))
    (plays / "site.yml").write_text('# {"nginx": "1.27", "motd": "hello"}\n')
    installed(folder / "bin", "terraform", TERRAFORM)
    return installed(folder / "bin", "ansible-playbook", ANSIBLE)


def platform_service(folder: Path) -> Service:
    """That service in an inventory."""
    bindings = {
        "terraform": Binding(via="directory", path=str(folder / "cloud"), options={"env": ["CLOUD_TOKEN"]}),
        "ansible": Binding(via="directory", path=str(folder / "plays"), options={"playbooks": ["site.yml"]}),
    }
    where = {"environment": Environment.SANDBOX, "mode": Mode.ACT}
    return Service.model_validate({"name": "platform", "kind": "platform", "bindings": bindings, **where})
