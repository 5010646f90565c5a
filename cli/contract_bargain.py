"""`firebreak contract show | negotiate`: contracts on the table of the running app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from contracts.change.subject import Subject
    from domain.contract import Contract

ContractId = Annotated[str, typer.Argument(metavar="ID", help="As `contract show` lists it.")]


def put(subject: Subject, as_json: bool) -> None:
    """A draft on the table; the same deployment again is its next revision."""
    body = {
        "context": subject.context.model_dump(mode="json"),
        "findings": [f.model_dump(mode="json") for f in subject.findings],
        "doubts": list(subject.doubts),
    }
    with connect(SESSION.home) as client:
        _tell(client.post("/api/contracts", body), as_json)


def show(
    contract: Annotated[
        str, typer.Argument(help="An id, or a file that `contract draft --json` wrote; all when left out.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """List contracts, or show one with its negotiation.

    Example: firebreak contract show con-4f2a9c1be07d
    """
    if contract and Path(contract).is_file():
        _tell(_from_file(Path(contract)), as_json)
        return
    with connect(SESSION.home) as client:
        found = client.get(f"/api/contracts/{contract}" if contract else "/api/contracts")
    if contract or as_json:
        _tell(found, as_json)
        return
    for row in found["contracts"]:
        version = f" {row['version']}" if row["version"] else ""
        say(f"{row['id']}  {row['status']:<12}{row['level']:<9}{row['score']:>5.1f}  {row['service']}{version}")
    if not found["contracts"]:
        say(
            "No contract is on the table. Put one there: firebreak contract draft --repo . --range main..feature --keep"
        )


def negotiate(
    contract: ContractId,
    offer: Annotated[str, typer.Option(help="split_change, add_flag, add_canary_stage, lower_ramp …")] = "",
    words: Annotated[
        str,
        typer.Option(
            "--say",
            help="Free words: explained from the terms, with the offers they may mean; they decide nothing.",
        ),
    ] = "",
    prove: Annotated[
        str, typer.Option(help="KIND=TEXT: a link or a sentence, in your name, e.g. tests='run 1234'.")
    ] = "",
    rehearsal: Annotated[Path | None, typer.Option(help="Record (JSON) for --prove rollback_rehearsal=….")] = None,
    sign: Annotated[str, typer.Option(help="Digest of the terms you have read: your signature.")] = "",
    reject: Annotated[str, typer.Option(help="Your reason; ends the negotiation.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make one move: offer something and see what it buys, prove something, sign, or reject.

    Examples: firebreak contract negotiate con-4f2a9c1be07d --offer add_canary_stage
    firebreak contract negotiate con-4f2a9c1be07d --prove tests="https://ci/1234"
    firebreak contract negotiate con-4f2a9c1be07d --sign 9c1be07d…
    """
    move = _move(offer, words, prove, rehearsal, sign, reject)
    with connect(SESSION.home) as client:
        path = f"/api/contracts/{contract}"
        found = client.post(f"{path}/moves", move) if move else client.get(path)
    if as_json:
        print_json(found)
        return
    for line in _bargain(found) if move else _lines(found):
        say(line)


def _move(offer: str, words: str, prove: str, rehearsal: Path | None, sign: str, reject: str) -> dict[str, Any]:
    given = [
        name
        for name, value in (("--offer", offer), ("--prove", prove), ("--sign", sign), ("--reject", reject))
        if value
    ]
    if len(given) > 1 or (words and given not in ([], ["--offer"])):
        raise ConfigError(
            "one move at a time", expected="one of --offer, --prove, --sign, --reject", found=", ".join(given)
        )
    if offer:
        return {"kind": "offer", "offer": offer, "text": words}
    if prove:
        kind, _, text = prove.partition("=")
        record = _record(rehearsal) if rehearsal else None
        return {"kind": "prove", "proof": {"kind": kind, "text": text, "rehearsal": record}}
    if sign:
        return {"kind": "sign", "digest": sign}
    if reject:
        return {"kind": "reject", "text": reject}
    return {"kind": "say", "text": words} if words else {}


def _record(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        expected = '{"executed": true, "state_restored": true, "seconds": 42, "at": "2026-01-01T12:00:00Z"}'
        raise ConfigError(f"{file} is no rehearsal record", expected=expected, found=str(error)[:200]) from error


def _from_file(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        expected = "what `firebreak contract draft --json` prints"
        raise ConfigError(f"{file} is no contract", expected=expected, found=str(error)[:200]) from error
    if not isinstance(found, dict) or "guardrails" not in found:
        raise ConfigError(
            f"{file} is no contract", expected="what `contract draft --json` prints", found=type(found).__name__
        )
    return found


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        say(line)


def contract_in(file: Path) -> Contract:
    """The contract of a document. Raises ConfigError."""
    return _contract(_from_file(file))


def _contract(found: dict[str, Any]) -> Contract:
    from domain.contract import Contract

    return Contract.model_validate({name: found[name] for name in Contract.model_fields if name in found})


def _lines(found: dict[str, Any]) -> Iterator[str]:
    from contracts.card import lines_of

    contract = _contract(found)
    yield from lines_of(contract)
    yield f"digest {contract.terms_digest()}"
    if "rounds" in found:
        yield from _bargain(found)


def _bargain(found: dict[str, Any]) -> Iterator[str]:
    for row in found["rounds"][-12:]:
        yield f"{row['by']}: {row['offer'] or row['text'][:80] or 'a new draft'}: {row['answer']}"
        if who := row.get("explained_by"):
            stood_in = f" ({row['fell_back']})" if row.get("fell_back") else ""
            yield f"  explained by {who}{stood_in}; nothing follows from it"
        yield from (f"  {gain}" for gain in row["buys"])
    for proof in found["proofs"]:
        yield f"proven: {proof['kind']} by {proof['by']}: {proof['text']}"
    if found["missing"]:
        yield f"proofs missing: {', '.join(found['missing'])}"
    signed = ", ".join(s["by"] for s in found["signatures"]) or "nobody"
    yield f"{found['status']}, revision {found['revision']}; signed by {signed} ({found['quorum']} needed)"
    if found["rejected_because"]:
        yield f"rejected by {found['rejected_because']}"
