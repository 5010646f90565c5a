"""What counts as the cause being still there."""

from __future__ import annotations

from agents.perception import diagnose
from agents.verifier import condition_seen
from domain.conditions import Condition, Finding
from domain.diagnosis import Diagnosis
from tests.unit.agents.perception.shop_world import World


def released(version: str, previous: str, age_s: float) -> Diagnosis:
    """Users fail, and this version went out a moment ago."""
    world = World().users_fail().change("deploy", "api", age_s, version)
    world.say("release", "api", True, version=version, weights={version: 100}, previous=previous)
    return diagnose(world.metric("api", "error_rate", 0.0, 0.3).bundle())


def regressed(version: str) -> Finding:
    return Finding(condition=Condition.RELEASE_REGRESSED, service="api", facts={"version": version})


def test_the_version_that_came_back_is_not_the_one_that_was_taken_back() -> None:
    """After a rollback the former version is the one released shortly before what metrics still show."""
    before, after = released("v2", "v1", 400), released("v1", "v2", 10)
    assert condition_seen(regressed("v2"), before)
    assert condition_seen(regressed("v1"), after)
    assert not condition_seen(regressed("v2"), after)


def test_a_regression_without_a_version_is_the_same_one() -> None:
    """Who does not name a version speaks of whichever is there."""
    unnamed = Finding(condition=Condition.RELEASE_REGRESSED, service="api")
    assert condition_seen(unnamed, released("v2", "v1", 400))
    assert not condition_seen(unnamed.model_copy(update={"service": "worker"}), released("v2", "v1", 400))
