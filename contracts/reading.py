"""A deployment context from JSON: the spellings that are in use, what is unknown is said, what is wrong is refused."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.context import DeploymentContext, FileChange, Neighbour
from domain.errors import ConfigError

MOST_BYTES = 10_000_000
_GROUPS = re.compile(r"^(current|target|baseline|slo)(_(metrics|targets|slo|values))?$|^(traffic|slos|metrics)$")
"""Objects that only bracket other fields: `current: {error_rate: …}` is `current_error_rate`."""
_WHOSE = {"baseline": "current", "slo": "target", "objective": "target"}
_FIGURE = re.compile(
    r"^(?P<whose>current|target|baseline|slo|objective)_(?:latency_)?(?P<what>error_rate|p95|p99)(?:_latency)?(?:_(?:percent|pct|ms))?$"
)
_QPS = re.compile(r"^(?:current_|average_|expected_)?(?:traffic_)?(?:qps|rps)$|^requests_per_second$|^qps_current$")
_PEAK = re.compile(r"^(?:expected_)?peak(?:_(?:qps|rps|traffic))?$|^qps_peak$")
_CAPABILITY = {
    **dict.fromkeys(("full", "automatic", "automated", "instant", "yes", "true", "supported"), "full"),
    **dict.fromkeys(("partial", "manual", "limited", "slow"), "partial"),
    **dict.fromkeys(("none", "no", "false", "impossible", "unsupported"), "none"),
}
_ENVIRONMENTS = {"prod": "production", "live": "production", "stage": "staging", "preprod": "staging"} | dict.fromkeys(
    ("dev", "development", "test", "local"), "sandbox"
)


class ContextError(ConfigError):
    """A deployment context cannot be used."""

    code = "contract.context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A context, and what of the document was not understood."""

    context: DeploymentContext
    unknown: tuple[str, ...] = ()


def read_context(text: str | bytes, name: str = "the context") -> Read:
    """Raises ContextError that names the field, what was expected and what was found."""
    document = _document(text, name)
    fields, unknown = _known(_flat(document), DeploymentContext)
    fields["changes"], more = _rows(fields.get("changes", []), "changes", FileChange)
    fields["dependencies"], most = _rows(fields.get("dependencies", []), "dependencies", Neighbour)
    try:
        context = DeploymentContext.model_validate(fields)
    except ValidationError as error:
        raise _wrong(error, name) from error
    return Read(context=context, unknown=(*unknown, *more, *most))


def _document(text: str | bytes, name: str) -> Mapping[str, Any]:
    if len(text) > MOST_BYTES:
        raise ContextError(f"{name} is too large", expected="10 MB at most", found=f"{len(text):,} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContextError(f"{name} is no JSON", expected="one JSON object", found=str(error)) from error
    if not isinstance(document, dict):
        raise ContextError(f"{name} is no deployment context", expected="a JSON object", found=type(document).__name__)
    return document


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict) and (group := _GROUPS.match(key)):
            prefix = f"{group[1]}_" if group[1] else ""
            flat |= {f"{prefix}{inner}": found for inner, found in value.items()}
        else:
            flat[key] = value
    return flat


def _known(document: Mapping[str, Any], model: type[Any]) -> tuple[dict[str, Any], list[str]]:
    fields: dict[str, Any] = {}
    unknown: list[str] = []
    for key, value in document.items():
        name = _canonical(key)
        if name not in model.model_fields:
            unknown.append(_hint(key, list(model.model_fields)))
        elif value is not None:
            fields[name] = _worded(name, value)
    return fields, unknown


def _canonical(key: str) -> str:
    if figure := _FIGURE.match(key):
        return f"{_WHOSE.get(figure['whose'], figure['whose'])}_{figure['what']}"
    if _QPS.match(key):
        return "qps"
    return "peak_qps" if _PEAK.match(key) else key


def _worded(name: str, value: Any) -> Any:
    if name == "rollback_capability" and isinstance(value, bool | str):
        return _CAPABILITY.get(str(value).strip().lower(), value)
    if name == "environment" and isinstance(value, str):
        return _ENVIRONMENTS.get(value.strip().lower(), value.strip().lower())
    return value.strip().lower() if name == "criticality" and isinstance(value, str) else value


def _rows(rows: Any, name: str, model: type[Any]) -> tuple[Any, list[str]]:
    if not isinstance(rows, list):
        return rows, []
    read = [_known(row, model) if isinstance(row, dict) else (row, []) for row in rows]
    return [fields for fields, _ in read], [f"{name}.{i}.{u}" for i, (_, found) in enumerate(read) for u in found]


def _hint(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    return f"{key[:80]} (did you mean {near[0]}?)" if near else key[:80]


def _wrong(error: ValidationError, name: str) -> ContextError:
    rows = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r:.80})" for e in error.errors()]
    return ContextError(
        f"{name} is no deployment context",
        expected="deployment_id, service_name, changes[{file_path, change_type, lines_changed, risk_tags, description}] …",
        found="; ".join(rows[:8]),
        hint="docs/examples/deployment-context.json shows every field",
    )
