"""Policies: YAML rules with CEL conditions over typed fields. What errs or matches nothing denies.

`governance.vocabulary` lists the fields and functions that a condition may use. All matching rules count; the
strictest verdict wins, so a rule can never undo another's no. `governance.policycheck` looks for rules that do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import cel
import yaml
from pydantic import Field, ValidationError

from domain.action import Tier, Verdict
from domain.errors import ConfigError
from domain.inventory import Environment
from domain.value import Value, digest

ALIASES = {"": "default", "sandbox": "default"}
"""Other names of shipped policies."""


class Rule(Value):
    """When the condition is true, the verdict is at least this strict."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    why: str
    """For the person who reads the verdict."""
    when: str
    """CEL, must give true or false."""
    verdict: Verdict
    quorum: int = Field(default=1, ge=1, le=5)
    """Distinct people, where the verdict is ask."""


class PolicyDocument(Value):
    """The file as it is written."""

    version: Literal["1"]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str = ""
    environment: Environment | None = None
    """Every target is judged at least as strictly as this environment."""
    seats: dict[str, Tier] = {}
    """The operator's grants to agents on a fresh home that has only sandbox targets."""
    pools: dict[str, list[str]] = {}
    """Agent → names of the services it may change; an agent that is not named here may change all."""
    rules: list[Rule] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says about a step."""

    rule: str
    verdict: Verdict
    text: str
    quorum: int = 1
    erred: bool = False
    """True: the condition could not be told true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The typed fields and sequence facts of one step."""

    fields: Mapping[str, Any]
    functions: Mapping[str, Callable[..., int | None]]


class Policy:
    """A compiled policy with its revision."""

    def __init__(self, document: PolicyDocument) -> None:
        self.document = document
        self.name = document.name
        self.revision = digest(document)
        self._programs = [(rule, _compiled(rule)) for rule in document.rules]

    @property
    def pin(self) -> str:
        """Name and revision, as it stands in every judgement."""
        return f"{self.name}@{self.revision[:16]}"

    def environment(self, found: Environment) -> Environment:
        """The environment a target is judged as: the stricter of its own and the policy's."""
        order = list(Environment)
        wanted = self.document.environment
        return found if wanted is None else max(found, wanted, key=order.index)

    def ask(self, question: Question) -> list[Finding]:
        """What every matching rule says; a single deny when none matches. An erring rule denies."""
        findings = [finding for finding in self.answers(question) if finding is not None]
        if findings:
            return findings
        return [Finding(rule="none", verdict=Verdict.DENY, text=f"no rule of policy {self.name} covers this")]

    def answers(self, question: Question) -> list[Finding | None]:
        """What each rule says, in the order of the file; None where it does not match."""
        context = cel.Context(variables=dict(question.fields), functions=dict(question.functions))
        return [_finding(rule, program, context) for rule, program in self._programs]


def _finding(rule: Rule, program: cel.Program, context: cel.Context) -> Finding | None:
    try:
        answer = program.execute(context)
    except Exception as error:  # whatever a condition does, the door stays shut
        return _erred(rule, f"erred, so it denies: {str(error)[:160]}")
    if answer is True:
        return Finding(rule=rule.id, verdict=rule.verdict, text=f"{rule.why} (rule {rule.id})", quorum=rule.quorum)
    if answer is False:
        return None
    return _erred(rule, f"gave {type(answer).__name__}, not true or false: denied")


def _erred(rule: Rule, why: str) -> Finding:
    return Finding(rule=rule.id, verdict=Verdict.DENY, text=f"rule {rule.id} {why}", erred=True)


def _compiled(rule: Rule) -> cel.Program:
    try:
        return cel.compile(rule.when)
    except ValueError as error:
        raise ConfigError(
            f"rule {rule.id} cannot be read", expected="a CEL condition", found=str(error)[:200], code="policy.invalid"
        ) from error


def parse_policy(text: str, origin: str) -> Policy:
    """Read YAML. Raises ConfigError that names field and file."""
    try:
        document = PolicyDocument.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(
            f"the policy {origin} is not valid",
            expected="version, name and rules of id, why, when, verdict",
            found=" ".join(str(error).split())[:300],
            code="policy.invalid",
        ) from error
    _refuse_doubles(document, origin)
    return Policy(document)


def _refuse_doubles(document: PolicyDocument, origin: str) -> None:
    ids = [rule.id for rule in document.rules]
    doubles = sorted({id for id in ids if ids.count(id) > 1})
    if doubles:
        raise ConfigError(
            f"the policy {origin} has two rules of one name",
            expected="distinct rule ids",
            found=", ".join(doubles),
            code="policy.invalid",
        )


def shipped() -> list[str]:
    """Names of the policies that come with the product."""
    files = resources.files("governance").joinpath("policies").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_policy(name_or_path: str = "") -> Policy:
    """A shipped policy by name, or a file by path. Raises ConfigError; there is no policy to fall back to."""
    name = ALIASES.get(name_or_path, name_or_path)
    if name in shipped():
        return _shipped(name)
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"there is no policy {name_or_path!r}",
            expected=f"a file, or one of: {', '.join([*shipped(), 'sandbox'])}",
            found="neither",
            code="policy.missing",
        )
    return parse_policy(path.read_text(), str(path))


@cache
def _shipped(name: str) -> Policy:
    """Compiled once a process: what is shipped does not change, and a policy holds nothing that could."""
    return parse_policy(resources.files("governance").joinpath("policies", f"{name}.yaml").read_text(), name)
