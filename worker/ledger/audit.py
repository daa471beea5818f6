"""Verification: a log's records, one after the other, against each other and against their own hashes.

Everything is worked out anew from what was stored; nothing that the log says of itself is believed. It can't tell that
a log was cut short, or written anew from its beginning, unless it is given a checkpoint from before. Pure: the same
class reads a database and an export, and `presentation/ledger.js` does the same in a browser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from worker.errors import LedgerFault
from worker.ledger.checkpoint import Checkpoint
from worker.ledger.entry import ERASURE, SESSION_COMPLETION, Entry, entry_from_text, leaf_hash
from worker.ledger.merkle import Frontier
from worker.ledger.personal import EVENT_PLACES, SEALED, Opening
from worker.ports import Hasher

SEQ_MISMATCH, TENANT_MISMATCH, LEAF_MISMATCH = "SEQ_MISMATCH", "TENANT_MISMATCH", "LEAF_MISMATCH"
EVIDENCE_MISMATCH, EVIDENCE_MISSING = "EVIDENCE_MISMATCH", "EVIDENCE_MISSING"
COMMITMENT_MISMATCH, OPENING_MISSING = "COMMITMENT_MISMATCH", "OPENING_MISSING"
CHECKPOINT_MISMATCH, TRUNCATED = "CHECKPOINT_MISMATCH", "TRUNCATED"
#: What an ERASURE entry is about: ids of a user or a session, or old evidence.
ERASE, RETENTION = "erase", "retention"


class Fault(NamedTuple):
    """The first thing that does not verify; `seq` None where it is about no entry."""

    reason: str
    message: str
    seq: int | None = None


class Report(NamedTuple):
    """What verification found. `size` and `root` (hex): of what verified before the fault, if there is one.

    `evidence`: texts whose digest was right; `dropped`: those that retention took away. `opened`: commitments that were
    opened and right; `erased`: entries whose personal fields the log says were erased; `checkpoints`: how many agreed.
    """

    ok: bool
    size: int
    root: str
    evidence: int
    dropped: int
    opened: int
    erased: int
    checkpoints: int
    fault: Fault | None = None

    def to_plain(self) -> dict[str, Any]:
        """The report as it is shown and sent."""
        return {**self._asdict(), "fault": None if self.fault is None else self.fault._asdict()}


class Audit:
    """A verification under way: takes the records of one log in order. Raises: LedgerFault, and is spent then.

    Args: tenant: whose log it is, None = its first entry says so. checkpoints: states that the log must have had, their
    signatures checked before. allowed: before which entry the evidence of each kind may be missing, where that is known
    already; None = it is learned from the log, and judged in the end. is_whole: whether every commitment that was not
    erased comes with what opens it.
    """

    def __init__(
        self,
        hasher: Hasher,
        tenant: str | None = None,
        checkpoints: Iterable[Checkpoint] = (),
        allowed: dict[str, int] | None = None,
        is_whole: bool = False,
    ) -> None:
        self._hasher = hasher
        self._tenant = tenant
        self._allowed = allowed
        self._is_whole = is_whole
        self._due: list[Checkpoint] = []
        self._missing: list[tuple[int, str]] = []
        self._frontier = Frontier(hasher)
        self._evidence = self._dropped = self._opened = self._sealed = self._erased = self._agreed = 0
        self.expect(checkpoints)

    @property
    def size(self) -> int:
        return self._frontier.size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return self._frontier.peaks

    def take(self, text: str, evidence: str | None, leaf: bytes | None = None, opening: Opening | None = None) -> Entry:
        """The next entry's stored text, what is kept beside it, and its stored leaf hash, if there is one at hand."""
        seq = self.size
        try:
            entry = self._checked(text, leaf)
            self._check_evidence(entry, evidence)
            self._check_personal(entry, evidence, opening)
        except LedgerFault as fault:
            raise LedgerFault(fault.reason, fault.message, seq) from None
        if entry.kind == ERASURE:
            self._note_erasure(entry.payload)
        self._frontier.append(leaf_hash(self._hasher, text.encode()))
        self._meet_checkpoints()
        return entry

    @property
    def is_unexplained(self) -> bool:
        """Whether more personal fields can't be opened than the entries so far say were erased."""
        return self._is_whole and self._sealed > self._erased

    def finish(self) -> Report:
        """What was found, now that there are no more entries. Raises: LedgerFault."""
        if self._missing:
            raise LedgerFault(EVIDENCE_MISSING, "evidence is missing, and no entry says why", self._missing[0][0])
        if self.is_unexplained:
            raise LedgerFault(OPENING_MISSING, "a personal field can't be opened, and no entry says that it was erased")
        if self._due:
            raise LedgerFault(
                TRUNCATED, f"a checkpoint has seen {self._due[-1].size} entries, here are {self.size}", self.size
            )
        return self.report()

    def report(self, fault: LedgerFault | None = None) -> Report:
        """What has been found so far. Args: fault: what ended it."""
        said = None if fault is None else Fault(fault.reason, fault.message, fault.seq)
        return Report(
            fault is None,
            self.size,
            self._frontier.root().hex(),
            self._evidence,
            self._dropped,
            self._opened,
            self._erased,
            self._agreed,
            said,
        )

    def expect(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Compare with these too, of sizes from here on, each once that many were taken. Raises: LedgerFault."""
        self._due = sorted({*self._due, *checkpoints}, key=lambda one: (one.size, one.to_text()), reverse=True)
        self._meet_checkpoints()

    def meet(self, checkpoint: Checkpoint) -> None:
        """Compare with a checkpoint that has seen exactly what was taken so far. Raises: LedgerFault."""
        self._compare(checkpoint)

    def to_plain(self) -> dict[str, Any]:
        """Where it stands, to go on elsewhere; checkpoints and what may be missing are given anew."""
        counts = [self._evidence, self._dropped, self._opened, self._sealed, self._erased, self._agreed]
        return {"size": self.size, "peaks": [peak.hex() for peak in self._frontier.peaks], "counts": counts}

    def resume(self, plain: dict[str, Any]) -> None:
        """Go on where `to_plain` stood: what was taken before is not taken again."""
        self._frontier = Frontier(self._hasher, plain["size"], [bytes.fromhex(peak) for peak in plain["peaks"]])
        self._evidence, self._dropped, self._opened, self._sealed, self._erased, self._agreed = plain["counts"]

    def _checked(self, text: str, leaf: bytes | None) -> Entry:
        entry = entry_from_text(text)
        if entry.seq != self.size:
            raise LedgerFault(SEQ_MISMATCH, f"an entry says it is number {entry.seq}, and stands as number {self.size}")
        if self._tenant is None:
            self._tenant = entry.tenant
        if entry.tenant != self._tenant:
            raise LedgerFault(TENANT_MISMATCH, "an entry is of another tenant's log")
        if leaf is not None and leaf != leaf_hash(self._hasher, text.encode()):
            raise LedgerFault(LEAF_MISMATCH, "the stored leaf hash is not that of the stored entry")
        return entry

    def _check_evidence(self, entry: Entry, evidence: str | None) -> None:
        if evidence is None:
            if entry.must_have_evidence:
                self._dropped += 1
                if self._allowed is None:
                    self._missing.append((entry.seq, entry.kind))
                elif entry.seq >= self._allowed.get(entry.kind, 0):
                    raise LedgerFault(EVIDENCE_MISSING, "evidence is missing, and no entry says why")
            return
        try:
            digest = self._hasher.sha3_256(evidence.encode()).hex()
        except UnicodeEncodeError:
            digest = ""
        if digest != entry.evidence or not digest:
            raise LedgerFault(EVIDENCE_MISMATCH, "the evidence is not the one that the entry names")
        self._evidence += 1

    def _check_personal(self, entry: Entry, evidence: str | None, opening: Opening | None) -> None:
        """Compare what opens the commitments of an event with them. Its evidence has been found right before."""
        if entry.kind != SESSION_COMPLETION or evidence is None or SEALED not in evidence:
            if opening is not None:
                raise LedgerFault(COMMITMENT_MISMATCH, "an entry without commitments comes with what would open them")
            return
        if opening is None:
            self._sealed += 1
            return
        if opening.sealed(self._hasher) != _commitments(evidence):
            raise LedgerFault(COMMITMENT_MISMATCH, "a personal field is not the one that was committed to")
        self._opened += 1

    def _note_erasure(self, payload: dict[str, Any]) -> None:
        if payload.get("act") == ERASE and type(payload.get("entries")) is int:
            self._erased += payload["entries"]
        elif self._missing:
            before = retention_bounds(payload)
            self._missing = [(seq, kind) for seq, kind in self._missing if seq >= before.get(kind, 0)]

    def _meet_checkpoints(self) -> None:
        while self._due and self._due[-1].size == self.size:
            self._compare(self._due.pop())

    def _compare(self, checkpoint: Checkpoint) -> None:
        fits = checkpoint.size == self.size and checkpoint.root == self._frontier.root()
        if not fits or checkpoint.tenant != (self._tenant or checkpoint.tenant):
            message = f"a checkpoint of {checkpoint.size} entries is of another log"
            raise LedgerFault(CHECKPOINT_MISMATCH, message, self.size - 1 if self.size else None)
        self._agreed += 1


def retention_bounds(payload: dict[str, Any]) -> dict[str, int]:
    """Before which entry the evidence of each kind may be missing, as the payload of an ERASURE entry says."""
    before = payload.get("before")
    if payload.get("act") != RETENTION or not isinstance(before, dict):
        return {}
    return {kind: bound for kind, bound in before.items() if type(bound) is int}


def _commitments(evidence: str) -> tuple[str, str]:
    """The commitments in an event, "" for a field that is none."""
    found = []
    try:
        event = json.loads(evidence)
        for group, name in EVENT_PLACES.values():
            value = event[group][name]
            found.append(value if isinstance(value, str) and value.startswith(SEALED) else "")
    except (KeyError, TypeError, ValueError):
        raise LedgerFault(COMMITMENT_MISMATCH, "an event has no place for a personal field") from None
    return found[0], found[1]
