"""What is wrong with a pipeline is found before anything runs, with its stage and its line."""

from __future__ import annotations

import pytest

from domain.action import ActionSpec, Effect
from domain.errors import ConfigError
from domain.pipeline import seconds
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.checking import check_pipeline, missing_programs
from graph.pipelines.reading import load_pipeline, parse_pipeline, shipped, take_inputs
from graph.pipelines.stages import registry
from tools.actions.catalogue import ACTIONS as REAL

HEAD = "name: trial\nversion: 1.0.0\ndescription: a trial\ntier: T1\nstages:\n"
ACTIONS = {
    name: ActionSpec(name=name, summary="", effect=effect, binding="", schema={})
    for name, effect in (("scale_pool", Effect.REVERSIBLE), ("drop_table", Effect.IRREVERSIBLE))
}


def texts(stages: str) -> list[str]:
    return [
        f"{f.stage}: {f.text}" for f in check_pipeline(parse_pipeline(HEAD + stages, "t"), STAGE_TEMPLATES, ACTIONS)
    ]


@pytest.mark.parametrize("name", shipped())
def test_shipped_pipelines_have_no_errors(name: str) -> None:
    """Checked against the real actions."""
    assert check_pipeline(load_pipeline(name), STAGE_TEMPLATES, {a.name: a.published() for a in REAL}) == []


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ("  - {name: a, agent: {template: observ}}", "a: unknown template 'observ'; did you mean observe?"),
        ("  - {name: a, agent: {template: observe, tier: T2}}", "a: asks for T2, above the pipeline's ceiling T1"),
        ("  - {name: a, agent: {template: run_drill}}", "a: run_drill needs at least T1, the stage grants T0"),
        (
            "  - {name: a, agent: {template: observe, with: {looks: 99}}}",
            "a: looks: Input should be less than or equal to 10",
        ),
        (
            "  - {name: a, agent: {template: observe, with: {look: {cel: inputs.x}}}}",
            "a: look is no argument; did you mean looks?",
        ),
        ("  - {name: a, agent: {template: search_runbooks, with: {limit: {cel: '1'}}}}", "a: query is missing"),
        (
            "  - {name: a, agent: {template: observe}, next: b}\n  - {name: c, agent: {template: observe}}",
            "a: there is no stage 'b'",
        ),
        (
            "  - {name: a, agent: {template: observe}, next: end}\n  - {name: c, agent: {template: observe}}",
            "c: no way leads here: the stage before it always goes elsewhere",
        ),
        (
            "  - {name: a, condition: {if: 'true', then: end, else: end}}\n  - {name: c, agent: {template: observe}}",
            "c: no way leads here: the stage before it always goes elsewhere",
        ),
        ("  - {name: a, condition: {if: 'inputs.', then: end}}", "a: 'inputs.' is not a CEL expression"),
        (
            "  - {name: a, agent: {template: observe}}\n  - {name: a, agent: {template: observe}}",
            "a: two stages have this name; names are unique in a pipeline",
        ),
        ("  - {name: end, agent: {template: observe}}", "end: no stage may be called end: that name is our own"),
        (
            "  - {name: a, agent: {template: act, tier: T1, with: {action: drop_table, target: db}}}",
            "a: drop_table has no undo (none is known); say accept_no_undo: true to run it all the same",
        ),
        (
            "  - {name: a, agent: {template: act, tier: T1, with: {action: {cel: inputs.a}, target: db}}}",
            "a: which action it is shows only when it runs, so whether it can be taken back is not known; "
            "say accept_no_undo: true to run it all the same",
        ),
        (
            "  - {name: a, agent: {template: act, tier: T1, with: {action: scale_pol, target: db}}}",
            "a: unknown action 'scale_pol'; did you mean scale_pool?",
        ),
        (
            "  - name: p\n    parallel:\n      branches:\n"
            "        - [{name: a, agent: {template: act, tier: T1, with: {action: scale_pool, target: x}}}]\n"
            "        - [{name: b, agent: {template: act, tier: T1, with: {action: scale_pool, target: y}}}]",
            "p: changes run one after the other: a, b",
        ),
        (
            "  - name: p\n    parallel:\n      branches:\n        - [{name: a, agent: {template: observe}, next: z}]\n"
            "        - [{name: b, agent: {template: observe}}]\n  - {name: z, agent: {template: observe}}",
            "a: a jump to 'z' would cross the border of a parallel branch",
        ),
        (
            "  - {name: g, gate: {consensus: {question: q, quorum: 2, reviewers: [{name: r, approves_if: 'true', because: b}]}}}",
            "g: 1 reviewers can never be a quorum of 2",
        ),
    ],
)
def test_findings(stages: str, said: str) -> None:
    """Each names its stage and what would be right."""
    assert any(text.startswith(said) for text in texts(stages)), texts(stages)


def test_what_is_openly_accepted_is_no_finding() -> None:
    """An irreversible action that says so may run; whether it does, the guard decides."""
    said = "{action: drop_table, target: db, accept_no_undo: true}"
    assert texts(f"  - {{name: a, agent: {{template: act, tier: T1, with: {said}}}}}") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (HEAD + "  - {name: a}\n", "line 6: stages.0: Value error, expected exactly one of agent"),
        (HEAD + "  - name: a\n    agent: {template: observe, tire: T1}\n", "line 7: stages.0.agent.tire: Extra inputs"),
        (HEAD.replace("1.0.0", "one"), "line 2: version: String should match"),
        (HEAD + "  - {name: a, gate: {}}\n", "expected exactly one of approval, consensus"),
        ("- a\n", "list"),
        ("a: [", "while parsing"),
    ],
)
def test_what_is_written_wrong_is_named_with_its_line(text: str, found: str) -> None:
    """File, line, field."""
    with pytest.raises(ConfigError) as error:
        parse_pipeline(text, "trial.yaml")
    assert found in error.value.found
    assert "trial.yaml" in error.value.message


def test_a_pipeline_that_is_not_there() -> None:
    """The shipped ones are named."""
    with pytest.raises(ConfigError) as error:
        load_pipeline("no-such")
    assert "incident-response" in error.value.expected


def test_inputs_are_typed() -> None:
    """Defaults are filled in; every wrong one is named at once."""
    declared = load_pipeline("deployment-contract").inputs
    taken = take_inputs(declared, {"folder": ".", "action": "set_config", "target": "api"})
    assert (taken["hold_s"], taken["args"]) == (30, {})
    with pytest.raises(ConfigError) as error:
        take_inputs(declared, {"folder": 3, "hold_s": True, "colour": "red"})
    assert error.value.found == (
        "colour is no input; folder must be a string, found int; action is required; target is required; "
        "hold_s must be a number, found bool"
    )


def test_missing_programs_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning, since another machine may have them."""
    monkeypatch.setenv("PATH", "")
    (finding,) = missing_programs(load_pipeline("terraform"), STAGE_TEMPLATES)
    assert (finding.level, "terraform" in finding.text) == ("warning", True)


def test_durations() -> None:
    """Seconds, minutes, hours."""
    assert [seconds(d) for d in ("90s", "15m", "2h")] == [90, 900, 7200]


def test_one_name_one_template() -> None:
    """A second one of the same name is a defect."""
    with pytest.raises(ValueError, match="observe"):
        registry((STAGE_TEMPLATES["observe"],), (STAGE_TEMPLATES["observe"],))
