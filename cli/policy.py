"""`firebreak policy …`: the rules that every change meets, checked without running anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from pydantic import ValidationError

from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.inventory import Inventory
    from governance.guard.example import ExampleChange, ExampleVerdict
    from governance.policy import Policy
    from governance.policycheck.check import PolicyCheck
    from tools.registry import ActionRegistry

app = typer.Typer(help="List, read and check the policies.")

PolicyArgument = Annotated[
    str, typer.Argument(help="A shipped policy's name or a file; the home's own when left out.", show_default=False)
]


@app.command("list")
def list_policies(as_json: JsonFlag = False) -> None:
    """List the policies that come with the product.

    Example: firebreak policy list
    """
    from governance.policy import load_policy, shipped

    rows = [
        {"name": p.name, "pin": p.pin, "rules": len(p.document.rules), "title": p.document.title}
        for p in map(load_policy, shipped())
    ]
    if as_json:
        print_json({"policies": rows})
        return
    for row in rows:
        say(f"{row['pin']:<28} {row['rules']:>3} rules  {row['title']}")


@app.command("show")
def show(policy: PolicyArgument = "", as_json: JsonFlag = False) -> None:
    """Print a policy's rules.

    Example: firebreak policy show production
    """
    found = _policy(policy)
    document = found.document.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        print_json({"pin": found.pin, "policy": document})
        return
    say(f"# {found.pin}")
    say(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110).rstrip())


@app.command("words")
def words(as_json: JsonFlag = False) -> None:
    """List the fields and functions that a condition may use.

    Example: firebreak policy words
    """
    from governance.vocabulary import ARGS, FIELDS, FUNCTIONS

    rows = [
        {"field": f"{root}.{name}", "holds": " | ".join(field.choices) or field.kind.value, "means": field.means}
        for root, fields in FIELDS.items()
        for name, field in fields.items()
    ]
    if as_json:
        print_json({"fields": rows, "functions": FUNCTIONS})
        return
    for row in rows:
        say(f"{row['field']:<22} {row['holds']:<46} {row['means']}")
    say(f"{ARGS}.*{'':<16} as the action declares them, defaults filled in")
    for text in FUNCTIONS.values():
        say(text)


@app.command("check")
def check(
    policy: PolicyArgument = "",
    change: Annotated[
        Path | None, typer.Option("--change", help="JSON file with an example change to judge.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Inventory of the example's target.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find rules that never match, are unreachable, contradict, err, or use unknown words. Exit code 3 on findings.

    Asks the policy about every combination of representative values of the fields that its rules read, over all
    registered actions; sequence functions answer symbolically. What that cannot decide is reported as undecided.

    Example: firebreak policy check my-policy.yaml --change restart.json
    where restart.json is {"action": "restart_service", "target": "api", "tier": "T1",
    "history": [{"action": "restart_service", "target": "api", "seconds_ago": 60}]}
    """
    from governance.policycheck.check import check_policy

    found = _policy(policy)
    inventory = _inventory(config)
    judged = _judged(change, found, inventory) if change else None
    checked = check_policy(found, _registry(inventory).specs())
    if as_json:
        example = judged.model_dump(mode="json") if judged else None
        print_json({**checked.model_dump(mode="json"), "clean": checked.clean, "example": example})
    else:
        _say_check(checked)
        if judged:
            _say_verdict(judged)
    if not checked.clean:
        raise typer.Exit(int(Exit.FINDING))


def _policy(name: str) -> Policy:
    from governance.policy import load_policy
    from graph.settings import load_settings

    return load_policy(name or load_settings().policy or "default")


def _inventory(config: Path | None) -> Inventory:
    """The named one, the home's, or one without a real service: the check itself needs none."""
    from cli.config import load_inventory
    from domain.inventory import Inventory, Service

    path = config or SESSION.home.stack / "firebreak.yaml"
    if config or path.exists():
        return load_inventory(path)
    return Inventory(services=[Service(name="nothing", kind="none")])


def _registry(inventory: Inventory) -> ActionRegistry:
    """Registered actions without any credential; only their declarations are read."""
    from tools.registry import ActionRegistry

    return ActionRegistry(inventory, {})


def _judged(file: Path, policy: Policy, inventory: Inventory) -> ExampleVerdict:
    from governance.guard.example import judge_example

    example = _example(file)
    known = example.known_in(inventory)
    return asyncio.run(judge_example(example, executor=_registry(known), inventory=known, policy=policy))


def _example(file: Path) -> ExampleChange:
    from governance.guard.example import ExampleChange

    try:
        return ExampleChange.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read.", expected="a JSON file", found=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{file} is no example change.",
            expected="at least action and target; args, agent, tier, tainted_args, service, history as needed",
            found=f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}",
            hint="firebreak policy check --help shows one",
        ) from error


def _say_check(checked: PolicyCheck) -> None:
    seen = "all of them" if checked.complete else "NOT all of them"
    say(
        f"{checked.policy}: {checked.rules} rules over {checked.actions} actions, {checked.situations} situations; "
        f"looked at {checked.worlds} with their histories, {seen}"
    )
    for found in checked.findings:
        say(
            f"  {'FINDING' if found.flaw.finding else 'note'}  {found.rule or 'policy'}: {found.flaw.value}: {found.text}"
        )
        if found.example and found.flaw.finding:
            say(f"           for example {_brief(found.example)}")
    if checked.clean:
        say("  no findings")


def _say_verdict(judged: ExampleVerdict) -> None:
    people = f" ({judged.quorum} distinct people)" if judged.verdict.value == "ask" else ""
    say(f"example: {judged.verdict.value}{people} under {judged.policy}")
    for reason in judged.reasons:
        say(f"  {reason.verdict.value:<5} {reason.wrapper}: {reason.text}")


def _brief(example: dict[str, object]) -> str:
    action = example.get("action")
    rest = {name: value for name, value in example.items() if name != "action" and value}
    return f"{action}, {rest}"[:300]
