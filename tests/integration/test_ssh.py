"""Commands over a real OpenSSH server behind a jump host: who is trusted, and what survives a crash."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.action import DryRun, Effect, Outcome
from domain.errors import AuthError, FirebreakError, ToolError, ToolUnavailableError
from domain.runner import Command, RunOutcome
from tests.fakes.crash.ssh_step import call_of, registry_over
from tests.fakes.ssh_servers import SSHD, Site, keygen, running_ssh_site
from tools.remote import load_target
from tools.runners.choose import ssh_runner
from tools.runners.ssh import SshTransport
from tools.runners.stepwise import StepRunner

pytestmark = [pytest.mark.integration, pytest.mark.skipif(SSHD is None, reason="no sshd is installed")]
ROOT = Path(__file__).resolve().parents[2]
LEDGER = {"run": ["sh", "-c"]}
"""The tests' own command: a script, allowed by its TARGET file."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_ssh_site(tmp_path_factory.mktemp("ssh")) as found:
        yield found


async def trouble(site: Site, env: dict[str, str] | None = None, **more: Any) -> FirebreakError:
    """The error with which a connection to a changed TARGET ends."""
    located = load_target(site.write_target(**more))
    assert located.target.ssh is not None
    transport = SshTransport(located.target.ssh, root=located.root, env=env or {})
    with pytest.raises(FirebreakError) as caught:
        await transport.ask(["true"], timeout_s=10)
    await transport.aclose()
    return caught.value


async def test_an_unknown_host_is_never_trusted(site: Site) -> None:
    """No entry, another key and no file at all are three refusals; nothing is learnt on first use."""
    hosts = site.folder / "few_hosts"
    hosts.write_text(site.jump.host_key())
    assert (await trouble(site, known_hosts="few_hosts")).code == "remote.host_key"
    hosts.write_text(site.jump.host_key() + site.jump.host_key().replace(str(site.jump.port), str(site.host.port)))
    assert (await trouble(site, known_hosts="few_hosts")).code == "remote.host_key"
    assert (await trouble(site, known_hosts="none")).code == "remote.host_key"
    assert hosts.read_text().count("\n") == 2


async def test_a_jump_host_is_verified_too(site: Site) -> None:
    """A jump host with another key ends the way before the host is spoken to."""
    (site.folder / "only_host").write_text(site.host.host_key())
    jump = json.loads(site.write_target().read_text())["ssh"]["jump"]
    assert (await trouble(site, jump={**jump, "known_hosts": "only_host"})).code == "remote.host_key"


async def test_a_key_that_is_not_accepted_is_an_auth_error(site: Site) -> None:
    """A stranger's key, and one that lies open, are refused with what to do; no password or agent is tried."""
    if not (site.folder / "stranger").exists():
        keygen(site.folder / "stranger")
    assert isinstance(await trouble(site, key={"file": "stranger"}), AuthError)
    (site.folder / "stranger").chmod(0o644)
    error = await trouble(site, key={"file": "stranger"})
    assert error.code == "remote.key"
    assert "644" in error.found
    (site.folder / "stranger").chmod(0o600)
    assert (await trouble(site, key={"file": "gone"})).code == "remote.key"
    assert (await trouble(site, key={"env": "SHOP_KEY"})).code == "remote.key"


async def test_a_short_lived_certificate_opens_until_it_ends(site: Site) -> None:
    """A certified key from the environment works without an authorized_keys entry; an expired certificate does not."""
    key = (site.folder / "certified").read_text()
    jump = json.loads(site.write_target().read_text())["ssh"]["jump"]

    def certify(validity: str) -> None:
        user = json.loads(site.write_target().read_text())["ssh"]["user"]
        words = ("-s", site.folder / "authority", "-I", "t", "-n", user, "-V", validity, site.folder / "certified.pub")
        subprocess.run(["ssh-keygen", "-q", *map(str, words)], check=True)

    more: dict[str, Any] = {"key": {"env": "SHOP_KEY", "certificate": "certified-cert.pub"}, "jump": jump}
    certify("-1m:+5m")
    located = load_target(site.write_target(**more))
    assert located.target.ssh is not None
    transport = SshTransport(located.target.ssh, root=located.root, env={"SHOP_KEY": key})
    assert (await transport.ask(["true"], timeout_s=10)).code == 0
    await transport.aclose()
    certify("-2h:-1h")
    assert isinstance(await trouble(site, {"SHOP_KEY": key}, **more), AuthError)


async def test_an_unreachable_host_is_worth_another_try(site: Site) -> None:
    """A closed port is an unavailable tool and nothing was sent; the run says that it was refused."""
    assert isinstance(await trouble(site, port=1), ToolError)
    runner = ssh_runner(load_target(site.write_target(port=1, jump=None)), {})
    assert isinstance(await trouble(site, port=1, jump=None), ToolUnavailableError)
    ran = await runner.run(Command(argv=("uname",), effect=Effect.READ), "s1")
    assert ran.outcome is RunOutcome.REFUSED
    profile = await runner.profile()
    assert not profile.reachable
    assert profile.problems


def test_the_access_check_says_what_is_there_and_what_is_missing(site: Site) -> None:
    """`firebreak target check` ends well for a host that can be reached, and with a finding for one that cannot."""
    runner = CliRunner()
    well = runner.invoke(app, ["target", "check", str(site.write_target(commands=[LEDGER])), "--json"])
    assert well.exit_code == 0, well.output
    document = json.loads(well.stdout)
    assert document["ok"]
    assert "run sh -c" in document["profiles"][0]["permissions"]
    ill = runner.invoke(app, ["target", "check", str(site.write_target(port=1, jump=None))])
    assert ill.exit_code == 3
    assert "cannot be reached" in ill.output
    assert "what to do" in ill.output


def changing(site: Site) -> StepRunner:
    return ssh_runner(load_target(site.write_target(commands=[LEDGER])), {}, may_change=True)


def command(script: str, **more: float) -> Command:
    return Command(argv=("sh", "-c", script), effect=Effect.IRREVERSIBLE, **more)


async def test_only_what_the_target_file_allows_is_changed(site: Site) -> None:
    """Behind the guard too, a command that was not declared is refused."""
    runner = changing(site)
    ran = await runner.run(Command(argv=("touch", "x"), effect=Effect.IRREVERSIBLE), "undeclared")
    await runner.aclose()
    assert ran.outcome is RunOutcome.REFUSED
    assert "sh -c" in ran.reason


async def test_what_does_not_end_is_ended(site: Site) -> None:
    """After its limit the far side ends the command itself, whoever still watches."""
    runner = changing(site)
    ran = await runner.run(command("sleep 300", timeout_s=1), "endless")
    await runner.aclose()
    assert ran.outcome is RunOutcome.DONE
    assert ran.exit_code == -15
    assert "did not end within" in ran.reason


async def test_a_cut_line_costs_no_step(site: Site, tmp_path: Path) -> None:
    """The connection is cut while the command runs: it runs on, is found again, and ran once."""
    runner = changing(site)
    work = asyncio.create_task(runner.run(command(_counted(tmp_path)), "cut"))
    await _until(lambda: (tmp_path / "began").exists())
    transport = runner._transport
    assert isinstance(transport, SshTransport)
    (await transport._line.connection()).abort()
    (tmp_path / "go").touch()
    ran = await work
    await runner.aclose()
    assert ran.ok, ran.reason
    assert (tmp_path / "count").read_text() == "once\n"


async def test_a_settled_step_is_not_begun_by_a_late_request(site: Site, tmp_path: Path) -> None:
    """Once the host was asked and said that nothing had begun, a delayed request for the first attempt does nothing."""
    runner = changing(site)
    assert await runner.settle("late") is None
    looked = await runner.look("late")
    assert looked.attempt == 2
    ran = await runner.run(command(f"echo once >> {tmp_path}/count"), "late")
    again = await runner.run(command(f"echo once >> {tmp_path}/count"), "late")
    await runner.aclose()
    assert ran.ok
    assert again == ran
    assert (tmp_path / "count").read_text() == "once\n"


async def test_killed_in_the_middle_no_step_runs_twice(site: Site, tmp_path: Path) -> None:
    """kill -9 of our process while its command runs over SSH: the next one finds it running, then done; it ran once."""
    target = site.write_target(commands=[LEDGER])
    argv = ["sh", "-c", _counted(tmp_path)]
    child = _started(target, tmp_path / "home", "killed", argv)
    await _until(lambda: (tmp_path / "began").exists())
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    registry, call = registry_over(target, tmp_path / "home"), call_of("killed", argv)
    assert (await registry.execute(call, idempotency_key="killed")).outcome is Outcome.UNKNOWN, (
        "never a second dispatch"
    )
    assert (await registry.read_back(call, None)).outcome is Outcome.UNKNOWN, "it still runs"
    (tmp_path / "go").touch()
    await _until_done(site, "killed")
    assert (await registry.read_back(call, None)).outcome is Outcome.SUCCEEDED
    assert (await registry.dry_run(call)).answer is DryRun.NO_CHANGE
    assert (await registry.execute(call, idempotency_key="a new plan")).outcome is Outcome.SKIPPED
    assert (tmp_path / "count").read_text() == "once\n"


async def test_a_step_whose_end_nobody_saw_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    """When the far side's own watcher was killed, the step is unknown, and stays so."""
    runner = changing(site)
    work = asyncio.create_task(runner.run(command(_counted(tmp_path)), "lost"))
    await _until(lambda: (tmp_path / "began").exists())
    fate = site.host.home / ".firebreak" / "steps" / "lost" / "1" / "fate"
    os.kill(int(fate.read_text().split()[0]), signal.SIGKILL)
    ran = await work
    (tmp_path / "go").touch()
    again = await runner.run(command(_counted(tmp_path)), "lost")
    await runner.aclose()
    assert ran.outcome is again.outcome is RunOutcome.UNKNOWN
    assert "do not send it again" in ran.reason


async def test_a_folder_of_somebody_else_is_not_used(site: Site, tmp_path: Path) -> None:
    """Where the private folder is a link, nothing is begun: whoever owns its end could forge what became of a step."""
    kept = site.host.home / ".firebreak"
    aside = kept.rename(site.host.home / "aside") if kept.exists() else None
    kept.symlink_to(tmp_path)
    runner = changing(site)
    ran = await runner.run(command(f"touch {tmp_path}/ran"), "linked")
    await runner.aclose()
    kept.unlink()
    if aside:
        aside.rename(kept)
    assert ran.outcome is RunOutcome.REFUSED
    assert "link" in ran.reason
    assert not (tmp_path / "ran").exists()


def _started(target: Path, home: Path, step: str, argv: list[str]) -> subprocess.Popen[bytes]:
    """A process of ours that carries the command out."""
    words = [sys.executable, "-m", "tests.fakes.crash.ssh_step", str(target), str(home), step, *argv]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def _counted(folder: Path) -> str:
    """A command that says when it began and waits until it may go on."""
    return f"echo once >> {folder}/count; touch {folder}/began; while [ ! -e {folder}/go ]; do sleep 0.05; done"


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


async def _until_done(site: Site, step: str) -> None:
    runner = changing(site)
    deadline = time.monotonic() + 60
    while (await runner.look(step)).fate != "done":
        assert time.monotonic() < deadline, "it did not end"
        await asyncio.sleep(0.05)
    await runner.aclose()
