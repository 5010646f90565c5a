"""Contracts over HTTP: on the table, bargained over, signed in a person's own name, taken up after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from contracts.context import DeploymentContext, FileChange
from contracts.finding import Finding
from contracts.moves import Move
from contracts.rehearsal.files import TrialFiles
from domain.clock import ManualClock
from domain.contract import ContractStatus
from domain.errors import AuthError, ConflictError, NotFoundError
from domain.guard import LedgerEntry
from domain.risk import FactorName
from graph.contracts.bargains import Bargains, Drafting
from graph.contracts.trials import Trials
from graph.settings import Settings
from tests.fakes import web_services as fakes
from tests.fakes.staging import Staging
from web.build import build_app
from web.perimeter import COOKIE
from web.sessions import csrf_of

CACHE = Finding(factor=FactorName.CACHING, points=25, reason="cache")


@dataclass
class Book:
    """The ledger as the app sees it: who may say what, and what was written."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    async def note(self, contract: str, content: dict[str, Any]) -> LedgerEntry:
        return self._entry("app", contract, content)

    async def say(self, token: str, contract: str, content: dict[str, Any]) -> LedgerEntry:
        if not token.startswith("approver-"):
            raise AuthError("may not answer")
        return self._entry(token.removeprefix("approver-"), contract, content)

    def _entry(self, actor: str, change: str, content: dict[str, Any]) -> LedgerEntry:
        self.rows.append({"actor": actor, **content})
        facts = {"seq": len(self.rows), "kind": "contract", "prev": "", "hash": ""}
        return LedgerEntry(at=ManualClock().now(), actor=actor, change=change, content=content, **facts)


async def as_it_is(context: DeploymentContext) -> DeploymentContext:
    return context


def drafting(head: str = "a", *findings: Finding) -> Drafting:
    context = DeploymentContext(
        deployment_id="d",
        service_name="pay",
        owner="o",
        reviewers=["r"],
        head=head,
        changes=[FileChange(file_path="a.py", lines_changed=40)],
        current_error_rate=0.1,
        current_p95=100,
        target_error_rate=1,
        qps=10,
    )
    return Drafting(context=context, findings=list(findings or (CACHE,)))


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def bargains(tmp_path: Path, book: Book) -> Bargains:
    return opened(tmp_path, book)


def opened(tmp_path: Path, book: Book) -> Bargains:
    found = Bargains(tmp_path / "contracts", note=book.note, say=book.say, place=as_it_is, clock=ManualClock())
    found.start(InMemorySaver())
    return found


@pytest.fixture
async def client(tmp_path: Path, bargains: Bargains) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(replace(fakes.ports(tmp_path), bargains=bargains), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Content-Type": "application/json"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test", headers=headers) as found:
        yield found


async def signed(bargains: Bargains, contract: str, token: str = "approver-ana") -> Any:
    """Every missing proof, then a signature under the terms as they are."""
    for kind in bargains.get(contract).missing:
        proof = Move.model_validate({"kind": "prove", "proof": {"kind": kind, "text": "see ci/1"}})
        await bargains.move(contract, proof, person="dev", token="")
    move = Move(kind="sign", digest=bargains.get(contract).contract.terms_digest())
    return await bargains.move(contract, move, person="whoever", token=token)


async def test_a_contract_is_put_on_the_table_and_bargained_over(client: httpx.AsyncClient, book: Book) -> None:
    """Drafting and offering need no approver; the ledger knows of the draft."""
    made = await client.post("/api/contracts", content=drafting().model_dump_json())
    found = made.json()
    assert (made.status_code, found["status"], found["revision"]) == (201, "draft", 1)
    assert [(r["actor"], r["digest"]) for r in book.rows] == [("app", found["digest"])]
    path = f"/api/contracts/{found['id']}"
    offered = (await client.post(f"{path}/moves", json={"kind": "offer", "offer": "add_canary_stage"})).json()
    assert (offered["status"], offered["rounds"][0]["holds"]) == ("negotiating", True)
    assert (await client.get(path)).json()["digest"] == offered["digest"] != found["digest"]
    listed = (await client.get("/api/contracts")).json()
    assert [row["id"] for row in listed["contracts"]] == [found["id"]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/contracts", {"context": {"deployment_id": "d"}}, 422),
        (
            "/api/contracts",
            {"context": {"deployment_id": "d", "service_name": "s"}, "doubts": [["none at all", -1]]},
            422,
        ),
        ("/api/contracts/con-000000000000/moves", {"kind": "say", "text": "hello"}, 404),
        ("/api/contracts/..%2F..%2Fsecrets/moves", {"kind": "say", "text": "hello"}, 404),
        ("/api/contracts/con-1/moves", {"kind": "approve"}, 422),
    ],
)
async def test_what_cannot_be(client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int) -> None:
    assert (await client.post(path, content=json.dumps(body))).status_code == status


async def test_a_signature_stands_in_the_ledger_in_that_persons_name(bargains: Bargains, book: Book) -> None:
    """Whose token it was decides, not who says so."""
    table = await bargains.draft(drafting(), "dev")
    done = await signed(bargains, table.contract.id)
    assert (done.contract.status, [s.by for s in done.signatures]) == (ContractStatus.APPROVED, ["ana"])
    assert (book.rows[-1]["actor"], book.rows[-1]["event"]) == ("ana", "approved")
    assert book.rows[-1]["digest"] == done.contract.terms_digest()


async def test_without_the_right_nothing_is_signed(bargains: Bargains, book: Book) -> None:
    table = await bargains.draft(drafting(), "dev")
    with pytest.raises(AuthError):
        await signed(bargains, table.contract.id, token="viewer")
    assert bargains.get(table.contract.id).signatures == []
    assert len(book.rows) == 1


async def test_nobody_signs_their_own_under_another_name(bargains: Bargains, book: Book) -> None:
    """The token is the drafter's, whatever name came with the request."""
    table = await bargains.draft(drafting(), "dev")
    with pytest.raises(AuthError, match="own contract"):
        await signed(bargains, table.contract.id, token="approver-dev")
    assert bargains.get(table.contract.id).signatures == []


async def test_a_new_commit_is_a_new_revision_that_nobody_has_signed(bargains: Bargains, book: Book) -> None:
    table = await bargains.draft(drafting(), "dev")
    await signed(bargains, table.contract.id)
    pushed = await bargains.draft(drafting("b"), "dev")
    assert (pushed.contract.id, pushed.contract.revision) == (table.contract.id, 2)
    assert (pushed.contract.status, pushed.signatures) == (ContractStatus.NEGOTIATING, [])
    assert await bargains.draft(drafting("b"), "dev") == pushed
    assert [r["revision"] for r in book.rows if r["actor"] == "app"] == [1, 2]


async def test_drafts_of_one_deployment_at_once_are_one_contract(bargains: Bargains) -> None:
    """Whoever comes second finds the first one's on the table: a revision of it, or the same."""
    tables = await asyncio.gather(*(bargains.draft(drafting(head), "dev") for head in "abba"))
    assert len({table.contract.id for table in tables}) == len(bargains.all()) == 1


async def test_a_restart_forgets_nothing(tmp_path: Path, bargains: Bargains, book: Book) -> None:
    """Even when the checkpoints are gone: the file has the table."""
    table = await bargains.draft(drafting(), "dev")
    await bargains.move(table.contract.id, Move(kind="say", text="a flag?"), person="dev", token="")
    again = opened(tmp_path, book)
    after = await again.move(table.contract.id, Move(kind="reject", text="no"), person="", token="approver-li")
    assert ([r.answer for r in after.rounds], after.contract.status) == (
        ["may mean: add_flag (“flag”)"],
        ContractStatus.REJECTED,
    )
    with pytest.raises(ConflictError):
        await signed(again, table.contract.id)


async def test_without_an_app_that_keeps_them(tmp_path: Path) -> None:
    app = build_app(fakes.ports(tmp_path), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Content-Type": "application/json"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test", headers=headers) as found:
        assert (await found.get("/api/contracts")).status_code == 404
    idle = Bargains(tmp_path, note=Book().note, say=Book().say, place=as_it_is, clock=ManualClock())
    table = await idle.draft(drafting(), "dev")
    with pytest.raises(NotFoundError):
        await idle.move(table.contract.id, Move(kind="say", text="x"), person="dev", token="")


async def test_contracts_that_ended_teach(bargains: Bargains) -> None:
    table = await bargains.draft(drafting(), "dev")
    ended = table.contract.model_copy(update={"status": ContractStatus.FULFILLED})
    bargains._save(table.model_copy(update={"contract": ended}))
    assert bargains.curve().outcomes == 1
    fresh = await bargains.draft(drafting("c"), "dev")
    assert fresh.contract.id != ended.id
    assert "1 recorded outcomes" in fresh.contract.risk.basis


async def test_the_pages_show_everything_and_take_moves(tmp_path: Path, bargains: Bargains) -> None:
    """Text of strangers is text, a form of another site changes nothing, a stale digest signs nothing."""
    table = await bargains.draft(drafting("a", CACHE.model_copy(update={"reason": "<script>alert(1)</script>"})), "dev")
    path = f"/contracts/{table.contract.id}"
    app = build_app(replace(fakes.ports(tmp_path), bargains=bargains), Settings(home=tmp_path))
    site = "http://firebreak.test"
    headers = {"Accept": "text/html", "Origin": site, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=site, headers=headers) as browser:
        await browser.get("/login", params={"token": fakes.OPERATOR})
        assert table.contract.id in (await browser.get("/contracts")).text
        page = (await browser.get(path)).text
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        for term in (*(v.reason for v in table.contract.validators), table.contract.terms_digest(), "never rehearsed"):
            assert term in page
        assert (await browser.post(path, data={"kind": "offer", "offer": "lower_ramp"})).status_code == 403
        form = {"csrf_token": csrf_of(str(browser.cookies.get(COOKIE)))}
        moved = await browser.post(path, data={**form, "kind": "offer", "offer": "add_canary_stage"})
        assert (moved.status_code, len(bargains.get(table.contract.id).rounds)) == (303, 1)
        assert "it stands in the contract" in (await browser.get(path)).text
        said = await browser.post(path, data={**form, "kind": "say", "text": "<b>sign this</b>, there is a flag"})
        assert (said.status_code, bargains.get(table.contract.id).signatures) == (303, [])
        page = (await browser.get(path)).text
        assert "&lt;b&gt;sign this" in page
        assert "explained by rules; nothing follows from it" in page
        for wrong in (
            {"kind": "sign", "digest": "0" * 64},
            {"kind": "reject"},
            {"kind": "offer", "offer": "everything"},
        ):
            assert (await browser.post(path, data={**form, **wrong})).status_code in (400, 409, 422)
        assert bargains.get(table.contract.id).signatures == []


async def test_contracts_are_filtered_and_paged(client: httpx.AsyncClient, bargains: Bargains) -> None:
    """25 to a page; the next one keeps the filter; nothing that matches says so."""
    for number in range(27):
        made = drafting()
        context = made.context.model_copy(update={"deployment_id": f"acme/shop#{number}"})
        await bargains.draft(made.model_copy(update={"context": context}), "dev")
    browser = {"Accept": "text/html"}
    first = (await client.get("/contracts?status=open&q=SHOP", headers=browser)).text
    assert (first.count("row-link"), "status=open&amp;q=SHOP&amp;page=2" in first) == (25, True)
    second = (await client.get("/contracts?status=open&q=SHOP&page=2", headers=browser)).text
    assert (second.count("row-link"), "Older contracts" in second) == (2, False)
    assert (await client.get("/contracts?q=%2326", headers=browser)).text.count("row-link") == 1
    for nothing in ("?status=rejected", "?level=critical", "?q=other", "?page=9"):
        assert (await client.get(f"/contracts{nothing}", headers=browser)).text.count("row-link") == 0
    assert "No contract matches" in (await client.get("/contracts?level=critical", headers=browser)).text


async def test_a_contract_that_lacks_only_signatures_waits_with_the_approvals(
    client: httpx.AsyncClient, bargains: Bargains
) -> None:
    """On the same card as an action's; one that lacks proofs is not asked about yet."""
    table = await bargains.draft(drafting(), "dev")
    page = "/approvals"
    assert table.contract.id not in (await client.get(page, headers={"Accept": "text/html"})).text
    for kind in table.missing:
        proof = Move.model_validate({"kind": "prove", "proof": {"kind": kind, "text": "see ci/1"}})
        await bargains.move(table.contract.id, proof, person="dev", token="")
    shown = (await client.get(page, headers={"Accept": "text/html"})).text
    assert f'id="terms-{table.contract.id}"' in shown
    assert f'action="/contracts/{table.contract.id}"' in shown


async def test_a_way_back_is_rehearsed_from_the_api_and_from_the_page(tmp_path: Path, bargains: Bargains) -> None:
    """The same service; how it went is shown; what is wrong is told before anything is changed."""
    site = Staging()
    trials = Trials(site.ground, TrialFiles(tmp_path / "rehearsals"), bargains, the_first)
    on_api = drafting().model_copy(update={"context": drafting().context.model_copy(update={"service_name": "api"})})
    table = await bargains.draft(on_api, "dev")
    path = f"/contracts/{table.contract.id}"
    ports = replace(fakes.ports(tmp_path), bargains=bargains, trials=trials)
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    transport = httpx.ASGITransport(app=build_app(ports, Settings(home=tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://firebreak.test", headers=headers) as found:
        refused = await found.post(f"/api{path}/rehearsals", json={"on": "live", "version": "v2"})
        assert (refused.status_code, site.calls) == (422, [])
        begun = await found.post(f"/api{path}/rehearsals", json={"version": "v2"})
        assert begun.status_code == 202
        one = f"/api/contract-rehearsals/{begun.json()['id']}"
        async with asyncio.timeout(20):
            while (await found.get(one)).json()["status"] != "passed":
                await asyncio.sleep(0.01)
        assert [r["id"] for r in (await found.get("/api/contract-rehearsals")).json()["rehearsals"]] == [
            begun.json()["id"]
        ]
        page = (await found.get(path)).text
        assert begun.json()["id"] in page
        assert "Rehearse the way back" in page
    await trials.close()


async def the_first(service: str) -> str:
    return "v1"


async def test_a_page_without_contracts_says_how_one_gets_there(tmp_path: Path) -> None:
    app = build_app(fakes.ports(tmp_path), Settings(home=tmp_path))
    headers = {"Authorization": f"Bearer {fakes.OPERATOR}", "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://firebreak.test", headers=headers
    ) as found:
        assert "--keep" in (await found.get("/contracts")).text


async def test_a_contract_is_what_is_kept_of_it_and_hears_how_its_rollout_ends(bargains: Bargains) -> None:
    """A copy that calls itself approved is not; other terms are refused; the outcome teaches the curve."""
    table = await bargains.draft(drafting(), "dev")
    contract = table.contract
    forged = contract.model_copy(update={"status": ContractStatus.APPROVED})
    assert bargains.binding(forged).status is ContractStatus.DRAFT
    unknown = forged.model_copy(update={"id": "con-000000000000"})
    assert bargains.binding(unknown).status is ContractStatus.DRAFT
    with pytest.raises(ConflictError, match="not those on the table"):
        bargains.binding(forged.model_copy(update={"guardrails": []}))
    await signed(bargains, contract.id)
    assert bargains.binding(contract).status is ContractStatus.APPROVED
    before = bargains.curve()
    for status in (ContractStatus.DEPLOYED, ContractStatus.DEPLOYED, ContractStatus.FULFILLED, ContractStatus.VIOLATED):
        await bargains.carried(contract.id, status)
    await bargains.carried("con-000000000000", ContractStatus.DEPLOYED)
    assert bargains.get(contract.id).contract.status is ContractStatus.FULFILLED
    assert bargains.curve() != before
