"""From a failure to a structural edit of the skill: proposed as a diff with provenance, never applied by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from domain.commands import plain_words, read_command
from domain.conditions import Condition
from skills.folder import PROCEDURE, Package
from skills.report import Edit, Failure, Report
from skills.rules import RULES
from skills.rules.flaw import Subject
from skills.schema import Action, Skill
from skills.signature import Signature
from skills.text import difference, written
from skills.vocabulary import Vocabulary

PROBE_OF: Mapping[str, str] = {
    "process": "process_state",
    "config": "config_diff",
    "pool": "db_pool",
    "traffic": "link_latency",
    "credential": "db_auth",
    "migration": "schema_version",
    "disk": "disk_usage",
    "cache": "cache_health",
    "warm_cache": "warm_file",
    "release": "release",
    "upstream": "upstream_status",
    "database": "db_activity",
    "kubernetes": "workload_state",
}
"""Aspect of a binding → the probe that reads it."""
DIAGNOSIS = "diagnosis"
"""The analysis whose reading names the leading cause."""
BETWEEN = frozenset(
    c.value
    for c in (
        Condition.LINK_SLOW,
        Condition.LINK_DOWN,
        Condition.PATH_CLOSED,
        Condition.DEPENDENCY_REJECTING,
        Condition.DEPENDENCY_DOWN,
        Condition.ROLE_CANNOT_LOGIN,
        Condition.ROLE_LACKS_RIGHTS,
    )
)
"""Seen on the way between two services: which of them a procedure changes is its own choice."""
LONGEST_CLASSES = 180
"""Characters; a pattern has room for so many."""
Operation = dict[str, Any]


def propose(package: Package, skill: Skill, reports: Sequence[Report], words: Vocabulary) -> Edit | None:
    """The edit that the reports' failures ask for; None when their kind has none, or it stands there already."""
    for failure in (r.failure for r in reports if r.failure is not None):
        runs = [r.id for r in reports if r.failure and r.failure.signature == failure.signature]
        edit = checked_edit(package, skill, failure, operations_for(failure, skill, words), runs, words)
        if edit is not None:
            return edit
    return None


def checked_edit(
    package: Package,
    skill: Skill,
    failure: Failure,
    operations: Sequence[Operation],
    runs: Sequence[str],
    words: Vocabulary,
    *,
    by: str = "rules",
) -> Edit | None:
    """Operations as an edit, when something is left of them and every rule accepts the outcome."""
    fresh = [op for op in operations if not _there(op, skill)]
    edited = applied(skill, fresh) if fresh else None
    if edited is None or not _still_valid(edited, package, words):
        return None
    return Edit(
        skill=skill.name,
        base_digest=package.digest,
        signature=failure.signature,
        summary=f"{failure.signature} at {failure.step or 'the gate'}: {_says(fresh)}",
        operations=fresh,
        diff=difference(written(skill), written(edited), f"{skill.name}/{PROCEDURE}"),
        by=by,
        runs=list(runs),
    )


def operations_for(failure: Failure, skill: Skill, words: Vocabulary) -> list[Operation]:
    """What the table of signatures prescribes for the step that failed."""
    action = next((a for a in skill.actions if a.name == failure.step), None)
    match failure.signature:
        case Signature.RBAC_DENIED:
            return _permission(action)
        case Signature.RESOURCE_NOT_FOUND | Signature.CONNECTION_REFUSED:
            return _existence(action, words)
        case Signature.CRD_MISSING:
            return _kind_known(action)
        case Signature.COMMAND_NOT_FOUND:
            return _tool(action)
        case Signature.ROLLOUT_TIMEOUT | Signature.IMAGE_PULL_FAILED:
            return _rollback(action, words)
        case Signature.READINESS_NOT_MET:
            return _readiness(action)
        case Signature.VERIFICATION_FAILED:
            return [*_only_when_broken(failure.step, skill), *_only_for_its_cause(skill, words)]
        case _:
            return []


def applied(skill: Skill, operations: Sequence[Operation]) -> Skill | None:
    """The skill with a minor version more; None when the outcome is none."""
    document = skill.model_dump(mode="json", exclude_defaults=True)
    for operation in operations:
        key = operation["add"]
        home = document["metadata"] if key == "required_tools" else document
        home[key] = [*home.get(key, []), operation["value"]]
    major, minor, _ = skill.version.split(".")
    document["version"] = f"{major}.{int(minor) + 1}.0"
    try:
        return Skill.model_validate(document)
    except ValidationError:
        return None


def _permission(action: Action | None) -> list[Operation]:
    if action is None or action.command is None or read_command(action.command).program != "kubectl":
        return []
    verb = {"rollout": "patch", "scale": "patch", "set": "patch", "label": "patch", "annotate": "patch"}
    words = plain_words(action.command)
    can_i = ["kubectl", "auth", "can-i", verb.get(words[0], words[0]), _kind(words), *_namespace(action.command)]
    return [_precondition(f"may-{action.name}", action, can_i, {"exit_code": 0, "contains": "yes"})]


def _existence(action: Action | None, words: Vocabulary) -> list[Operation]:
    if action is None:
        return []
    if action.command is not None:
        thing = next((w for w in plain_words(action.command) if "/" in w), "")
        get = ["kubectl", "get", thing, "-o", "name", *_namespace(action.command)]
        return [_precondition(f"there-is-{action.name}", action, get, {"contains": thing})] if thing else []
    spec = words.actions.get(action.action or "")
    probe = next((PROBE_OF[a] for a in spec.binding.split("|") if a in PROBE_OF), "") if spec else ""
    check = {
        "name": f"reachable-{action.name}"[:60],
        "probe": probe,
        "service": action.target,
        "expect": {"path": "error", "equals": ""},
    }
    return [{"add": "preconditions", "value": check}] if probe in ("db_activity", "cache_health") else []


def _kind_known(action: Action | None) -> list[Operation]:
    if action is None or action.command is None:
        return []
    kind = _kind(plain_words(action.command))
    ask = ["kubectl", "api-resources", "-o", "name"]
    return [_precondition(f"kind-known-{action.name}", action, ask, {"contains": kind})]


def _tool(action: Action | None) -> list[Operation]:
    return (
        [{"add": "required_tools", "value": read_command(action.command).program}] if action and action.command else []
    )


def _rollback(action: Action | None, words: Vocabulary) -> list[Operation]:
    spec = words.actions.get(action.action or "") if action else None
    if action is None or spec is None or not spec.undo:
        return []
    return [{"add": "rollback", "value": {"undoes": action.name, "action": spec.undo}}]


def _readiness(action: Action | None) -> list[Operation]:
    if action is None:
        return []
    check = {
        "name": f"answers-after-{action.name}"[:60],
        "probe": "http_health",
        "service": action.target,
        "expect": {"ok": True},
        "within_s": 15,
        "hold_s": 5,
    }
    return [{"add": "success_criteria", "value": check}]


def _only_when_broken(criterion: str, skill: Skill) -> list[Operation]:
    """It ran where its fault was not: demand that what it promises does not hold yet."""
    check = next((c for c in skill.success_criteria if c.name == criterion), None)
    if check is None or check.expect.ok is not True:
        return []
    document = check.model_dump(mode="json", exclude_defaults=True, exclude={"within_s", "hold_s"})
    value = {**document, "name": f"broken-{check.name}"[:60], "expect": {**document["expect"], "ok": False}}
    return [{"add": "preconditions", "value": value}]


def _only_for_its_cause(skill: Skill, words: Vocabulary) -> list[Operation]:
    """It ran where another fault stood: demand that the diagnosis names one that it is for, at the service that it changes."""
    action = next((a for a in skill.actions if a.action is not None and a.effect.mutating), None)
    classes = "|".join(re.escape(name) for name in sorted(skill.metadata.fault_classes))
    if action is None or not classes or len(classes) > LONGEST_CLASSES or DIAGNOSIS not in words.probes:
        return []
    wanted = {"cause-is-its-own": {"path": "cause.fault_class", "matches": f"^({classes})$"}}
    spec = words.actions.get(action.action or "")
    if spec is not None and BETWEEN.isdisjoint(spec.removes):
        wanted["cause-is-in-its-place"] = {"path": "cause.service", "equals": action.target}
    look = {"probe": DIAGNOSIS, "service": action.target}
    return [{"add": "preconditions", "value": {"name": n, **look, "expect": expect}} for n, expect in wanted.items()]


def _precondition(name: str, action: Action, argv: Sequence[str], expect: Mapping[str, Any]) -> Operation:
    value = {"name": name[:60], "command": list(argv), "service": action.target, "expect": dict(expect)}
    return {"add": "preconditions", "value": value}


def _kind(words: Sequence[str]) -> str:
    """`deployment` of `scale deployment/api` and of `delete deployment api`; behind two-word verbs too."""
    named = next((w.split("/", 1)[0] for w in words if "/" in w), "")
    return named or (words[1] if len(words) > 1 else "")


def _namespace(argv: Sequence[str]) -> list[str]:
    found = [[w, argv[n + 1]] for n, w in enumerate(argv[:-1]) if w in ("-n", "--namespace")]
    return found[0] if found else []


def _there(operation: Operation, skill: Skill) -> bool:
    document = skill.model_dump(mode="json", exclude_defaults=True)
    home = document["metadata"] if operation["add"] == "required_tools" else document
    return _nameless(operation["value"]) in [_nameless(row) for row in home.get(operation["add"], [])]


def _nameless(row: Any) -> Any:
    return {k: v for k, v in row.items() if k not in ("name", "within_s", "hold_s")} if isinstance(row, dict) else row


def _still_valid(edited: Skill, package: Package, words: Vocabulary) -> bool:
    """No rule about the procedure may speak against it; pins and prose follow when a person takes it."""
    subject = Subject(package=package, skill=edited, words=words)
    return not [flaw for rule in RULES for flaw in rule(subject) if flaw.file != "prose"]


def _says(operations: Sequence[Operation]) -> str:
    rows = [(op["add"], op["value"]) for op in operations]
    return ", ".join(f"add {key} {v.get('name', v.get('undoes')) if isinstance(v, dict) else v}" for key, v in rows)
