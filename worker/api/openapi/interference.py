"""Non-interference: what agents of a tenant commit to, and what is answered."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    NULLABLE_STRING,
    STRING,
    Plain,
    answer,
    body,
    errors,
    in_header,
    list_of,
    one_of,
    operation,
    or_null,
    record,
    ref,
)
from worker.canon.interference import DISCIPLINES
from worker.canon.interference_desk import CHECK, COMMIT, DONE, GRANT, OWN, SETTLE, SUM, WITHDRAWN

_NAME: Plain = {"type": "string", "pattern": "^[!-+\\-.-~]{1,128}$", "description": "visible ASCII without commas"}
_WHOLE: Plain = {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991}
_KEY_TEXT: Plain = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_NAMES: Plain = {"type": "array", "items": _NAME, "maxItems": 8, "uniqueItems": True}
_HEADERS = ("x-request-id", "idempotency-replayed")
_HASHED: Plain = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def paths() -> Plain:
    return {"/api/canon/non-interference": {"get": _state(), "post": _judge()}}


def _judge() -> Plain:
    example = {"agentId": "trainer", "action": {"id": "train-7", "work_us": 3_600_000_000, "uses": {"gpu-pool": 1}}}
    asked = [ref(name) for name in ("AgentAction", "AgentChoice", "AgentSettlement", "SlackGrant")]
    told = [ref(name) for name in ("InterferenceJudgement", "CommitmentSettled", "SlackGranted")]
    return operation(
        "commit",
        "Commit an agent to an action if that makes no other agent later; settle it; grant slack",
        {
            "200": answer("What was judged or done, a denial included.", {"oneOf": told}, _HEADERS),
            **errors(400, 401, 403, 404, 409, 413, 422, 500),
        },
        parameters=[in_header("idempotency-key", _KEY_TEXT, "the same key again: the same answer, done once")],
        requestBody=body({"oneOf": asked}, example),
    )


def _state() -> Plain:
    return operation(
        "agents",
        "What your agents share, what they are committed to, and until when they are to be done",
        {"200": answer("The state.", ref("Agents")), **errors(400, 401, 403, 500)},
    )


def schemas() -> Plain:
    return {**_asked(), **_told()}


def _asked() -> Plain:
    act: Plain = {
        "id": _NAME,
        "work_us": _WHOLE,
        "uses": {
            "type": "object",
            "propertyNames": _NAME,
            "additionalProperties": {**_WHOLE, "minimum": 1},
            "maxProperties": 4,
        },
        "reads": _NAMES,
        "writes": _NAMES,
        "priority": {"type": "integer", "minimum": 0, "maximum": 1_000},
    }
    action = record(act, optional=[name for name in act if name not in ("id", "work_us")])
    hold: Plain = {"type": "integer", "minimum": 1, "maximum": 30 * 86_400_000_000}
    shared: Plain = {"tenantId": STRING, "idempotencyKey": _KEY_TEXT}
    judged: Plain = {"act": one_of(COMMIT, CHECK), "agentId": _NAME, "hold_us": hold, **shared}
    choice = {**judged, "candidates": list_of(action, minItems=1, maxItems=8), "objective": one_of(OWN, SUM)}
    grant: Plain = {
        "act": one_of(GRANT),
        "agentId": _NAME,
        "slack_us": _WHOLE,
        "reason": {"type": "string", "minLength": 1, "maxLength": 512},
        **shared,
    }
    return {
        "AgentAction": record({**judged, "action": action}, optional=("act", "hold_us", *shared)),
        "AgentChoice": record(choice, optional=("act", "hold_us", "objective", *shared)),
        "AgentSettlement": record(
            {"act": one_of(SETTLE), "agentId": _NAME, "outcome": one_of(DONE, WITHDRAWN), **shared},
            optional=("outcome", *shared),
        ),
        "SlackGrant": record(grant, optional=tuple(shared)),
    }


def _told() -> Plain:
    time = or_null(COUNT)
    ledger = record({"seq": COUNT, "leaf_hash": _HASHED})
    effect: Plain = {
        "agentId": STRING,
        "before_us": time,
        "after_us": time,
        "delta_us": or_null({"type": "integer"}),
        "allowed_us": COUNT,
    }
    option: Plain = {
        "id": STRING,
        "admissible": BOOLEAN,
        "own_us": time,
        "sum_us": time,
        "denials": list_of(STRING),
    }
    judgement: Plain = {
        "object": one_of("canon_interference"),
        "outcome": one_of("ALLOW", "DENY"),
        "agentId": STRING,
        "actionId": NULLABLE_STRING,
        "committed": BOOLEAN,
        "expected_ttv_us": time,
        "effects": list_of(record(effect)),
        "expires_us": COUNT,
        "optimum": record({"own": STRING, "sum": STRING, "choices": list_of(record(option))}),
        "denialTrace": ref("CanonDenial"),
        "ledger": ledger,
    }
    settled: Plain = {
        "object": one_of("canon_settlement"),
        "agentId": STRING,
        "actionId": STRING,
        "outcome": one_of(DONE, WITHDRAWN),
        "elapsed_us": COUNT,
        "expected_ttv_us": COUNT,
        "ledger": ledger,
    }
    granted: Plain = {
        "object": one_of("canon_slack"),
        "agentId": STRING,
        "slack_us": COUNT,
        "from_us": COUNT,
        "ledger": ledger,
    }
    resource = record({"capacity": COUNT, "discipline": one_of(*DISCIPLINES)})
    state: Plain = {
        "object": one_of("canon_agents"),
        "resources": {"type": "object", "additionalProperties": resource},
        "commitments": list_of(ANY_OBJECT),
        "eps_us": COUNT,
        "slack_us": {"type": "object", "additionalProperties": COUNT},
    }
    return {
        "InterferenceJudgement": record(judgement, optional=("expires_us", "optimum", "denialTrace")),
        "CommitmentSettled": record(settled),
        "SlackGranted": record(granted),
        "Agents": record(state),
    }
