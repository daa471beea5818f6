"""A tenant's log: checkpoints, entries, proofs, and its verification."""

from __future__ import annotations

from worker.api.openapi.parts import (
    BOOLEAN,
    COUNT,
    NULLABLE_COUNT,
    NULLABLE_STRING,
    STRING,
    Plain,
    answer,
    errors,
    list_of,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)

_HASH: Plain = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "a SHA3-256 digest, in hex"}
_PLACE: Plain = {"type": "integer", "minimum": 0, "maximum": 2**32}
_SIZE: Plain = {"type": "integer", "minimum": 1, "maximum": 2**32}


def paths() -> Plain:
    checkpoint = operation(
        "ledgerCheckpoint",
        "Your log's size and root now, signed",
        {"200": answer("The checkpoint.", ref("LedgerCheckpoint")), **errors(400, 401, 403, 500)},
    )
    entries = operation(
        "ledgerEntries",
        "Your log's entries as they are stored, oldest first",
        {"200": answer("A page.", ref("LedgerEntries")), **errors(400, 401, 403, 500)},
        parameters=[
            query("after", _PLACE, "only those after the entry of this number"),
            query("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, "how many; 100 if absent"),
            query("openings", {"type": "integer", "enum": [0, 1]}, "1 = with what opens their personal fields"),
        ],
    )
    proof = operation(
        "ledgerProof",
        "That an entry is in your log, or that the log only grew",
        {
            "200": answer("The proof.", {"anyOf": [ref("InclusionProof"), ref("ConsistencyProof")]}),
            **errors(400, 401, 403, 404, 500),
        },
        parameters=[
            query("entry", _PLACE, "the entry's number"),
            query("size", _SIZE, "in the log of this size; the present one if absent"),
            query("first", _SIZE, "the smaller size"),
            query("second", _SIZE, "the larger size; the present one if absent"),
        ],
    )
    verify = operation(
        "verifyLedger",
        "Work your log out anew from what is stored",
        {"200": answer("What was found.", ref("LedgerReport")), **errors(400, 401, 403, 500)},
    )
    return {
        "/api/ledger/checkpoint": {"get": checkpoint},
        "/api/ledger/entries": {"get": entries},
        "/api/ledger/proof": {"get": proof},
        "/api/ledger/verify": {"get": verify},
    }


def schemas() -> Plain:
    opening = record({"user_id": STRING, "session_id": STRING, "salt": STRING})
    entry = record(
        {"seq": COUNT, "entry": STRING, "leaf_hash": _HASH, "evidence": NULLABLE_STRING, "opening": or_null(opening)}
    )
    fault = record({"reason": STRING, "message": STRING, "seq": NULLABLE_COUNT})
    return {
        "LedgerCheckpoint": record(
            {
                "object": one_of("ledger_checkpoint"),
                "tenant": STRING,
                "size": COUNT,
                "root": _HASH,
                "at_us": COUNT,
                "text": STRING,
                "key_id": NULLABLE_STRING,
                "public_key": NULLABLE_STRING,
                "signature": NULLABLE_STRING,
            }
        ),
        "LedgerEntries": record({"object": one_of("list"), "data": list_of(entry), "has_more": BOOLEAN}),
        "InclusionProof": record(
            {
                "object": one_of("inclusion_proof"),
                "entry": COUNT,
                "size": COUNT,
                "leaf_hash": _HASH,
                "root": _HASH,
                "path": list_of(_HASH),
            }
        ),
        "ConsistencyProof": record(
            {
                "object": one_of("consistency_proof"),
                "first": COUNT,
                "second": COUNT,
                "first_root": _HASH,
                "second_root": _HASH,
                "path": list_of(_HASH),
            }
        ),
        "LedgerReport": record(
            {
                "object": one_of("ledger_report"),
                "ok": BOOLEAN,
                "size": COUNT,
                "root": _HASH,
                "evidence": COUNT,
                "dropped": COUNT,
                "opened": COUNT,
                "erased": COUNT,
                "checkpoints": COUNT,
                "fault": or_null(fault),
            }
        ),
    }
