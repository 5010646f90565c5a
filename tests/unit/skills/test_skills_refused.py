"""Hostile and sloppy skills: each is refused, with a reason that names the place and the way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.errors import NotFoundError
from domain.inventory import Inventory
from skills.shelf import Shelf
from skills.validate import validate
from skills.vocabulary import registered
from tests.unit.skills.shelf import GOOD, HIDDEN, PROSE, problems, shelve, with_action, with_criterion, with_meta

KUBECTL: dict[str, Any] = {"required_tools": ["kubectl"]}


def test_a_good_skill_has_no_problem(tmp_path: Path) -> None:
    """The skill that all others here are made from is accepted."""
    assert problems(shelve(tmp_path)) == []


def command(*argv: str, effect: str = "read", **more: Any) -> dict[str, Any]:
    return {
        **with_action({"command": list(argv), "target": "${service}", "effect": effect}),
        **with_tools(argv[0]),
        **more,
    }


def with_tools(*tools: str) -> dict[str, Any]:
    return {"metadata": {**GOOD["metadata"], "required_tools": list(tools)}}


def looks(*argv: str, **expect: Any) -> dict[str, Any]:
    return {
        **with_criterion({"command": list(argv), "service": "${service}", "expect": expect or {"exit_code": 0}}),
        **with_tools(argv[0]),
    }


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # criteria that cannot fail
    "echo_ok_is_no_criterion": (looks("echo", "ok", contains="ok"), "constant_command", "whatever the system is like"),
    "true_is_no_criterion": (looks("true"), "constant_command", "whatever the system is like"),
    "exit_zero_is_no_evidence_about_a_value": (looks("kubectl", "get", "pods"), "exit_code_only", "no evidence"),
    "the_empty_text_is_in_every_text": (looks("uptime", contains=""), "everything_fits", "empty text"),
    "a_pattern_that_fits_anything": (looks("uptime", matches=".*"), "everything_fits", "fits any"),
    "every_number_is_above_minus_a_quadrillion": (
        with_criterion(
            {"probe": "db_pool", "service": "${service}", "expect": {"path": "size", "min": -1e18}},
        ),
        "everything_fits",
        "every number",
    ),
    "what_held_before_proves_nothing": (
        {**GOOD, "success_criteria": GOOD["preconditions"]},
        "held_before",
        "precondition demands it",
    ),
    "a_costly_pattern": (looks("uptime", matches="(a+)+$"), "costly_pattern", "repeats a repetition"),
    # declared against inferred effects
    "a_read_only_skill_that_force_deletes": (
        command("kubectl", "delete", "pod", "x", "--force", effect="read"),
        "declared_effect",
        "declared read, but what it calls is irreversible",
    ),
    "a_registered_action_declared_harmless": (
        with_action({"action": "restore_snapshot", "target": "${service}", "effect": "reversible"}),
        "declared_effect",
        "is irreversible",
    ),
    "an_unknown_program_is_not_harmless": (command("frobnicate", effect="read"), "unknown_effect", "counts as"),
    "an_option_may_hide_the_verb": (
        command("kubectl", "--cache-dir", "get", "delete", "pod", "x"),
        "unknown_effect",
        "nothing is known",
    ),
    "read_only_in_words_only": (with_meta(mutability="read_only"), "not_read_only", "may change something"),
    "mutating_in_words_only": (
        {**command("uptime"), "metadata": {**with_tools("uptime")["metadata"], "mutability": "mutating"}},
        "not_mutating",
        "no action changes",
    ),
    "an_analysis_that_acts": (with_meta(category="analysis"), "wrong_category", "may change something"),
    "a_change_without_risk": (with_meta(risk_level="none"), "no_risk", "never without risk"),
    "a_check_that_changes": (looks("kubectl", "delete", "pod", "x"), "check_changes", "must only read"),
    "a_blocked_verb_needs_its_reason": (
        command("kubectl", "delete", "namespaces/shop", effect="irreversible", irreversible=""),
        "blocked_verb",
        "delete namespace",
    ),
    # undo
    "a_change_without_undo": ({**GOOD, "irreversible": ""}, "missing_undo", "nothing takes it back"),
    "a_rollback_that_is_no_inverse": (
        with_action(
            {"action": "start_process", "target": "${service}", "effect": "reversible"},
            rollback=[{"undoes": "do", "action": "start_process"}],
        ),
        "no_inverse",
        "stop_process does",
    ),
    "a_rollback_of_what_cannot_be_taken_back": (
        {**GOOD, "rollback": [{"undoes": "resume", "action": "stop_process"}]},
        "no_inverse",
        "cannot be taken back",
    ),
    "a_rollback_that_repeats_the_action": (
        command(
            "kubectl",
            "scale",
            "deployment/x",
            "--replicas=3",
            effect="reversible",
            rollback=[{"undoes": "do", "command": ["kubectl", "scale", "deployment/x", "--replicas=3"]}],
        ),
        "no_inverse",
        "the same again",
    ),
    "a_rollback_of_something_else": (
        command(
            "kubectl",
            "scale",
            "deployment/x",
            "--replicas=3",
            effect="reversible",
            rollback=[{"undoes": "do", "command": ["kubectl", "scale", "deployment/y", "--replicas=1"]}],
        ),
        "no_inverse",
        "does not touch deployment/x",
    ),
    "a_rollback_of_no_action": (
        {**GOOD, "rollback": [{"undoes": "nothing", "action": "stop_process"}]},
        "undoes_nothing",
        "no action of this skill",
    ),
    # names
    "an_unknown_action": (
        with_action({"action": "resume_proces", "target": "${service}", "effect": "transient"}),
        "unknown_action",
        "there is no action 'resume_proces'",
    ),
    "arguments_that_the_action_does_not_have": (
        with_action(
            {"action": "resume_process", "target": "${service}", "effect": "transient", "args": {"force": True}}
        ),
        "wrong_arguments",
        "force",
    ),
    "an_argument_that_is_read_from_nothing": (
        with_action(
            {
                "action": "terminate_sessions",
                "target": "${service}",
                "effect": "transient",
                "args_from": {"pids": {"check": "no-such-check", "path": "blockers[*].pid"}},
            }
        ),
        "read_from_nothing",
        "no precondition with a probe",
    ),
    "an_unknown_probe": (
        with_criterion({"probe": "vibes", "service": "${service}", "expect": {"ok": True}}),
        "unknown_probe",
        "no probe 'vibes'",
    ),
    "an_undeclared_parameter": (
        with_criterion({"probe": "process_state", "service": "${servcie}", "expect": {"ok": True}}),
        "unknown_parameter",
        "${servcie} is no parameter",
    ),
    "a_parameter_that_nothing_uses": (
        {**GOOD, "parameters": {**GOOD["parameters"], "spare": {"type": "integer", "description": "for nothing"}}},
        "unused_parameter",
        "used nowhere",
    ),
    "a_default_that_no_caller_could_give": (
        {**GOOD, "parameters": {"service": {**GOOD["parameters"]["service"], "default": "api; rm -rf /"}}},
        "unfit_default",
        "does not match",
    ),
    "a_default_out_of_its_own_range": (
        {
            **command("uptime", "${count}"),
            "parameters": {
                **GOOD["parameters"],
                "count": {"type": "integer", "description": "x", "default": 9, "max": 3},
            },
        },
        "unfit_default",
        "not between",
    ),
    "a_default_of_another_type": (
        {
            **command("uptime", "${count}"),
            "parameters": {**GOOD["parameters"], "count": {"type": "integer", "description": "x", "default": "many"}},
        },
        "unfit_default",
        "is no integer",
    ),
    # commands
    "shell_metacharacters_in_an_argument": (
        command("uptime", "; rm -rf /"),
        "shell_metacharacters",
        "meant for a shell",
    ),
    "a_substitution_in_an_argument": (command("uptime", "$(reboot)"), "shell_metacharacters", "meant for a shell"),
    "a_shell_as_a_program": (command("bash", "-c", "uptime"), "interpreter", "whatever text it is given"),
    "a_shell_behind_sudo": (command("sudo", "-n", "sh", "-c", "ls"), "interpreter", "whatever text"),
    "an_undeclared_program": ({**command("uptime"), "metadata": GOOD["metadata"]}, "undeclared_tool", "uptime"),
    "a_parameter_that_lets_a_shell_in": (
        {
            **command("ls", "${where}"),
            "parameters": {
                **GOOD["parameters"],
                "where": {"type": "string", "description": "a folder", "pattern": ".*"},
            },
        },
        "loose_pattern",
        "lets '; rm' in",
    ),
    "a_parameter_as_the_program": (
        {
            **command("${what}", "x", effect="irreversible"),
            "parameters": {**GOOD["parameters"], "what": {"type": "string", "description": "a program"}},
        },
        "program_is_parameter",
        "where the program",
    ),
    # form
    "no_criterion_at_all": ({**GOOD, "success_criteria": []}, "schema", "success_criteria"),
    "a_field_that_does_not_exist": ({**GOOD, "sucess_criteria": []}, "schema", "sucess_criteria"),
    "two_ways_at_once": (
        with_criterion({"probe": "process_state", "command": ["uptime"], "service": "api", "expect": {"ok": True}}),
        "schema",
        "exactly one of",
    ),
    "a_command_as_one_line": (
        with_action({"command": "kubectl delete pod x", "target": "api", "effect": "irreversible"}),
        "schema",
        "command",
    ),
    "another_name_than_the_folder": ({**GOOD, "name": "other"}, "other_name", "as in SKILL.md"),
    "another_stage_than_the_prose": (with_meta(stage="diagnosis"), "other_stage", "SKILL.md says"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    """The named flaw is found, with its place and what to do."""
    skill, rule, words = REFUSED[name]
    found = [p for p in problems(shelve(tmp_path, skill)) if p.rule == rule]
    assert found, f"{rule} not found: {[p.words() for p in problems(tmp_path / 'paused-process')]}"
    assert words in found[0].text
    assert found[0].fix
    assert found[0].file.endswith((".yaml", ".md"))


def test_the_line_is_named(tmp_path: Path) -> None:
    """An editor can jump to what is wrong."""
    text = yaml.safe_dump({**GOOD, "irreversible": ""}, sort_keys=False)
    (problem,) = problems(shelve(tmp_path, text))
    assert text.splitlines()[problem.line - 1].strip() == "- name: resume"


YAML: dict[str, tuple[str, str]] = {
    "a_bomb_of_aliases": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchor or alias"),
    "an_anchor": ("name: &n paused\nversion: 1.0.0\n", "anchor or alias"),
    "a_merge_key": ("base: &b {x: 1}\nall:\n  <<: *b\n", "anchor or alias"),
    "duplicate_keys": ("name: one\nversion: 1.0.0\nname: two\n", "stands twice"),
    "a_python_object": ("name: !!python/object/apply:os.system ['id']\n", "uses a tag"),
    "nesting_without_end": ("a: " + "[" * 500 + "]" * 500 + "\n", "too deep"),
    "no_mapping": ("- one\n- two\n", "holds no mapping"),
    "a_key_that_is_no_text": ("1: one\n", "is no text"),
    "broken_syntax": ("name: [unclosed\n", "is not YAML"),
    "a_terminal_sequence": ('intent: "\\e[31mall is well"\n', "shows as something else"),
    "text_that_runs_backwards": ("intent: 'mend \u202eevil'\n", "U+202E"),
    "windows_line_ends": ("name: one\r\nversion: 1.0.0\r\n", "a carriage return"),
    "two_documents": ("name: one\n---\nname: two\n", "is not YAML"),
}


@pytest.mark.parametrize("name", YAML)
def test_yaml_refused(name: str, tmp_path: Path) -> None:
    """Nothing is built from such a text."""
    text, words = YAML[name]
    found = problems(shelve(tmp_path, text))
    assert any(p.rule == "unreadable" and words in p.text for p in found), [p.words() for p in found]


def test_a_duplicate_key_names_its_line(tmp_path: Path) -> None:
    """The second one is what is wrong."""
    found = problems(shelve(tmp_path, "name: one\nversion: 1.0.0\nname: two\n"))
    assert [p.line for p in found if "twice" in p.text] == [3]


def test_ten_megabytes_are_not_read(tmp_path: Path) -> None:
    """The size is looked at before the file."""
    folder = shelve(tmp_path)
    (folder / "assets" / "skill.yaml").write_text("#" * 10_000_000)
    assert any("too large" in p.text for p in problems(folder))


def test_nor_ten_megabytes_of_anything_else(tmp_path: Path) -> None:
    """A skill carries no data, whatever the file is called."""
    folder = shelve(tmp_path)
    (folder / "assets" / "data.bin").write_bytes(bytes(10_000_000))
    assert [(p.rule, p.file.endswith("data.bin")) for p in problems(folder)] == [("too_large", True)]


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    """It is why no front matter is found."""
    folder = shelve(tmp_path)
    prose = folder / "SKILL.md"
    prose.write_bytes(b"\xef\xbb\xbf" + prose.read_bytes())
    assert "a byte order mark" in problems(folder)[0].text


def test_what_cannot_be_read_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """One reason, the right one."""
    folder = shelve(tmp_path)
    (folder / "assets" / "skill.yaml").write_bytes(b"\xff\xfe")
    assert [p.rule for p in problems(folder)] == ["unreadable"]


def test_a_linked_skill_folder_is_told_as_such(tmp_path: Path) -> None:
    """The folder itself may be a link, too."""
    (tmp_path / "linked").symlink_to(shelve(tmp_path))
    assert "found a symbolic link" in problems(tmp_path / "linked")[0].text


def test_a_symlinked_asset_is_not_followed(tmp_path: Path) -> None:
    """What a link leads to may be anything."""
    folder = shelve(tmp_path)
    asset = folder / "assets" / "skill.yaml"
    asset.rename(tmp_path / "elsewhere.yaml")
    asset.symlink_to(tmp_path / "elsewhere.yaml")
    assert any(p.rule == "no_regular_file" and "symbolic link" in p.text for p in problems(folder))


def test_a_symlinked_folder_inside_is_seen(tmp_path: Path) -> None:
    """Also where the link is a folder."""
    folder = shelve(tmp_path)
    (folder / "more").symlink_to("/etc")
    assert any(p.rule == "no_regular_file" for p in problems(folder))


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """A special file would hang the reader."""
    folder = shelve(tmp_path)
    os.mkfifo(folder / "assets" / "pipe")
    assert any(p.rule == "no_regular_file" and "special" in p.text for p in problems(folder))


def test_a_changed_digest_is_seen(tmp_path: Path) -> None:
    """One changed byte in procedure or hidden checks breaks the pin."""
    folder = shelve(tmp_path)
    hidden = folder / "assets" / "hidden.yaml"
    hidden.write_text(hidden.read_text() + "\n")
    assert [p.rule for p in problems(folder)] == ["changed_digest"]


def test_text_cannot_move_between_the_two_files_unseen(tmp_path: Path) -> None:
    """The digest knows where one file ends."""
    from skills.folder import digest_of

    assert digest_of("ab", "c") != digest_of("a", "bc")


def test_a_hidden_check_that_is_visible_hides_nothing(tmp_path: Path) -> None:
    """Anybody could aim at it."""
    hidden = {"hidden_checks": [{**GOOD["success_criteria"][0], "name": "other"}]}
    assert "hidden_is_visible" in [p.rule for p in problems(shelve(tmp_path, hidden=hidden))]


def test_a_dead_pointer_in_the_prose(tmp_path: Path) -> None:
    """A link that leads nowhere is named with its line."""
    prose = PROSE + "\nSee [the list](assets/steps.md) first.\n"
    (found,) = [p for p in problems(shelve(tmp_path, prose=prose)) if p.rule == "dead_pointer"]
    assert "assets/steps.md" in found.text
    assert "[the list]" in Path(found.file).read_text().splitlines()[found.line - 1]


def test_prose_that_names_a_missing_procedure(tmp_path: Path) -> None:
    """A pin without a procedure is a dead pointer too."""
    folder = shelve(tmp_path)
    (folder / "assets" / "skill.yaml").unlink()
    assert "dead_pointer" in [p.rule for p in problems(folder)]


def test_a_procedure_without_prose(tmp_path: Path) -> None:
    """People must be able to read what it is for."""
    folder = shelve(tmp_path)
    (folder / "SKILL.md").unlink()
    assert [p.rule for p in problems(folder)] == ["unreadable"]


def test_tools_that_the_prose_does_not_allow(tmp_path: Path) -> None:
    """What the procedure uses stands in allowed-tools, and allowed-tools exist."""
    prose = PROSE.replace("resume_process start_process", "teleport")
    assert {p.rule for p in problems(shelve(tmp_path, prose=prose))} == {"unknown_tool", "tool_not_allowed"}


INVENTORY = Inventory.model_validate(
    {"services": [{"name": "shop", "kind": "api"}, {"name": "db", "kind": "database"}]}
)


def test_a_parameter_that_names_nothing_in_the_inventory(tmp_path: Path) -> None:
    """The default is no service there."""
    (found,) = problems(shelve(tmp_path), registered(INVENTORY))
    assert (found.rule, "'api' is no such service" in found.text) == ("names_nothing", True)
    assert "shop (api)" in found.fix


def test_a_default_says_nothing_where_a_caller_gives_another(tmp_path: Path) -> None:
    """A skill that is shipped for one inventory runs in another one, by its target; a kind that nobody has still forbids it."""
    _, found = validate(shelve(tmp_path), registered(INVENTORY), given=["service"])
    assert not found
    kinds = {"service": {"type": "service", "description": "x", "kinds": ["toaster"]}}
    toaster = shelve(tmp_path / "other", {**GOOD, "parameters": kinds})
    assert "no service is of kind toaster" in validate(toaster, registered(INVENTORY), given=["service"])[1][0].text


def test_a_kind_that_the_inventory_does_not_have(tmp_path: Path) -> None:
    """Nothing could ever be given for it."""
    kinds = {"service": {"type": "service", "description": "x", "kinds": ["toaster"]}}
    found = problems(shelve(tmp_path, {**GOOD, "parameters": kinds}), registered(INVENTORY))
    assert "no service is of kind toaster" in found[0].text


def test_a_literal_service_that_does_not_exist(tmp_path: Path) -> None:
    """Named directly, in an action or in a hidden check."""
    hidden = {"hidden_checks": [{**HIDDEN["hidden_checks"][0], "service": "shopp"}]}
    skill = {**GOOD, "parameters": {"service": {**GOOD["parameters"]["service"], "default": "shop"}}}
    (found,) = problems(shelve(tmp_path, skill, hidden), registered(INVENTORY))
    assert (found.rule, found.fix) == ("names_nothing", "did you mean shop?")
    assert found.file.endswith("hidden.yaml")


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../shelf/paused-process", "paused-process/../paused-process", "/etc", "a\0b"]
)
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    """Only the name of a folder on the shelf is one."""
    shelve(tmp_path / "shelf")
    shelf = Shelf(tmp_path / "shelf")
    assert shelf.package("paused-process").skill is not None
    with pytest.raises(NotFoundError):
        shelf.package(name)
