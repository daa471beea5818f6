"""What the canon answers: items, changes, promotions, decisions and denials."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    NULLABLE_STRING,
    STRING,
    Plain,
    list_of,
    one_of,
    or_null,
    record,
    ref,
)
from worker.canon.items import KINDS, LEVELS, SEVERITIES, SOURCES
from worker.canon.why_not import DECIDE, NON_INTERFERENCE, PROMOTE, REQUEST

_HASHED: Plain = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def schemas() -> Plain:
    return {**_items(), **_outcomes(), "WhyNotList": _denials()}


def _ledger() -> Plain:
    return record({"seq": COUNT, "leaf_hash": _HASHED})


def _outcome() -> Plain:
    return one_of("ALLOW", "DENY")


def _items() -> Plain:
    item: Plain = {
        "id": STRING,
        "kind": one_of(*KINDS),
        "level": one_of(*LEVELS),
        "applies_to": list_of(STRING),
        "severity": one_of(*SEVERITIES),
        "at_us": COUNT,
        "provenance": record({"source": one_of(*SOURCES), "ref": STRING, "author": STRING}),
        "content": {},
        "content_hash": _HASHED,
    }
    step: Plain = {"seq": COUNT, "at_us": COUNT, "act": STRING, "level": one_of(*LEVELS), "content_hash": _HASHED}
    told: Plain = {
        "object": one_of("canon_item"),
        "item": ref("CanonItem"),
        "history": list_of(record(step, is_open=True)),
    }
    change: Plain = {"object": one_of("canon_change"), "act": STRING, "item": ref("CanonItem"), "ledger": _ledger()}
    return {
        "CanonItem": record(item, optional=("severity", "content")),
        "CanonItems": record({"object": one_of("list"), "canon_hash": _HASHED, "data": list_of(ref("CanonItem"))}),
        "CanonItemHistory": record(told),
        "CanonChange": record(change),
    }


def _outcomes() -> Plain:
    denial: Plain = {
        "code": STRING,
        "codes": list_of(STRING),
        "reason": STRING,
        "minimalFix": list_of(ANY_OBJECT),
        "whyNotId": STRING,
        "failedInvariant": STRING,
        "missingCanon": list_of(STRING),
    }
    promotion: Plain = {
        "object": one_of("canon_promotion"),
        "outcome": _outcome(),
        "itemId": STRING,
        "from": one_of(*LEVELS),
        "to": one_of(*LEVELS),
        "tests": {"type": "object", "additionalProperties": record({"passed": BOOLEAN, "found": ANY_OBJECT})},
        "item": ref("CanonItem"),
        "denialTrace": ref("CanonDenial"),
        "ledger": _ledger(),
    }
    return {
        "CanonDenial": record(denial, optional=("failedInvariant", "missingCanon")),
        "CanonPromotion": record(promotion, optional=("denialTrace",)),
        "CanonDecision": _decision(),
    }


def _denials() -> Plain:
    trace: Plain = {
        "id": STRING,
        "kind": one_of(DECIDE, PROMOTE, NON_INTERFERENCE, REQUEST),
        "at_us": COUNT,
        "seq": COUNT,
        "tenantId": STRING,
        "actionId": STRING,
        "goal": STRING,
        "reasonCodes": list_of(STRING),
        "missingCanonIds": list_of(STRING),
        "violatedInvariantIds": list_of(STRING),
        "requiredCanonRefs": list_of(STRING),
        "denials": list_of(ANY_OBJECT),
        "message": STRING,
        "minimalFix": or_null(list_of(ANY_OBJECT)),
    }
    return record({"object": one_of("list"), "data": list_of(record(trace))})


def _decision() -> Plain:
    proof = record({"canonVersion": _HASHED, "evaluatedRefs": list_of(STRING), "ledgerPointer": _ledger()})
    members: Plain = {
        "object": one_of("canon_decision"),
        "outcome": _outcome(),
        "canon_hash": _HASHED,
        "ledger": _ledger(),
        "certificate": {"type": ["object", "null"]},
        "actionId": STRING,
        "proof": proof,
        "denialTrace": ref("CanonDenial"),
        "selected": NULLABLE_STRING,
        "ranking": list_of(STRING),
        "explanations": list_of(ANY_OBJECT),
        "denied": list_of(record({"id": STRING, "whyNotId": STRING}, is_open=True)),
        "warnings": list_of(ANY_OBJECT),
    }
    always = ("object", "outcome", "canon_hash", "ledger", "certificate")
    return record(members, optional=[name for name in members if name not in always], is_open=True)
