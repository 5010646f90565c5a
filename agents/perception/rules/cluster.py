"""Readings of a cluster against what the inventory declares: each names the object, the cause and what a repair needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.perception.claim import Claim, finding, number, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition, Finding

SURE = 0.96
"""Read from the objects themselves; a little above what the same objects suggest without a declaration."""
IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})


def workloads(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A deployment that wants too few pods, has one that is stuck, or whose newest revision cannot start."""
    for reading in _wrong(facts, "workload_state"):
        values, service = reading.values, reading.service
        stuck, replaced = values.get("stuck") or [], values.get("replaced") or []
        if number(values.get("missing_replicas")) > 0:
            missing = finding(
                Condition.REPLICAS_MISSING, service, service, missing_replicas=values.get("missing_replicas")
            )
            kind = "scaled_to_zero" if values.get("replicas") == 0 else "scaled_down"
            yield _claim(reading, kind, "it wants fewer pods than is normal", missing)
        elif stuck:
            found = finding(Condition.POD_STUCK, service, service, pod=str(stuck[0]))
            yield _claim(reading, "pod_stuck", f"pod {stuck[0]} does not serve while others of its template do", found)
        elif replaced and IMAGE & set(values.get("waiting") or {}):
            release = finding(Condition.ROLLOUT_STUCK, service, service, waiting=sorted(values.get("waiting") or {}))
            yield _claim(reading, "image_pull", "the image of its newest revision cannot be pulled", release)


def endpoints(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A service that does not select the pods behind it."""
    for reading in _wrong(facts, "service_endpoints"):
        if reading.values.get("selects") is False:
            found = finding(
                Condition.SELECTOR_MISSES, reading.service, reading.service, name=reading.values.get("name")
            )
            yield _claim(reading, "selector_mismatch", "its service selects other pods than its own", found)


def settings(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A config map that does not hold what is declared; pods that read it have to be replaced."""
    for reading in _wrong(facts, "workload_settings"):
        state = facts.reading("workload_state", reading.service)
        found = [_about(Condition.SETTINGS_DIFFER, reading, "config_map", "keys")]
        if state is not None and state.ok is False:
            found.append(finding(Condition.PROCESS_UNRESPONSIVE, reading.service, reading.service))
        yield _claim(reading, "wrong_settings", "a setting is not what is declared", *found)


def permissions(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A role that does not allow what is declared to be needed, or is not bound."""
    for reading in _wrong(facts, "workload_permissions"):
        found: list[Finding] = []
        if number(reading.values.get("lacking")) > 0:
            found.append(_about(Condition.PERMISSION_MISSING, reading, "role", "api_group", "resource", "verbs"))
        if reading.values.get("bound") is False:
            found.append(_about(Condition.ROLE_UNBOUND, reading, "role", "role_binding", "service_account"))
        yield _claim(reading, "rbac_denied", "it may not do what it needs", *found)


def paths(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Network policies that keep declared callers out."""
    for reading in _wrong(facts, "network_path"):
        found = _about(Condition.PATH_CLOSED, reading, "network_policy", "to_labels", "from_labels", "port")
        yield _claim(reading, "network_policy", "network policies keep its callers out", found)


def _wrong(facts: Facts, probe: str) -> list[Reading]:
    return [reading for reading in facts.readings(probe) if reading.ok is False]


def _about(condition: Condition, reading: Reading, *keys: str) -> Finding:
    known: dict[str, Any] = {key: reading.values.get(key) for key in keys}
    return finding(condition, reading.service, reading.service, **known)


def _claim(reading: Reading, kind: str, words: str, *found: Finding) -> Claim:
    return Claim(
        service=reading.service,
        fault_class=kind,
        strength=SURE,
        direct=True,
        statement=f"{reading.service}: {words} ({reading.text}).",
        signs=(of_reading(reading, words),),
        falsify=f"{reading.probe} of {reading.service} reads as declared",
        probe=(reading.probe, reading.service, "as declared"),
        findings=found,
        details={"cause": kind},
    )


RULES = (workloads, endpoints, settings, permissions, paths)
