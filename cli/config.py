"""`firebreak config …`: the inventory, checked and explained, with file, line and a suggestion for every mistake."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel, ValidationError

from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError
from domain.inventory import Inventory, Service
from domain.yaml_text import line_of

app = typer.Typer(help="Check and explain firebreak.yaml.")

EXAMPLE = """\
# What Firebreak looks after. Check it with: firebreak config check firebreak.yaml
version: "1"
system: my-shop
services:
  - name: web
    kind: api
    environment: production      # production when unsaid: the strictest
    mode: observe                # observe | shadow | ask | act; start by watching
    criticality: high
    depends_on: [database]
    probes:
      - {kind: http, name: front page, url: "http://127.0.0.1:8080/", user_facing: true, max_ms: 800}
    slos:
      - {name: available, sli: availability, target: 0.99}
    telemetry:
      scrape: "http://127.0.0.1:8080/metrics"
      logs: [/var/log/web.log]
  - name: database
    kind: database
    probes:
      - {kind: tcp, name: port, host: 127.0.0.1, port: 5432}
connectors:                        # read beside the files and pages above; firebreak doctor tries each
  - {kind: prometheus, url: "http://127.0.0.1:9090"}
  # - {kind: loki, url: "https://loki.example.com", token_env: LOKI_TOKEN, label: app}
  # - {kind: journald}             # host: ops@web-1 reads it over ssh
  # - {kind: alertmanager, url: "http://127.0.0.1:9093"}   # its silences are kept here too
  # - {kind: docker}               # docker logs; host as above
  # - {kind: tempo, url: "http://127.0.0.1:3200"}
  # - {kind: jaeger, url: "http://127.0.0.1:16686"}
"""


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="Inventory; the running home's own when left out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check an inventory and say what it means.

    Example: firebreak config check firebreak.yaml
    """
    path = file or SESSION.home.stack / "firebreak.yaml"
    inventory = load_inventory(path)
    rows = [explain(service, inventory) for service in inventory.services]
    if as_json:
        print_json({"file": str(path), "system": inventory.system, "services": rows})
        return
    say(f"{path}: {inventory.system}, {len(rows)} services")
    for row in rows:
        say(f"  {row['name']}: {row['environment']}, {row['mode']}: {row['meaning']}")
        for gap in row["blind_spots"]:
            say(f"      blind spot: {gap}")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of firebreak.yaml.

    Example: firebreak config schema > firebreak.schema.json
    """
    say(json.dumps(Inventory.model_json_schema(), indent=2))


@app.command("example")
def example() -> None:
    """Print a small inventory to start from.

    Example: firebreak config example > firebreak.yaml
    """
    say(EXAMPLE)


def load_inventory(path: Path) -> Inventory:
    """Read and validate an inventory. Raises ConfigError with file, line and what would be right."""
    try:
        text = path.read_text()
        document = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no {path}.",
            expected="an inventory file",
            found="nothing",
            hint="firebreak config example > firebreak.yaml writes one",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read.", found=str(error)) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML.", expected="a YAML mapping", found=str(error)) from error
    try:
        inventory = Inventory.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            f"{path} is not a valid inventory.",
            expected="the shape that `firebreak config schema` prints",
            found="; ".join(_mistake(e, text) for e in error.errors()[:8]),
            hint="correct the lines named; firebreak config check shows the result",
        ) from error
    return _with_known_names(inventory, path)


def explain(service: Service, inventory: Inventory) -> dict[str, Any]:
    """What an entry means: what may be done, what cannot be seen."""
    from graph.sources import TELLS

    meaning = {
        "observe": "watched only; no changing credential is ever issued",
        "shadow": "watched; what would have been done is recorded",
        "ask": "every change needs an approval",
        "act": "changes follow the tiers and the policy",
    }[service.mode]
    told = {TELLS[connector.kind] for connector in inventory.connectors}
    gaps = [
        text
        for missing, text in (
            (not service.probes, "no outside probe: recovery cannot be seen from outside"),
            (not service.telemetry.scrape and "metrics" not in told, "no metrics"),
            (not service.telemetry.logs and "logs" not in told, "no logs"),
            (not service.telemetry.spans and "spans" not in told, "no spans"),
            (not service.slos, "no SLO: no alert of our own"),
        )
        if missing
    ]
    return {
        "name": service.name,
        "kind": service.kind,
        "environment": service.environment,
        "mode": service.mode,
        "meaning": meaning,
        "actions_through": sorted(service.bindings),
        "blind_spots": gaps,
    }


def _with_known_names(inventory: Inventory, path: Path) -> Inventory:
    names = inventory.names()
    doubles = sorted({n for n in names if names.count(n) > 1})
    if doubles:
        raise ConfigError(f"{path} names a service twice.", expected="unique names", found=", ".join(doubles))
    logins = [p.github.lower() for p in inventory.people if p.github]
    if shared := sorted({login for login in logins if logins.count(login) > 1}):
        raise ConfigError(
            f"{path} gives one GitHub login to several people.", expected="a login each", found=", ".join(shared)
        )
    for service in inventory.services:
        for dependency in service.depends_on:
            if dependency not in names:
                raise ConfigError(
                    f"{path}: {service.name} depends on {dependency}, which is not in the inventory.",
                    expected=f"one of {', '.join(names)}",
                    found=dependency,
                    hint=_suggestion(dependency, names),
                )
    return inventory


def _mistake(error: Any, text: str) -> str:
    path = [str(p) for p in error["loc"]]
    line = line_of(text, path)
    where = ".".join(path)
    hint = _suggestion(path[-1], _fields_near(path)) if error["type"] == "extra_forbidden" and path else ""
    return f"line {line}: {where}: {error['msg']}" + (f" ({hint})" if hint else "")


def _fields_near(path: list[str]) -> list[str]:
    models: list[type[BaseModel]] = [Inventory, Service]
    return [name for model in models for name in model.model_fields]


def _suggestion(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
