"""What a person sees during the demo, in order: serving, broken, alert, causes, plan, approval, recovery, brief, what next."""

from __future__ import annotations

import sys
import time
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from cli.client import AppClient
from cli.drill import result_lines
from cli.installation import STACK_UP
from cli.session import SESSION
from domain.action import Verdict
from domain.diagnosis import Diagnosis, Hypothesis
from domain.drills import DrillPhase, DrillProgress, DrillResult, DrillRun
from domain.errors import FirebreakError
from domain.incident import Incident, IncidentStatus
from domain.plan import Plan
from domain.report import Brief, Sentence
from tools.http import trust

_MARK = {
    DrillPhase.BROKEN: "red",
    DrillPhase.PAGED: "yellow",
    DrillPhase.DETECTED: "yellow",
    DrillPhase.RECOVERED: "green",
    DrillPhase.OPENED: "cyan",
}


class Screen:
    """Prints each thing once, when it is there. Works in a pipe as well as in a terminal."""

    def __init__(self, *, quiet: bool, started: float) -> None:
        self._out = Console(quiet=quiet, highlight=False, width=None if sys.stdout.isatty() else 150)
        self._started = started
        self._shown: set[str] = set()
        self._asked: set[str] = set()

    def watched(self) -> bool:
        """Whether a person sits in front of it."""
        return sys.stdin.isatty() and self._out.is_terminal

    def opening(self) -> None:
        """First line, at once."""
        self._out.print("[bold]Firebreak[/bold]  breaking a real stack on this machine, and mending it\n")

    def starting(self, text: str) -> None:
        """Progress of the start; the shop is looked at from outside as soon as it is there."""
        self._line("start", text)
        if text == STACK_UP:
            self._shop()

    def serving(self, client: AppClient) -> None:
        """What the responder watches, and where a person can watch it."""
        for row in client.get("/api/slis").get("slis", [])[:5]:
            self._line("sli", f"{row['service']} {row['name']}: {_level(row.get('current'), row['unit'])}")
        self._line("watch", f"{client.login_link()}  (works once)")

    def _shop(self) -> None:
        """A visitor's requests, made by this command and by nobody who decides."""
        self._head("The shop is serving users")
        shop = str(SESSION.home.stack_facts().get("shop_url", ""))
        for path in ("/", "/api/catalogue"):
            started = time.monotonic()
            try:
                said = f"HTTP {httpx.get(shop + path, timeout=3, trust_env=False, verify=trust()).status_code}"
            except httpx.HTTPError as error:
                said = type(error).__name__
            self._line("visitor", f"GET {shop}{path}: {said} in {1000 * (time.monotonic() - started):.0f} ms")

    def progress(self, line: DrillProgress) -> None:
        """One line of the drill."""
        if line.phase is DrillPhase.BROKEN:
            self._head("It breaks", style="red")
        if line.phase is DrillPhase.JUDGING:
            self._head("Seen from outside")
        self._line(line.phase.value, line.text, _MARK.get(line.phase, ""))

    def look(self, client: AppClient, run: DrillRun) -> None:
        """Show what is new in the incident."""
        if run.incident is None:
            return
        incident = Incident.model_validate(client.get(f"/api/incidents/{run.incident}"))
        if self._once(f"alert {incident.id}"):
            self._head(f"Incident {incident.id}: {incident.title}", style="yellow")
        diagnosis = incident.diagnosis
        if diagnosis and self._once(f"diagnosis {incident.id} {diagnosis.summary} {diagnosis.confidence}"):
            self._diagnosis(diagnosis)
        judged = {j.step_id for j in incident.judgements}
        for plan in incident.plans:
            if judged.issuperset(s.id for s in plan.steps) and self._once(f"plan {plan.id} {plan.revision}"):
                self._plan(plan, incident)
        if incident.status is IncidentStatus.WAITING:
            self._approve(client, incident)
        for number, result in enumerate(incident.results):
            if self._once(f"result {incident.id} {number}"):
                self._line(
                    "acted",
                    f"{result.action} {result.target}: {result.outcome} ({result.seconds:.1f} s) {result.summary}",
                )
        for number, verification in enumerate(incident.verifications):
            if self._once(f"verified {incident.id} {number}"):
                for check in verification.checks:
                    self._line("verify", f"{_tick(check.ok)} {check.name}: {check.text}")
        if incident.brief and self._once(f"brief {incident.id}"):
            self._brief(incident.brief, f"{client.url}/incidents/{incident.id}")

    def result(self, client: AppClient, result: DrillResult) -> None:
        """The verdict from outside, and what to do next."""
        self._head("The drill, judged from outside")
        for line in result_lines(result):
            self._out.print(f"  {escape(line)}")
        for line in result.oracle:
            self._line("oracle", line)
        seconds = time.monotonic() - self._started
        self._head("What next")
        self._out.print(f"  {seconds:.0f} s from the first line to here. Connect your own Prometheus, read-only:")
        self._out.print("    firebreak config example > firebreak.yaml    # mode: observe, nothing can be changed")
        self._out.print("    PROMETHEUS_URL=http://your-prometheus:9090 firebreak serve --config firebreak.yaml")

    def invitation(self, client: AppClient) -> None:
        """Everything stays up while the person looks around."""
        self._out.print(f"\n  Everything stays up: {client.login_link()}  (works once; firebreak login prints another)")
        self._out.print("  Press Enter to stop and remove it.")

    def _diagnosis(self, diagnosis: Diagnosis) -> None:
        self._head(f"Evidence and causes: {diagnosis.verdict}, confidence {diagnosis.confidence:.2f}")
        excerpts = {e.id: e.excerpt for e in diagnosis.evidence}
        for hypothesis in diagnosis.hypotheses[:3]:
            self._hypothesis(hypothesis, excerpts)
        if not diagnosis.hypotheses:
            self._line("verdict", diagnosis.summary)

    def _hypothesis(self, h: Hypothesis, excerpts: dict[str, str]) -> None:
        style = "bold" if h.rank == 1 else "dim"
        self._out.print(f"  [{style}]{h.rank}. {h.confidence:.2f}  {escape(h.statement)}[/{style}]")
        for evidence in h.evidence[:3]:
            self._out.print(f"       for {evidence}  {escape(excerpts.get(evidence, ''))[:120]}")
        for evidence in h.against[:2]:
            self._out.print(f"       but {evidence}  {escape(excerpts.get(evidence, ''))[:120]}")
        if h.rank == 1 and not h.against:
            self._out.print("       but nothing that was read speaks against it")
        if h.rank == 1 and h.falsify:
            self._out.print(f"       wrong if  {escape(h.falsify)}", style="dim")

    def _plan(self, plan: Plan, incident: Incident) -> None:
        self._head(f"Plan {plan.revision}: {plan.summary}")
        verdicts = {j.step_id: j for j in incident.judgements}
        for step in plan.steps:
            judgement = verdicts.get(step.id)
            undo = f"undo {step.undo.action}" if step.undo else f"no undo: {step.cannot_undo}"
            verdict = judgement.verdict.value if judgement else "…"
            self._line("step", f"{step.call.action} {step.call.target}  [{undo}]  verdict: {verdict}")
            if judgement and judgement.verdict is not Verdict.ALLOW:
                for reason in judgement.reasons:
                    if reason.verdict is judgement.verdict:
                        self._line("", f"{reason.wrapper}: {reason.text}")

    def _approve(self, client: AppClient, incident: Incident) -> None:
        waiting = client.get("/api/approvals", open=True, incident=incident.id)["approvals"]
        for approval in waiting:
            if approval["id"] in self._asked or approval["change"] != incident.id or approval["status"] != "open":
                continue
            self._asked.add(approval["id"])
            self._head("Your approval is needed", style="yellow")
            self._line("what", f"{approval['call']['action']} on {approval['call']['target']}: {approval['summary']}")
            self._line("undo", approval.get("undo") or "none")
            self._ask(client, approval, incident)

    def _ask(self, client: AppClient, approval: dict[str, Any], incident: Incident) -> None:
        if not self.watched():
            self._line("answer", f"{client.url}/approvals, or: firebreak incident approve {incident.id}")
            return
        decision = "approve" if typer.confirm("  Approve?", default=False) else "reject"
        try:
            answered = client.post(f"/api/approvals/{approval['id']}", {"decision": decision, "reason": "demo"})
        except FirebreakError as error:
            self._line("answer", error.message)
            return
        self._line("answer", str(answered["status"]))

    def _brief(self, brief: Brief, url: str) -> None:
        self._head("Brief: every sentence names its evidence")
        for heading, sentences in _sections(brief):
            self._out.print(f"  [bold]{heading}[/bold]")
            for sentence in sentences:
                cited = escape(" ".join(f"[{e}]" for e in sentence.evidence))
                self._out.print(f"    {escape(sentence.text)} [dim]{cited}[/dim]")
        for text in brief.unsupported:
            self._line("dropped", f"unsupported: {text}")
        self._line("page", url)

    def _once(self, key: str) -> bool:
        new = key not in self._shown
        self._shown.add(key)
        return new

    def _head(self, text: str, style: str = "cyan") -> None:
        self._out.print()
        self._out.print(Rule(f"[bold {style}]{escape(text)}[/]", align="left", style="dim"))

    def _line(self, word: str, text: str, style: str = "") -> None:
        seconds = time.monotonic() - self._started
        body = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        self._out.print(f"  [dim]{seconds:5.1f} s  {word:<9}[/dim] {body}")


def _sections(brief: Brief) -> list[tuple[str, list[Sentence]]]:
    """The brief's parts that say something, in reading order."""
    parts = [
        ("What broke", brief.what_broke),
        ("Why", brief.why),
        ("What was done", brief.actions),
        ("Recovery", brief.recovery),
        ("Prevention", brief.prevention),
    ]
    return [(heading, sentences) for heading, sentences in parts if sentences]


def _level(value: float | None, unit: str) -> str:
    """A service level as people say it."""
    if value is None:
        return "gathering"
    return f"{1000 * value:.0f} ms" if unit == "s" else f"{100 * value:.1f} %"


def _tick(ok: bool | None) -> str:
    return {True: "ok", False: "NOT ok", None: "cannot tell"}[ok]
