"""From draft to trusted, and from failures to edits that only add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.clock import ManualClock
from domain.errors import ConflictError, ModelUnavailableError
from domain.reasoning import Question
from skills.edit import applied, operations_for
from skills.promote import next_standing, quarantined
from skills.report import Failure, Order, Report, RunStatus
from skills.review import Addition, EditAnswer, review
from skills.schema import Skill
from skills.signature import Signature, signature_of_text
from skills.store import SkillStore, Standing, Trust
from skills.trust import trust_of
from skills.vocabulary import registered
from tests.fakes.world import World
from tests.unit.skills.trial import POOL, RESUME, Trial

NOW = ManualClock().now()
WORDS = registered()


def promoted(trial: Trial, reason: str = "") -> Standing:
    package, skill = trial.bench.shelf.procedure("paused-process")
    found = next_standing(package, skill, trial.bench.words, trial.bench.store, by="ada", reason=reason, now=NOW)
    trial.bench.store.stand(found)
    return found


def test_one_step_at_a_time(tmp_path: Path) -> None:
    """Validated by the validator, rehearsed by a rehearsal alone, trusted by a person; then there is no more."""
    trial = Trial(tmp_path, World())
    assert promoted(trial).trust is Trust.VALIDATED
    with pytest.raises(ConflictError, match="never rehearsed"):
        promoted(trial)
    package, _ = trial.bench.shelf.procedure("paused-process")
    rehearsed = Standing(
        skill="paused-process",
        version="1.0.0",
        digest=package.digest,
        trust=Trust.REHEARSED,
        by="firebreak",
        at=NOW,
        evidence=["reh-1"],
    )
    trial.bench.store.stand(rehearsed)
    assert (promoted(trial).trust, promoted_evidence(trial)) == (Trust.TRUSTED, ["reh-1"])
    with pytest.raises(ConflictError, match="trusted already"):
        promoted(trial)


def promoted_evidence(trial: Trial) -> list[str]:
    return trial.bench.store.history("paused-process")[-1].evidence


def test_out_of_quarantine_only_with_a_reason_and_from_the_start(tmp_path: Path) -> None:
    """What failed in the field is rehearsed again."""
    trial = Trial(tmp_path, World())
    package, skill = trial.bench.shelf.procedure("paused-process")
    trial.bench.store.stand(quarantined(package, skill, by="ada", reason="hurt somebody", now=NOW))
    with pytest.raises(ConflictError, match="quarantine"):
        promoted(trial)
    assert promoted(trial, "it was the network").trust is Trust.VALIDATED


def test_an_invalid_skill_is_never_promoted(tmp_path: Path) -> None:
    """The validator speaks first."""
    trial = Trial(tmp_path, World(), skill={**RESUME, "irreversible": ""})
    with pytest.raises(ConflictError, match="is not valid"):
        promoted(trial)


def test_trust_that_was_written_by_hand_does_not_verify(tmp_path: Path) -> None:
    """A record that says trusted counts only with this home's signature over exactly that."""
    store = SkillStore(tmp_path, tmp_path / "secrets" / "key")
    standing = Standing(skill="x", version="1.0.0", digest="sha256:a", trust=Trust.TRUSTED, by="ada", at=NOW)
    store.stand(standing)
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o777 == 0o600
    found = store.standing("x", "sha256:a")
    assert found is not None
    assert found.trust is Trust.TRUSTED
    file = tmp_path / "standings" / "x.json"
    file.write_text(file.read_text().replace("sha256:a", "sha256:b"))
    forged = store.standing("x", "sha256:b")
    assert forged is not None
    assert (forged.trust, "does not verify" in forged.reason) == (Trust.DRAFT, True)
    other = SkillStore(tmp_path, tmp_path / "another-key")
    assert [s.trust for s in [other.standing("x", "sha256:b")] if s] == [Trust.DRAFT]


def skill_of(document: dict[str, Any]) -> Skill:
    return Skill.model_validate(json.loads(json.dumps(document)))


def kubectl(*argv: str) -> Skill:
    action = {
        "name": "do",
        "command": ["kubectl", *argv],
        "target": "cluster-host",
        "effect": "reversible",
        "timeout_s": 5,
    }
    return skill_of({**RESUME, "actions": [action]})


SCALE = kubectl("scale", "deployment/api", "-n", "shop", "--replicas=3")


@pytest.mark.parametrize(
    ("signature", "skill", "added"),
    [
        (Signature.RBAC_DENIED, SCALE, ["kubectl", "auth", "can-i", "patch", "deployment", "-n", "shop"]),
        (
            Signature.RESOURCE_NOT_FOUND,
            SCALE,
            ["kubectl", "get", "deployment/api", "-o", "name", "-n", "shop"],
        ),
        (Signature.CRD_MISSING, SCALE, ["kubectl", "api-resources", "-o", "name"]),
    ],
)
def test_signatures_prescribe_preconditions(signature: Signature, skill: Skill, added: list[str]) -> None:
    """A permission, an existence, a kind: asked before anything is done."""
    (operation,) = operations_for(Failure(signature=signature, text="x", step="do"), skill, WORDS)
    assert (operation["add"], operation["value"]["command"]) == ("preconditions", added)
    edited = applied(skill, [operation])
    assert edited is not None
    assert (len(edited.preconditions), edited.version) == (len(skill.preconditions) + 1, "1.1.0")


def test_signatures_prescribe_the_rest() -> None:
    """A tool, a rollback, a readiness check; for policy and unknown failures nothing."""

    def prescribed(signature: Signature, skill: Skill, step: str) -> list[dict[str, Any]]:
        return operations_for(Failure(signature=signature, text="x", step=step), skill, WORDS)

    assert prescribed(Signature.COMMAND_NOT_FOUND, SCALE, "do") == [{"add": "required_tools", "value": "kubectl"}]
    bare = skill_of({**POOL, "rollback": []})
    assert prescribed(Signature.ROLLOUT_TIMEOUT, bare, "widen")[0]["value"] == {
        "undoes": "widen",
        "action": "scale_pool",
    }
    assert prescribed(Signature.READINESS_NOT_MET, bare, "widen")[0]["add"] == "success_criteria"
    assert prescribed(Signature.POLICY_BLOCKED, bare, "widen") == []
    assert prescribed(Signature.UNKNOWN, bare, "widen") == []
    assert prescribed(Signature.RBAC_DENIED, bare, "widen") == []
    assert prescribed(Signature.RESOURCE_NOT_FOUND, bare, "nothing") == []


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ({"action": "resume_process", "effect": "transient"}, ["api"]),
        ({"action": "shift_traffic", "effect": "reversible"}, []),
    ],
)
def test_a_cure_that_ran_under_another_fault_asks_the_diagnosis_first(action: dict[str, Any], place: list[str]) -> None:
    """For one of its own fault classes, at the service that it changes; a path lies between two, so its place is not asked."""
    meta = {**RESUME["metadata"], "fault_classes": ["hang", "crash"]}
    skill = skill_of({**RESUME, "metadata": meta, "actions": [{"name": "do", "target": "api", **action}]})
    failure = Failure(signature="VERIFICATION_FAILED", text="x", step="hidden-1")
    checks = [op["value"] for op in operations_for(failure, skill, registered())]
    assert {(c["probe"], c["service"]) for c in checks} == {("diagnosis", "api")}
    assert checks[0]["expect"] == {"path": "cause.fault_class", "matches": "^(crash|hang)$"}
    assert [c["expect"]["equals"] for c in checks[1:]] == place
    assert operations_for(failure, skill_of({**RESUME, "metadata": RESUME["metadata"]}), registered()) == []


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ('pods is forbidden: User "x" cannot list resource "pods"', Signature.RBAC_DENIED),
        ('Error from server (NotFound): deployments.apps "api" not found', Signature.RESOURCE_NOT_FOUND),
        ("error: timed out waiting for the condition", Signature.ROLLOUT_TIMEOUT),
        ('no matches for kind "Widget" in version "v1"', Signature.CRD_MISSING),
        ("Back-off: ImagePullBackOff", Signature.IMAGE_PULL_FAILED),
        ("dial tcp 10.0.0.1:6443: connect: connection refused", Signature.CONNECTION_REFUSED),
        ("kubectl: command not found", Signature.COMMAND_NOT_FOUND),
        ("Readiness probe failed: HTTP 503", Signature.READINESS_NOT_MET),
        ("it just does not work", Signature.UNKNOWN),
    ],
)
def test_words_of_tools(text: str, signature: Signature) -> None:
    """Where nothing but words is left."""
    assert signature_of_text(text) is signature


def failed(trial: Trial, **changes: Any) -> Report:
    package, _ = trial.bench.shelf.procedure("paused-process")
    fields: dict[str, Any] = {
        "id": "skr-1",
        "order": Order(skill="paused-process"),
        "version": "1.0.0",
        "digest": package.digest,
        "trust": "draft",
        "failure": Failure(signature="VERIFICATION_FAILED", text="still broken", step="fine"),
        "started_at": NOW,
    }
    return Report(**{**fields, **changes})


class Optimizer:
    """A model that proposes what it was told to."""

    name = "openai:optimizer"

    def __init__(self, answer: EditAnswer | None) -> None:
        self.answered = answer

    async def answer(self, question: Question[Any]) -> Any:
        assert "users" not in question.model_dump_json(), "hidden checks are not part of the question"
        self.asked: Any = question
        if self.answered is None:
            raise ModelUnavailableError("the model is too slow")
        return self.answered


def looking(**expect: Any) -> Addition:
    check = {"name": "shop", "probe": "http_health", "service": "postgres", "expect": expect}
    return Addition.model_validate({"add": "success_criteria", "check": check})


async def reviewed(trial: Trial, reports: list[Report], engine: Any = "rules", model: Any = None) -> Any:
    package, skill = trial.bench.shelf.procedure("paused-process")
    return await review(package, skill, reports, trial.bench.words, engine, model)


async def test_a_review_proposes_and_never_applies(tmp_path: Path) -> None:
    """The edit stems from the reports of this very version; others are left out, and it is said."""
    trial = Trial(tmp_path, World(), skill={**RESUME, "preconditions": []})
    other = failed(trial, id="skr-2", digest="sha256:other")
    well = failed(trial, id="skr-3", failure=None)
    found = await reviewed(trial, [failed(trial), other, well])
    assert found.edit.runs == ["skr-1"]
    assert "+preconditions:" in found.edit.diff
    assert found.notes == ("skr-2 is of another version and was left out", "skr-3 did not fail")
    assert (await reviewed(trial, [other])).edit is None


async def test_what_stands_there_already_is_not_proposed(tmp_path: Path) -> None:
    """The precondition is there: no edit, with the reason."""
    trial = Trial(tmp_path, World())
    found = await reviewed(trial, [failed(trial)])
    assert found.edit is None
    assert "no structural edit is known for VERIFICATION_FAILED" in found.notes[0]


async def test_a_models_edit_must_pass_the_rules(tmp_path: Path) -> None:
    """One that adds a real check is proposed in its name; one that adds nothing that can fail gives way to the rules."""
    trial = Trial(tmp_path, World(), skill={**RESUME, "preconditions": []})
    good = await reviewed(trial, [failed(trial)], "llm", Optimizer(EditAnswer(checks=[looking(ok=True)])))
    assert (good.edit.by, good.edit.operations[0]["add"]) == ("openai:optimizer", "success_criteria")
    for answer in (EditAnswer(checks=[looking(matches=".*")]), EditAnswer(), None):
        found = await reviewed(trial, [failed(trial)], "llm", Optimizer(answer))
        assert found.edit.by == "rules"
        assert found.notes[0].startswith("rules reviewed it")
    assert (await reviewed(trial, [failed(trial)], "llm")).notes == ("rules reviewed it: no model is configured",)


async def test_failures_of_earlier_versions_are_told_to_the_model(tmp_path: Path) -> None:
    """They inform; the edit rests on this version's failures alone."""
    trial = Trial(tmp_path, World(), skill={**RESUME, "preconditions": []})
    optimizer = Optimizer(EditAnswer(checks=[looking(ok=True)]))
    old = failed(trial, id="skr-0", digest="sha256:old", status=RunStatus.FAILED)
    found = await reviewed(trial, [failed(trial), old], "llm", optimizer)
    assert found.edit.runs == ["skr-1"]
    assert optimizer.asked.earlier[0].startswith("VERIFICATION_FAILED at")
    assert len(optimizer.asked.failures) == 1


def test_a_fresh_skill_is_a_draft(tmp_path: Path) -> None:
    """Nobody has said anything about it."""
    trial = Trial(tmp_path, World())
    assert trust_of(trial.bench.shelf.procedure("paused-process")[0], trial.bench.store) is Trust.DRAFT
