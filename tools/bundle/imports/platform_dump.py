"""A dump of a cluster (`kubectl get … -o json|yaml`, one or several documents) as platform objects, secrets left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from domain.redaction import redact_json
from tools.bundle.imports.document import json_document, unreadable
from tools.bundle.read import platform_objects

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def read_platform(content: bytes, name: str) -> list[dict[str, Any]]:
    """Single objects of a dump. Raises EvidenceError when it is neither JSON nor YAML, or holds no object with a kind."""
    text = content.decode("utf-8-sig", errors="replace")
    whole = [json_document(content, name)] if text.lstrip()[:1] in {"{", "["} else _yaml(text, name)
    found = [o for document in whole for o in platform_objects(document)]
    if text.strip() and found and not any("kind" in o for o in found):
        raise unreadable(
            name,
            "platform objects with a kind (kubectl get … -o json)",
            f"keys {', '.join(str(k) for k in list(found[0])[:6])}",
        )
    return [bare(o) for o in found]


def _yaml(text: str, name: str) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise unreadable(name, "YAML without aliases, as kubectl writes it", "an alias")
        documents = list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise unreadable(name, "JSON or YAML", " ".join(str(error).split())) from error
    if any(d is not None and not isinstance(d, dict | list) for d in documents):
        raise unreadable(name, "platform objects", f"plain text: {text[:60]!r}")
    return documents


def bare(thing: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what it keeps secret: values of secrets, of secret-looking variables, and the applied copy."""
    cleaned: dict[str, Any] = redact_json(_variables(thing))
    if cleaned.get("kind") == "Secret":
        hidden = {
            k: dict.fromkeys(cleaned.get(k) or {}, "[redacted:value]") for k in ("data", "stringData") if cleaned.get(k)
        }
        cleaned |= hidden
    metadata = cleaned.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        notes = {k: v for k, v in metadata["annotations"].items() if k != _APPLIED}
        cleaned["metadata"] = {**metadata, "annotations": notes}
    return cleaned


def _variables(value: Any) -> Any:
    """`{name: DB_PASSWORD, value: x}` as redaction sees it: the value under its name's key."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
            return {**value, "value": redact_json({value["name"]: value["value"]})[value["name"]]}
        return {k: _variables(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_variables(v) for v in value]
    return value
