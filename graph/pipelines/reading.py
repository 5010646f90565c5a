"""From a YAML text to a pipeline, or an error that names file, line, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from domain.errors import ConfigError
from domain.pipeline import Input, Pipeline
from domain.yaml_text import line_of

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def shipped() -> list[str]:
    """Names of the pipelines that come with the product."""
    folder = resources.files("graph.pipelines").joinpath("templates")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def source_of(name_or_path: str) -> tuple[str, str]:
    """(text, origin) of a shipped pipeline or a file. Raises ConfigError."""
    if name_or_path in shipped():
        text = resources.files("graph.pipelines").joinpath("templates", f"{name_or_path}.yaml").read_text()
        return text, name_or_path
    path = Path(name_or_path)
    try:
        return path.read_text(), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"there is no pipeline {name_or_path!r}",
            expected=f"a file, or one of: {', '.join(shipped())}",
            found=str(error),
            code="pipeline.missing",
        ) from error


def parse_pipeline(text: str, origin: str) -> Pipeline:
    """Raises ConfigError with up to eight mistakes, each with its line."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is not YAML", found=str(error), code="pipeline.invalid") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{origin} is not a pipeline", expected="a mapping", found=type(document).__name__)
    try:
        return Pipeline.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            f"{origin} is not a valid pipeline",
            expected="the shape that `firebreak pipeline schema` prints",
            found="; ".join(mistakes(error, text)[:8]),
            hint="correct the lines named",
            code="pipeline.invalid",
        ) from error


def load_pipeline(name_or_path: str) -> Pipeline:
    """A shipped pipeline by name, or a file. Raises ConfigError."""
    return parse_pipeline(*source_of(name_or_path))


def mistakes(error: ValidationError, text: str) -> list[str]:
    """One line per mistake, without the echoes of a union's other members."""
    rows: list[str] = []
    for found in error.errors():
        path = [str(part) for part in found["loc"]]
        where = ".".join(part for part in path if not part.startswith(("list[", "constrained", "function-")))
        row = f"line {line_of(text, path)}: {where}: {found['msg']}"
        if row not in rows:
            rows.append(row)
    return rows


def take_inputs(declared: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of one run with defaults filled in. Raises ConfigError that names every wrong one."""
    problems = [f"{name} is no input" for name in given if name not in declared]
    taken: dict[str, Any] = {}
    for name, spec in declared.items():
        value = given.get(name, spec.default)
        if value is None:
            problems += [f"{name} is required"] if spec.required else []
        elif not _fits(value, spec.type):
            problems.append(f"{name} must be a {spec.type}, found {type(value).__name__}")
        taken[name] = value
    if problems:
        known = ", ".join(f"{n}: {s.type}" for n, s in declared.items()) or "no input"
        raise ConfigError(
            "the inputs do not fit the pipeline", expected=known, found="; ".join(problems), code="pipeline.inputs"
        )
    return taken


def _fits(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and not (kind == "number" and isinstance(value, bool))
