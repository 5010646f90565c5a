"""Every command is found under its word, and a command imports no other command's file."""

import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from cli import main as cli_main
from cli.nouns import NOUNS, VERBS, Nouns

ROOT = Path(__file__).resolve().parents[3]
LOADED = "import cli.main, sys; print(*sorted(m.removeprefix('cli.') for m in sys.modules if m.startswith('cli.')))"


def test_every_word_leads_to_a_command_of_that_name() -> None:
    """The table and the files agree: no word without a command, no command of a file without its word."""
    root = typer.main.get_group(cli_main.app)
    assert isinstance(root, Nouns)
    context = typer.Context(root, info_name="firebreak")
    words = root.list_commands(context)
    assert [root.get_command(context, word).name for word in words] == words
    assert sorted(root.commands) == sorted(words)


def test_no_file_of_commands_is_forgotten() -> None:
    """Whatever makes a group, or adds commands to the root, stands in the table or is part of a file that does."""
    makes = {f.stem for f in (ROOT / "cli").glob("*.py") if "\napp = typer.Typer(" in f.read_text()} - {"main"}
    assert makes == set(NOUNS.values())
    assert {f.stem for f in (ROOT / "cli").glob("*.py") if '"""Add the command' in f.read_text()} >= set(VERBS.values())


def test_starting_the_command_imports_no_command() -> None:
    """What a person asks for is imported when it is asked for."""
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=ROOT, check=True)
    assert set(ran.stdout.split()).isdisjoint({*NOUNS.values(), *VERBS.values()})


def test_a_mistyped_word_gets_the_nearest() -> None:
    """Words are suggested although nothing was imported yet."""
    said = CliRunner().invoke(cli_main.app, ["inciden"])
    assert said.exit_code == 2
    assert "Did you mean 'incident'?" in said.output
