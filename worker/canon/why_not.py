"""Denials that can be looked up: what was denied, by which codes, what would admit it, and where in the log it stands.

A trace is written in the transaction that writes the denial into the log, so neither is there without the other. A
request that no route may serve was denied too: its trace is read from its entry.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from worker.canon.codes import (
    AUTHORITY_BOUNDARY_FAIL,
    INVARIANT_VIOLATION,
    MISSING_CANON_PREREQS,
    NON_INTERFERENCE_VIOLATION,
    Denial,
    denial_from_text,
)
from worker.canon.explain import finding_to_plain
from worker.canon.gates_path import Finding
from worker.canon.invariants import INV_NON_INTERFERENCE
from worker.canon.order import Refused
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import ENTRIES_PER_LOG, entry_id
from worker.ports import Sql, as_int

#: What was asked for.
DECIDE, PROMOTE, NON_INTERFERENCE, REQUEST = "DECIDE", "PROMOTE", "NON_INTERFERENCE", "REQUEST"
PREFIX: Final = "why_"
#: A trace is a row on every host, which holds less than 2 MB; and so much of them is told at once, but always one.
MAX_TRACE_BYTES = 1_500_000
MOST_BYTES = 4 * 1024 * 1024
_LIVE: Final = """SELECT l.id, l.at_us, l.evidence, d.decision_id FROM ledger l JOIN decision d
    ON d.tenant = l.tenant AND d.decision_id = json_extract(l.entry, '$.payload.decision_id')"""


def trace_of(
    kind: str,
    at_us: int,
    action_id: str,
    goal: str,
    findings: Sequence[Finding],
    fixes: Sequence[dict[str, Any]] | None,
) -> dict[str, Any]:
    """One denial as plain values, without its id. Args: fixes: `worker.canon.minimal_fix`; None = nothing would do."""
    denials = [finding.denial for finding in findings]
    return {
        "kind": kind,
        "at_us": at_us,
        "actionId": action_id,
        "goal": goal,
        "reasonCodes": sorted({denial.code for denial in denials}),
        "missingCanonIds": _subjects(denials, MISSING_CANON_PREREQS),
        "violatedInvariantIds": _violated(denials),
        "requiredCanonRefs": _cited(denials),
        "denials": [finding_to_plain(finding) for finding in findings],
        "message": message_of(denials),
        "minimalFix": None if fixes is None else list(fixes),
    }


def message_of(denials: Sequence[Denial]) -> str:
    """Every reason in one line, each with its bound and value where it has one."""
    said = [
        f"{denial.code}: {denial.subject}"
        + (f" ({denial.value} against {denial.bound})" if denial.bound or denial.value else "")
        for denial in dict.fromkeys(denials)
    ]
    return "; ".join(said)


def note_denials_in(sql: Sql, tenant: str, entry: int, traces: Sequence[dict[str, Any]]) -> list[str]:
    """Keep the traces of one entry; returns their ids. Raises: Refused for one that no row could hold."""
    sequence, names = entry % ENTRIES_PER_LOG, []
    for position, trace in enumerate(traces):
        name = f"{PREFIX}{sequence}_{position}"
        names.append(name)
        text = canonical_json({"id": name, "seq": sequence, "tenantId": tenant, **trace}).decode()
        if len(text.encode()) > MAX_TRACE_BYTES:
            message = (
                f"what denies it would be longer than {MAX_TRACE_BYTES} bytes: ask with fewer actions, or shorter ones"
            )
            raise Refused(413, "certificate_too_large", message, "candidates")
        sql.execute(
            "INSERT INTO canon_denial (tenant, entry_id, position, action_id, trace) VALUES (?, ?, ?, ?, ?)",
            tenant,
            entry,
            position,
            trace["actionId"],
            text,
        )
    return names


def why_not_in(sql: Sql, tenant: str, action_id: str | None, limit: int) -> list[dict[str, Any]]:
    """At most `limit` traces, newest first, and about `MOST_BYTES` of them.

    Args: action_id: an action's, or a denied request's decision id.
    """
    only, parameters = ("", ()) if action_id is None else (" AND action_id = ?", (action_id,))
    rest = f"FROM canon_denial WHERE tenant = ?{only} ORDER BY entry_id DESC, position LIMIT ?"
    lengths = sql.execute(f"SELECT length(CAST(trace AS BLOB)) {rest}", tenant, *parameters, limit)
    sums = accumulate([as_int(length) for (length,) in lengths])
    fitting = sum(total <= MOST_BYTES for total in sums)
    limit = limit if fitting == len(lengths) else max(1, fitting)
    rows = sql.execute(f"SELECT trace, entry_id {rest}", tenant, *parameters, limit)
    found = [(as_int(entry), json.loads(str(text))) for text, entry in rows]
    found += _requests_in(sql, tenant, action_id, limit)
    found.sort(key=lambda one: -one[0])
    return [trace for _, trace in found[:limit]]


def _requests_in(sql: Sql, tenant: str, decision_id: str | None, limit: int) -> list[tuple[int, dict[str, Any]]]:
    logs = sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)
    if not logs:
        return []
    first = entry_id(as_int(logs[0][0]), 0)
    if decision_id is None:
        rows = sql.execute(
            f"{_LIVE} WHERE l.kind = 'DENY' AND l.id >= ? AND l.id < ? ORDER BY l.id DESC LIMIT ?",
            first,
            first + ENTRIES_PER_LOG,
            limit,
        )
    else:
        rows = sql.execute(
            """SELECT l.id, l.at_us, l.evidence, d.decision_id FROM decision d JOIN ledger l ON l.id = d.entry_id
               WHERE d.tenant = ? AND d.decision_id = ? AND d.state = 'denied'""",
            tenant,
            decision_id,
        )
    return [
        (as_int(entry), _request_trace(tenant, as_int(entry) - first, as_int(at_us), str(name), evidence))
        for entry, at_us, evidence, name in rows
    ]


def _request_trace(tenant: str, sequence: int, at_us: int, decision_id: str, evidence: object) -> dict[str, Any]:
    """What a denied request's entry says; the evidence may have been moved away, and then it says no reasons."""
    rows = [] if evidence is None else json.loads(str(evidence))["candidates"]
    texts = sorted({text for row in rows for text in row.rpartition(" ")[2].split(",") if text != "-"})
    findings = [Finding(denial_from_text(text), "") for text in texts]
    trace = trace_of(REQUEST, at_us, decision_id, "", findings, None)
    return {"id": f"{PREFIX}{sequence}_0", "seq": sequence, "tenantId": tenant, **trace}


def _subjects(denials: Sequence[Denial], code: str) -> list[str]:
    return sorted({denial.subject for denial in denials if denial.code == code})


def _violated(denials: Sequence[Denial]) -> list[str]:
    """The rules that are broken; a denial for harm to somebody names whom, and breaks the one rule there is on it."""
    is_harmful = any(denial.code == NON_INTERFERENCE_VIOLATION for denial in denials)
    return _subjects(denials, INVARIANT_VIOLATION) + ([INV_NON_INTERFERENCE] if is_harmful else [])


def _cited(denials: Sequence[Denial]) -> list[str]:
    """The items whose citation did not hold; a subject reads `fault:item`, or `kind:kind` of one that was not cited."""
    cited = [subject.partition(":") for subject in _subjects(denials, AUTHORITY_BOUNDARY_FAIL)]
    return sorted({name for fault, _, name in cited if name and fault != "kind"})
