"""Commit ranges from a real repository: odd files are read or named, nothing that the repository configures is run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contracts.change.files import ChangedFile
from contracts.change.range import MOST_BYTES, Range, ends, read_range
from contracts.change.subject import Subject, subject_of
from contracts.context import DeploymentContext
from contracts.draft import draft_contract
from contracts.finding import Mark, marks_of
from domain.clock import SystemClock
from domain.errors import ConfigError, ToolError
from tests.unit.contracts.repository import Repository
from tools.repository import GitRepository

ABOUT = DeploymentContext(deployment_id="d", service_name="pay")
LONG = "".join(f"line_{i} = {i}\n" for i in range(40))
ODD: dict[str | bytes, str | bytes | None] = {
    "logo.png": b"\x89PNG\0\0\1",
    "latin.py": b"name = '\xe9'\n",
    b"na\xefve.py": "x = 1\n",
    'we ird"\n\t.py': "+++ b/other\n--- a/other\n",
    "one line.js": "x" * 50_000 + "\n",
    "huge.sql": "-- " + "y" * MOST_BYTES + "\n",
    "controls.py": "a = 1\r\nb\x0c\x1c\u2028 = 2\n",
    "no end.txt": "q",
    "empty.py": "",
    "old.py": None,
    "moved/here.py": LONG + "print('nearly as before')\n",
    "before.py": None,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """main → feature with everything that a diff can hold; main went on meanwhile."""
    repo = Repository(tmp_path_factory.mktemp("range") / "pay")
    moved = LONG + "print('as before')\n"
    repo.commit(
        {"old.py": "nothing like it\n", "before.py": moved, "app.py": "logger.info('a')\n", "mode.sh": "a\n"}, "fix app"
    )
    repo.git("checkout", "--quiet", "-b", "feature")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},libs/sub")
    repo.git("commit", "--quiet", "-m", "submodule")
    (repo.folder / "link.py").symlink_to("/etc/passwd")
    (repo.folder / "libs" / "sub").mkdir(parents=True)
    (repo.folder / "mode.sh").chmod(0o755)
    repo.commit(ODD, "everything odd")
    repo.commit({"db/migrations/2_a.sql": "ALTER TABLE t DROP COLUMN a;\n", "app.py": "pass\n"}, "a migration")
    repo.git("checkout", "--quiet", "main")
    repo.commit({"elsewhere.py": "cache = 1\n"}, "main goes on")
    return repo


@pytest.fixture(scope="module")
def found(made: Repository) -> Range:
    return asyncio.run(read_range(GitRepository(folder=made.folder), "main..feature"))


def of(found: Range, path: str) -> ChangedFile:
    return next(f for f in found.files if f.path == path)


def test_only_what_the_branch_adds(found: Range, made: Repository) -> None:
    """What main did meanwhile is not part of the change."""
    assert "elsewhere.py" not in {f.path for f in found.files}
    assert found.head == made.git("rev-parse", "feature")


def test_every_line_has_its_number(found: Range) -> None:
    for file in found.files:
        if file.kind == "text":
            assert (len(file.lines_added), len(file.lines_removed)) == (file.added, file.removed), file.path
    assert of(found, "controls.py").lines_added[1] == (2, "b\x0c\x1c\u2028 = 2")
    assert of(found, 'we ird"\n\t.py').lines_added == ((1, "+++ b/other"), (2, "--- a/other"))


def test_odd_files_are_read_or_named(found: Range) -> None:
    kinds = {path: of(found, path).kind for path in ("logo.png", "huge.sql", "libs/sub", "link.py", "latin.py")}
    assert kinds == {
        "logo.png": "binary",
        "huge.sql": "unread",
        "libs/sub": "submodule",
        "link.py": "symlink",
        "latin.py": "text",
    }
    told = "\n".join(text for text, _ in found.doubts)
    assert all(path in told for path in ("logo.png", "huge.sql", "libs/sub", "link.py"))
    assert "latin.py: not UTF-8" in told
    assert "one line.js: lines beyond 4,000 characters" in told
    assert of(found, "latin.py").lines_added == ((1, "name = '\ufffd'"),)
    assert len(of(found, "one line.js").lines_added[0][1]) == 4000
    assert of(found, "na\ufffdve.py").added == 1


def test_renames_keep_their_history(found: Range) -> None:
    file = of(found, "moved/here.py")
    assert (file.status, file.old_path, file.changed) == ("R", "before.py", 2)


async def test_a_contract_from_a_range_names_file_and_line(made: Repository) -> None:
    subject: Subject = await subject_of(GitRepository(folder=made.folder), "main..feature", ABOUT)
    drop = next(f for f in subject.findings if Mark.DROPS_DATA in f.marks)
    assert drop.where == ["db/migrations/2_a.sql:1"]
    assert Mark.NO_DOWN in marks_of(subject.findings)
    now = SystemClock().now()
    contract = draft_contract(subject.context, id="c", at=now, findings=subject.findings, doubts=subject.doubts)
    assert contract.head == made.git("rev-parse", "feature")
    assert not contract.rollback.possible
    assert contract.risk.confidence < 0.7  # a good deal could not be read


async def test_a_new_commit_is_another_contract(made: Repository) -> None:
    """The approval of the first is bound to the first."""
    repository, now = GitRepository(folder=made.folder), SystemClock().now()
    digests = []
    for text in ("main..feature~1", "main..feature", "main..feature"):
        subject = await subject_of(repository, text, ABOUT)
        digests.append(draft_contract(subject.context, id="c", at=now, findings=subject.findings).terms_digest())
    assert digests[0] != digests[1] == digests[2]


async def test_nothing_that_the_repository_configures_is_run(made: Repository, tmp_path: Path) -> None:
    """External diffs, text converters and monitors of a stranger's repository."""
    trap = tmp_path / "sprung"
    script = tmp_path / "trap.sh"
    script.write_text(f'#!/bin/sh\ntouch {trap}\ncat "$2" 2>/dev/null\n')
    script.chmod(0o755)
    for key in (
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
    ):
        made.git("config", key, str(script))
    (made.folder / ".git" / "info").mkdir(exist_ok=True)
    (made.folder / ".git" / "info" / "attributes").write_text("*.py diff=x\n*.sql diff=x\n")
    await subject_of(GitRepository(folder=made.folder), "main..feature", ABOUT)
    assert not trap.exists()


@pytest.mark.parametrize("text", ["main", "main..", "..main", "a..b..c", "--output=x..main", "main..--help"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ConfigError, match="is no range"):
        ends(text)


async def test_commits_that_are_not_there(made: Repository, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no commit 'nowhere'"):
        await read_range(GitRepository(folder=made.folder), "nowhere..main")
    with pytest.raises((ConfigError, ToolError)):
        await read_range(GitRepository(folder=tmp_path), "a..b")
    with pytest.raises(ToolError, match="no folder"):
        await read_range(GitRepository(folder=tmp_path / "none"), "a..b")


async def test_histories_without_a_common_beginning(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "two")
    repo.commit({"a.py": "1\n"})
    repo.git("checkout", "--quiet", "--orphan", "other")
    repo.commit({"b.py": "2\n"})
    found = await read_range(GitRepository(folder=repo.folder), "main..other")
    assert any("share no history" in text for text, _ in found.doubts)
