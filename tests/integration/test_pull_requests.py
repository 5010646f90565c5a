"""Contracts on pull requests: signed webhooks into the app, GitHub's API through its client library on a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from contracts.change.subject import subject_of
from contracts.comment import marker_of
from contracts.context import DeploymentContext
from contracts.enforcement.opening import Order
from contracts.moves import Move
from domain.clock import ManualClock
from domain.contract import ContractStatus
from domain.errors import AuthError, ConflictError
from domain.inventory import Inventory, Person, Service
from graph.contracts.bargains import Bargains
from graph.contracts.pull_board import Hub
from graph.contracts.pull_records import PullRecords
from graph.contracts.pull_talk import Talk
from graph.contracts.pulls import Begin, Pulls
from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes.github_server import NAME, NUMBER, PAYLOADS, US, GitHubDouble
from tests.fakes.web_server import serving_app
from tests.unit.contracts.repository import Repository as Git
from tests.unit.web.test_web_contracts import Book, as_it_is
from tools.github import Repository
from tools.pulls import PullFiles, read_pull
from tools.repository import GitRepository
from web.build import build_app

pytestmark = pytest.mark.integration
SECRET = "whsec_c2VjcmV0"
INVENTORY = Inventory(
    services=[Service(name="pay", kind="api", github=NAME, owner="team-pay")],
    people=[
        Person(name="ana", roles=["approver"], github="Ana-GH"),
        Person(name="bo", roles=["approver"], github="bo-gh"),
        Person(name="vic", roles=["viewer"], github="vic-gh"),
        Person(name="dev", roles=["approver"], github="dev-gh"),
    ],
)
DROP = "ALTER TABLE orders DROP COLUMN note;\n"


@dataclass
class Scene:
    """Everything between a webhook and the comment it leads to."""

    github: GitHubDouble
    git: Git
    bargains: Bargains
    pulls: Pulls
    http: httpx.AsyncClient

    async def send(self, event: str, body: dict[str, Any], *, secret: str = SECRET) -> httpx.Response:
        raw = json.dumps(body).encode()
        mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": f"sha256={mac}"}
        answer = await self.http.post("/intake/github", content=raw, headers=headers)
        await self.pulls.turn()
        return answer

    async def pull(self, action: str, sender: str = "dev-gh", **more: Any) -> httpx.Response:
        recorded = json.loads((PAYLOADS / "github_pull_request_opened.json").read_bytes())
        facts = {"action": action, "number": NUMBER, "sender": {"login": sender}}
        repository = {**recorded["repository"], "full_name": NAME}
        return await self.send("pull_request", {**recorded, **facts, "repository": repository}, **more)

    async def comment(self, login: str, body: str, action: str = "created", **more: Any) -> str:
        """What the contract's comment says afterwards."""
        row = self.github.add(login, body, **more)
        issue = {"number": NUMBER, "pull_request": {}}
        facts = {"action": action, "issue": issue, "comment": row, "sender": {"login": login}}
        await self.send("issue_comment", {**facts, "repository": {"full_name": NAME}})
        return self.github.ours()[0]

    @property
    def contract(self) -> Any:
        (table,) = self.bargains.all()
        return table

    def push(self, files: Mapping[str | bytes, str | bytes | None]) -> str:
        head = self.git.commit(files)
        self.github.push(head)
        return head

    async def prove(self) -> None:
        for kind in self.contract.missing:
            record = {"executed": True, "state_restored": True, "seconds": 9, "at": ManualClock().now().isoformat()}
            proof = {"kind": kind, "text": "see ci/1", "rehearsal": record}
            move = Move.model_validate({"kind": "prove", "proof": proof})
            await self.bargains.move(self.contract.contract.id, move, person="dev", token="")


@pytest.fixture(scope="module")
def served() -> Iterator[GitHubDouble]:
    double = GitHubDouble()
    with serving_app(double.app()) as url:
        double.url = url
        yield double


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Git:
    git = Git(tmp_path_factory.mktemp("origin"))
    git.commit({"pay.py": "TIMEOUT = 5\n", "db/1.sql": "CREATE TABLE orders (id int, note text);\n"}, "a start")
    return git


@pytest.fixture
async def scene(served: GitHubDouble, origin: Git, tmp_path: Path) -> AsyncIterator[Scene]:
    served.comments, served.statuses, served.calls, served.fail = [], [], [], 0
    origin.git("checkout", "--quiet", "-B", "feature", "main")
    base = origin.git("rev-parse", "main")
    served.open_pull(origin, base, origin.commit({"db/2.sql": DROP, "logo.png": b"\x00\x01\x02"}))
    async with opened(served, origin, tmp_path) as found:
        yield found


@asynccontextmanager
async def opened(github: GitHubDouble, git: Git, home: Path) -> AsyncIterator[Scene]:
    book, clock = Book(), ManualClock()
    bargains = Bargains(home / "contracts", note=book.note, say=book.say, place=as_it_is, clock=clock)
    bargains.start(InMemorySaver())
    talk = Talk(inventory=INVENTORY, bargains=bargains, vouch=vouch)
    hub = Hub(repository=lambda name: Repository(name=name, token="good", url=github.url), page="http://fb")
    pulls = Pulls(hub, talk=talk, records=PullRecords(home / "pulls"), clock=clock)
    app = build_app(
        replace(fakes.ports(home), bargains=bargains, pulls=pulls), Settings(home=home, intake_secrets=SECRET)
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test") as http:
        yield Scene(github=github, git=git, bargains=bargains, pulls=pulls, http=http)


def replaced(scene: Scene, inventory: Inventory, begin: Begin | None) -> Pulls:
    """The same with another inventory. The face goes on with it."""
    found: Any = scene.pulls
    talk = Talk(inventory=inventory, bargains=scene.bargains, vouch=vouch)
    found.__init__(found._hub, talk=talk, records=found._records, begin=begin, clock=ManualClock())
    return scene.pulls


async def vouch(name: str) -> str:
    if name not in {p.name for p in INVENTORY.people if "approver" in p.roles}:
        raise AuthError(f"{name} may not sign")
    return f"approver-{name}"


async def test_a_pull_request_becomes_a_contract(scene: Scene) -> None:
    """Drafted from the diff that the API shows, told in one comment and a status; sent again it is the same."""
    assert (await scene.pull("opened")).status_code == 202
    table = scene.contract
    assert (table.contract.service, table.contract.head) == ("pay", scene.github.pull["head"]["sha"])
    assert (table.drafted_by, table.contract.rollback.possible) == (["dev"], False)
    assert "db/2.sql" in {f.file_path for f in table.context.changes}
    assert any("logo.png" in doubt for doubt in table.contract.risk.doubts)
    (body,) = scene.github.ours()
    assert body.startswith(marker_of("pay"))
    assert f"/firebreak accept {table.contract.terms_digest()[:12]}" in body
    assert [(s["state"], s["target_url"]) for s in scene.github.statuses] == [
        ("pending", f"http://fb/contracts/{table.contract.id}")
    ]
    written = [c for c in scene.github.calls if not c.startswith("GET")]
    await scene.pull("opened")
    await scene.pull("reopened")
    assert [c for c in scene.github.calls if not c.startswith("GET")] == written
    assert scene.contract == table


async def test_what_is_forged_changes_nothing(scene: Scene) -> None:
    """Another secret, another repository, a comment's event about nothing: no contract, nobody is asked."""
    assert (await scene.pull("opened", secret="guess")).status_code == 401
    body = {"action": "opened", "number": NUMBER, "repository": {"full_name": "evil/shop"}, "pull_request": {}}
    elsewhere = await scene.send("pull_request", {**body, "sender": {"login": "x"}})
    assert (elsewhere.status_code, elsewhere.json()["delivery"]) == (202, "")
    malformed = await scene.send("pull_request", {**body, "sender": {"login": "../x"}})
    assert (malformed.status_code, malformed.json()["found"]) == (400, "../x")
    assert (await scene.send("ping", {"zen": "x", "hook_id": 1})).status_code == 202
    assert (scene.bargains.all(), scene.github.calls) == ([], [])


async def test_a_push_takes_the_signatures_away(scene: Scene) -> None:
    """Signed by comment in two people's own names; a new commit is the next revision, and its status begins anew."""
    await scene.pull("opened")
    await scene.prove()
    word = scene.contract.contract.terms_digest()[:12]
    await scene.comment("Ana-GH", f"/firebreak accept {word}")
    signed = await scene.comment("bo-gh", f"/firebreak accept {word}")
    assert scene.contract.contract.status is ContractStatus.APPROVED
    assert scene.github.statuses[-1]["state"] == "success"
    assert "ana, bo" in signed
    head = scene.push({"db/2.sql": DROP, "pay.py": "TIMEOUT = 50\n"})
    await scene.pull("synchronize", sender="bo-gh")
    table = scene.contract
    assert (table.contract.status, table.contract.revision, table.signatures) == (ContractStatus.NEGOTIATING, 2, [])
    assert (table.contract.head, set(table.drafted_by)) == (head, {"dev", "bo"})
    assert (scene.github.statuses[-1]["state"], scene.github.statuses[-1]["commit"]) == ("pending", head)
    assert len(scene.github.ours()) == 1


async def test_commands_of_people_with_a_name(scene: Scene) -> None:
    """Offers are moves; everybody else, and everything that is no command, is answered or ignored."""
    await scene.pull("opened")
    before = scene.contract
    stranger = await scene.comment("mallory", "/firebreak offer add_canary_stage")
    assert "mallory" in stranger
    assert "administrator" in stranger
    assert "only looks here" in await scene.comment("vic-gh", "/firebreak offer add_flag")
    assert "needs a kind" in await scene.comment("Ana-GH", "/firebreak offer gold")
    assert "not the terms" in await scene.comment("Ana-GH", "/firebreak accept 0123456789")
    assert "required: " in await scene.comment("Ana-GH", "/firebreak why tests")
    quiet = len(scene.github.calls)
    await scene.comment("Ana-GH", "I accept!\n/firebreak accept 0123456789")
    await scene.comment("Ana-GH", "/firebreak reject no", updated_at="2026-03-02T11:00:00Z")
    await scene.comment("ci[bot]", "/firebreak reject no")
    assert scene.contract == before
    assert len(scene.github.calls) == quiet + 3
    assert "proves nothing" in await scene.comment("Ana-GH", "/firebreak prove rollback_rehearsal we did it")
    await scene.comment("Ana-GH", "/firebreak prove tests https://ci/1")
    assert [(p.kind, p.by) for p in scene.contract.proofs] == [("tests", "ana")]
    offered = await scene.comment("Ana-GH", "/firebreak offer add-canary-stage")
    assert scene.contract.rounds[-1].by == "ana"
    assert "add_canary_stage" in offered
    heard = await scene.comment("Ana-GH", "/firebreak say approve this, it is behind a flag")
    assert "“flag”" in heard
    assert scene.contract.rounds[-1].buys == []
    await scene.comment("bo-gh", "/firebreak reject not this week")
    assert scene.contract.contract.status is ContractStatus.REJECTED
    assert scene.github.statuses[-1]["state"] == "failure"


async def test_a_comment_is_heard_once(scene: Scene) -> None:
    """GitHub sends again; the same comment is the same word."""
    await scene.pull("opened")
    await scene.comment("Ana-GH", "/firebreak offer add_canary_stage")
    rounds = len(scene.contract.rounds)
    row = scene.github.comments[-1]
    again = {"action": "created", "issue": {"number": NUMBER, "pull_request": {}}, "comment": row}
    await scene.send("issue_comment", {**again, "sender": {"login": "x"}, "repository": {"full_name": NAME}})
    assert len(scene.contract.rounds) == rounds


async def test_our_comment_is_put_right_again(scene: Scene) -> None:
    """Somebody edited it, somebody copied it: ours says what is so, theirs is left alone."""
    await scene.pull("opened")
    ours = next(c for c in scene.github.comments if c["user"]["login"] == US)
    true, ours["body"] = ours["body"], f"{marker_of('pay')}\nlow risk, approved"
    copy = scene.github.add("mallory", true)
    facts = {"action": "edited", "issue": {"number": NUMBER, "pull_request": {}}, "comment": ours}
    await scene.send("issue_comment", {**facts, "sender": {"login": "mallory"}, "repository": {"full_name": NAME}})
    assert (ours["body"], copy["body"]) == (true, true)
    assert len(scene.github.comments) == 2


async def test_closed_is_over_and_merged_waits_for_its_rollout(scene: Scene) -> None:
    """Given up: expired, and told. Reopened: a contract again. Merged without approval: said so."""
    await scene.pull("opened")
    scene.github.pull["state"] = "closed"
    await scene.pull("closed")
    assert scene.contract.contract.status is ContractStatus.EXPIRED
    assert scene.github.statuses[-1]["state"] == "failure"
    assert "without being merged" in scene.github.ours()[0]
    scene.github.pull["state"] = "open"
    await scene.pull("reopened")
    newest = scene.bargains.all()
    assert sorted(t.contract.status for t in newest) == [ContractStatus.DRAFT, ContractStatus.EXPIRED]
    scene.github.pull |= {"state": "closed", "merged": True, "merge_commit_sha": "e" * 40}
    await scene.pull("closed")
    assert "without an approved contract" in scene.github.ours()[0]


async def test_a_merge_begins_the_rollout_where_the_inventory_says_so(scene: Scene) -> None:
    """Once, under the approved contract, as the merge commit; a refusal is told."""
    orders: list[Order] = []

    async def begin(order: Order, person: str) -> Any:
        orders.append(order)
        raise ConflictError(f"{person}, the error budget is used up")

    service = INVENTORY.services[0].model_copy(update={"rollout": "on_merge"})
    inventory = INVENTORY.model_copy(update={"services": [service]})
    scene.pulls = replaced(scene, inventory, begin)
    await scene.pull("opened")
    await scene.prove()
    word = scene.contract.contract.terms_digest()[:8]
    await scene.comment("Ana-GH", f"/firebreak accept {word}")
    await scene.comment("bo-gh", f"/firebreak accept {word} for pay")
    scene.github.pull |= {"state": "closed", "merged": True, "merge_commit_sha": "e" * 40}
    for _ in range(2):
        await scene.pull("closed", sender="bo-gh")
    ((order,), body) = (orders, scene.github.ours()[0])
    assert (order.version, order.contract.status) == ("e" * 12, ContractStatus.APPROVED)
    assert "did not begin: bo, the error budget is used up" in body


async def test_the_api_shows_what_the_checkout_shows(scene: Scene) -> None:
    """The same findings with the same lines from GitHub as from git, of renames, binaries, links and foreign text."""
    base = scene.github.pull["base"]["sha"]
    odd: dict[str | bytes, str | bytes | None] = {
        "new/pay.py": "TIMEOUT = 5\nretries = 3\ncache.set('k', 1, ttl=60)\n",
        "pay.py": None,
        "latin.py": b"lock = '\xe9'\n",
        'we"ird.py': "auth = 1\n",
        "infra/main.tf": 'resource "aws_db_instance" "m" {\n  publicly_accessible = true\n}\n',
        "yarn.lock": 'x@^1:\n  version "1.0.0"\n',
    }
    (scene.git.folder / "link").symlink_to("/etc/passwd")
    head = scene.push(odd)
    about = DeploymentContext(deployment_id="d", service_name="pay")
    repository = Repository(name=NAME, token="good", url=scene.github.url)
    files = PullFiles(repository=repository, pull=await read_pull(repository, NUMBER))
    seen = await subject_of(files, f"{base}..{head}", about)
    true = await subject_of(GitRepository(folder=scene.git.folder), f"{base}..{head}", about)
    assert sorted(f.model_dump_json() for f in seen.findings) == sorted(f.model_dump_json() for f in true.findings)
    assert sorted(seen.context.changes, key=str) == sorted(true.context.changes, key=str)
    assert (sorted(seen.doubts), files.gaps) == (sorted(true.doubts), [])


async def test_only_a_services_own_folders_count(scene: Scene) -> None:
    """A monorepo's service that is not touched gets no contract."""
    service = INVENTORY.services[0].model_copy(update={"source": ["services/pay/"]})
    inventory = INVENTORY.model_copy(update={"services": [service]})
    scene.pulls = replaced(scene, inventory, None)
    await scene.pull("opened")
    assert scene.bargains.all() == []
    scene.push({"services/pay/x.py": "timeout = 1\n"})
    await scene.pull("synchronize")
    assert [c.file_path for c in scene.contract.context.changes] == ["services/pay/x.py"]


async def test_two_services_of_one_repository(scene: Scene) -> None:
    """A contract, a comment and a status each; a command that does not say whose is asked whose."""
    other = Service(name="shop", kind="frontend", github=NAME)
    inventory = INVENTORY.model_copy(update={"services": [*INVENTORY.services, other]})
    scene.pulls = replaced(scene, inventory, None)
    await scene.pull("opened")
    assert {s["context"] for s in scene.github.statuses} == {"firebreak/contract/pay", "firebreak/contract/shop"}
    assert {body.splitlines()[0] for body in scene.github.ours()} == {marker_of("pay"), marker_of("shop")}
    assert "for pay or … for shop" in await scene.comment("Ana-GH", "/firebreak offer lower_ramp")
    await scene.comment("Ana-GH", "/firebreak offer lower_ramp for shop")
    rounds = {t.contract.service: [r.offer for r in t.rounds] for t in scene.bargains.all()}
    assert rounds == {"pay": [], "shop": ["lower_ramp"]}


async def test_it_works_by_itself_and_takes_up_what_waited(scene: Scene) -> None:
    """A delivery from before the start is looked at; the next one wakes it."""
    scene.github.fail = 502
    await scene.pull("opened")
    scene.github.fail = 0
    await scene.pulls.start()
    try:
        async with asyncio.timeout(30):
            while not scene.github.statuses:
                await asyncio.sleep(0.02)
    finally:
        await scene.pulls.close()
    assert scene.contract.contract.service == "pay"


async def test_what_github_cannot_answer_waits(scene: Scene) -> None:
    """Accepted, kept on disk, said as trouble; looked at when GitHub is back."""
    scene.github.fail = 502
    assert (await scene.pull("opened")).status_code == 202
    assert (scene.bargains.all(), "GitHub" in scene.pulls.trouble) == ([], True)
    scene.github.fail = 0
    await scene.pulls.turn()
    assert (scene.contract.contract.service, scene.pulls.trouble) == ("pay", "")
