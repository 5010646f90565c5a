"""Findings: anomalies of our own operation by fingerprint. A recurring one is one finding with a count; closing needs evidence."""

from __future__ import annotations

import re

from domain.errors import ConflictError, NotFoundError
from domain.findings import Finding, FindingState, Suggestion
from domain.guard import LedgerEntry
from domain.value import digest
from governance.anomalies import SUGGESTIONS, Anomaly, anomaly_of
from governance.council import deliberate
from governance.ledger.port import Draft, Ledger, Reader, Record, Transaction

KIND = "finding"
LEARNT = "suggestion"
CURSOR = "watch"
SHOWN = 20
"""Ledger entries that a finding keeps as evidence."""
PAGE = 500


def watch(ledger: Ledger) -> int:
    """Read what is new in the ledger and file it. Returns how many anomalies were seen."""
    seen = 0
    while page := ledger.entries(after=_cursor(ledger), limit=PAGE):
        with ledger.transaction() as tx:
            for entry in page:
                anomaly = anomaly_of(entry)
                if anomaly is not None:
                    file(tx, anomaly, entry)
                    seen += 1
            tx.put(Record(kind=CURSOR, id="ledger", at=tx.now, doc={"seq": page[-1].seq}))
    return seen


def fingerprint(anomaly: Anomaly) -> str:
    """The same for the same kind of trouble at the same place, whatever numbers and ids it carries this time."""
    subject = re.sub(r"\b[a-z]+-[0-9a-f]{12}\b|\d+", "#", anomaly.subject)
    return f"fnd-{digest({'kind': anomaly.kind, 'subject': subject})[:12]}"


def file(tx: Transaction, anomaly: Anomaly, entry: LedgerEntry) -> Finding:
    """Count it, or open it; what was fixed and comes back is recurrent, and its suggestion did not help."""
    old = load(tx, fingerprint(anomaly))
    if old is None:
        new = _opened(tx, anomaly, entry)
        _tell(tx, new, "watcher", "opened")
    else:
        back = old.state is FindingState.FIXED
        if back:
            _learn(tx, old.kind, helped=-1, failed=1)
        state = FindingState.RECURRENT if back else old.state
        new = old.model_copy(
            update={
                "count": old.count + 1,
                "last": entry.at,
                "text": anomaly.text[:500],
                "state": state,
                "evidence": [*old.evidence, entry.seq][-SHOWN:],
            }
        )
        if back:
            _tell(tx, new, "watcher", "came back")
    return _save(tx, new)


def accept(tx: Transaction, finding_id: str, by: str) -> Finding:
    """A person takes the suggestion on. Raises NotFoundError, ConflictError."""
    old = _require(tx, finding_id)
    if old.state in {FindingState.ACCEPTED, FindingState.FIXED}:
        raise ConflictError("nothing to accept", expected="an open or recurrent finding", found=old.state.value)
    new = old.model_copy(update={"state": FindingState.ACCEPTED, "by": by})
    _tell(tx, new, by, "accepted")
    return _save(tx, new)


def close(tx: Transaction, finding_id: str, by: str, evidence: str) -> Finding:
    """It is fixed, and this shows it. Raises NotFoundError, ConflictError."""
    old = _require(tx, finding_id)
    if old.state is FindingState.FIXED:
        raise ConflictError("it is closed already", expected="an open finding", found=f"closed by {old.by}")
    if not evidence.strip():
        raise ConflictError(
            "closing needs evidence", expected="what shows that it is fixed", found="nothing", code="finding.evidence"
        )
    if old.state is FindingState.ACCEPTED:
        _learn(tx, old.kind, helped=1, failed=0)
    new = old.model_copy(update={"state": FindingState.FIXED, "by": by, "closing": evidence})
    _tell(tx, new, by, "closed")
    return _save(tx, new)


def findings(reader: Reader) -> list[Finding]:
    """All of them with what was learnt since: open ones first, by impact times confidence, then the newest."""
    found = [_fresh(reader, Finding.model_validate(record.doc)) for record in reader.find(KIND)]
    return sorted(
        found, key=lambda f: (f.state.closed, -f.suggestion.impact * f.suggestion.confidence, -f.last.timestamp())
    )


def load(reader: Reader, finding_id: str) -> Finding | None:
    """The finding with that id, or None."""
    record = reader.get(KIND, finding_id)
    return None if record is None else _fresh(reader, Finding.model_validate(record.doc))


def _opened(tx: Transaction, anomaly: Anomaly, entry: LedgerEntry) -> Finding:
    suggestion = _learnt(tx, anomaly.kind)
    return Finding(
        id=fingerprint(anomaly),
        kind=anomaly.kind,
        subject=anomaly.subject,
        text=anomaly.text[:500],
        state=FindingState.OPEN,
        count=1,
        first=entry.at,
        last=entry.at,
        evidence=[entry.seq],
        suggestion=suggestion,
        council=deliberate(suggestion, 1),
    )


def _fresh(reader: Reader, finding: Finding) -> Finding:
    suggestion = _learnt(reader, finding.kind)
    council = deliberate(suggestion, finding.count)
    return finding.model_copy(update={"suggestion": suggestion, "council": council})


def _learnt(reader: Reader, kind: str) -> Suggestion:
    record = reader.get(LEARNT, kind)
    return SUGGESTIONS[kind] if record is None else SUGGESTIONS[kind].model_copy(update=record.doc)


def _learn(tx: Transaction, kind: str, *, helped: int, failed: int) -> None:
    """What helped at first and came back did not help: the success is taken back with the failure."""
    known = _learnt(tx, kind)
    doc = {"helped": max(0, known.helped + helped), "failed": known.failed + failed}
    tx.put(Record(kind=LEARNT, id=kind, at=tx.now, doc=doc))


def _require(reader: Reader, finding_id: str) -> Finding:
    found = load(reader, finding_id)
    if found is None:
        raise NotFoundError("there is no such finding", expected="the id of one", found=finding_id[:80])
    return found


def _tell(tx: Transaction, finding: Finding, by: str, what: str) -> None:
    content = {
        "finding": finding.id,
        "event": what,
        "kind": finding.kind,
        "subject": finding.subject,
        "count": finding.count,
        "state": finding.state.value,
        "closing": finding.closing,
    }
    tx.append(Draft(kind=KIND, actor=by, content=content))


def _save(tx: Transaction, finding: Finding) -> Finding:
    doc = finding.model_dump(mode="json")
    tx.put(Record(kind=KIND, id=finding.id, status=finding.state.value, at=finding.last, doc=doc))
    return finding


def _cursor(reader: Reader) -> int:
    record = reader.get(CURSOR, "ledger")
    return int(record.doc["seq"]) if record else -1
