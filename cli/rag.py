"""`firebreak rag …`: documents in, passages out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError

app = typer.Typer(help="Ingest documents and search them.")


@app.command("ingest")
def ingest(
    folder: Annotated[Path, typer.Argument(help="Folder (or file) with runbooks, documents, configuration files.")],
    as_json: JsonFlag = False,
) -> None:
    """Read documents into this home's store; unchanged ones are left alone.

    Example: firebreak rag ingest docs/
    """
    from rag.store import open_store

    if not folder.exists():
        raise ConfigError(f"There is no {folder}.", expected="a folder or a file", found="nothing")
    SESSION.home.prepare()
    report = asyncio.run(open_store(SESSION.home.path / "rag").ingest(folder))
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    say(f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged, {report.passages} passages")
    for problem in report.problems:
        say(f"  skipped {problem}")


@app.command("search")
def search(
    query: Annotated[str, typer.Argument(help="What you look for.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Find passages.

    Example: firebreak rag search "orders fail with no space left on device"
    """
    from rag.store import open_store

    SESSION.home.prepare()
    passages = asyncio.run(open_store(SESSION.home.path / "rag").search(query, limit=limit))
    if as_json:
        print_json({"passages": [p.model_dump(mode="json") for p in passages]})
        return
    for passage in passages:
        say(f"{passage.score:.3f}  {passage.id}")
        say("       " + " ".join(passage.text.split())[:160])
    if not passages:
        say("Nothing found. firebreak rag ingest DIR adds documents.")
