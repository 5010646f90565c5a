"""TARGET files: read, checked, and every mistake named with its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from domain.errors import ConfigError, ToolError
from domain.remote import RemoteTarget
from domain.yaml_text import line_of

LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A TARGET with the folder from which its relative paths start."""

    target: RemoteTarget
    file: Path

    @property
    def root(self) -> Path:
        """The file's folder."""
        return self.file.parent


def resolved(path: str, root: Path) -> Path:
    """Absolute: below the home for `~/`, else relative to the TARGET file."""
    return root / Path(path).expanduser()


def load_target(file: Path) -> Located:
    """Read a TARGET file. Raises ConfigError that names file, line, what was expected and what to do."""
    text = _text(file)
    try:
        _plain(text, file)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _invalid(f"{file}:{line} is not YAML", "a YAML mapping", error.problem or "") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _invalid(f"{file} is not YAML", "a YAML mapping", str(error)[:200]) from error
    if not isinstance(document, dict):
        raise _invalid(
            f"{file} is no TARGET file", "a mapping with version, name, ssh or kubernetes", str(document)[:60]
        )
    try:
        return Located(target=RemoteTarget.model_validate(document), file=file.resolve())
    except ValidationError as error:
        rows = [_mistake(e["loc"], e["msg"], text) for e in error.errors(include_input=False)[:8]]
        raise _invalid(
            f"{file} is not a valid TARGET", "the shape of docs/target.schema.json", "; ".join(rows)
        ) from error


def as_trouble(error: ConfigError) -> ToolError:
    """A wrong TARGET as an action or a probe meets it: it could not do its work, and nothing was done."""
    return ToolError(
        error.message, expected=error.expected, found=error.found, hint=error.hint, code="tool.target_invalid"
    )


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise _invalid(f"{file} is too large", f"at most {LARGEST_BYTES} bytes", f"{file.stat().st_size} bytes")
        return file.read_text()
    except FileNotFoundError as error:
        hint = "start from docs/examples/target-ssh.yaml or target-kubernetes.yaml"
        raise ConfigError(f"there is no {file}", expected="a TARGET file", found="nothing", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"{file} cannot be read", "a text file", str(error)) from error


def _plain(text: str, file: Path) -> None:
    """No aliases (they can grow without bound) and no key twice (the last would win in silence)."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise _invalid(f"{file}:{line} uses an alias", "plain values", f"*{event.anchor}")
    _unique(yaml.compose(text, Loader=yaml.SafeLoader), file)


def _unique(node: yaml.Node | None, file: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _unique(child, file)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise _invalid(f"{file}:{line} says {key.value!r} twice", "each key once", key.value)
            seen.add(key.value)
            _unique(value, file)


def _mistake(where: tuple[int | str, ...], message: str, text: str) -> str:
    path = [str(part) for part in where]
    return f"line {line_of(text, path)}: {'.'.join(path) or 'the file'}: {message.removeprefix('Value error, ')}"


def _invalid(message: str, expected: str, found: str) -> ConfigError:
    hint = "correct the line named; firebreak target check FILE shows the result"
    return ConfigError(message, expected=expected, found=found, hint=hint, code="remote.invalid")
