"""One line of the log per event, as JSON or for a reader: a record of `logging`, or a request that is over.

A line holds ids, codes, names of the catalogue, counts and times: no prompt, no answer, no user and no token. What may
be in other people's words, a record's message and a path, is given here redacted or with the means to do it. Durations
are in microseconds and money in micro-dollars, as everywhere; a member that has nothing to say is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.sessions.event import rfc3339
from worker.telemetry import Finished

JSON, TEXT = "json", "text"
#: What a plain line tells apart by its name; the rest stands at its beginning.
_AT_THE_FRONT: Final = ("time", "level", "event", "method", "path", "status", "elapsed_us")
_IDS: Final = ("request_id", "trace_id")
#: Paths without anybody's words in them.
_OWN_PATHS: Final = frozenset(
    {"/", "/health", "/metrics", "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/models"}
)
Fields = dict[str, Any]


def request_fields(request: Finished, clean: Callable[[str], str]) -> Fields:
    """What the line of a request says, in this order. Args: clean: takes out of a path what no log may hold."""
    facts, settlement = request.facts, request.settlement
    path = request.path if request.path in _OWN_PATHS else clean(request.path)
    fields: Fields = {
        "time": rfc3339(request.at_us + request.elapsed_us),
        "level": "info",
        "event": "request",
        "method": request.method,
        "path": path,
        "status": request.status,
        "elapsed_us": request.elapsed_us,
        "request_id": request.request_id,
        "trace_id": request.trace.trace_id,
        "span_id": request.trace.span_id,
        "parent_span_id": request.trace.parent_id,
        "tenant": "" if facts is None else facts.tenant,
        "decision_id": request.decision_id,
        "model": "" if facts is None else facts.model,
        "stream": request.is_stream or None,
        "complexity": "" if facts is None else facts.classification.complexity,
        "cache": request.cache,
        "error": request.error,
        "reason_codes": list(request.reasons),
    }
    if settlement is not None:
        failed = [f"{one.route}: {one.cause}" for one in settlement.attempts if one.cause != "ok"]
        fields |= {
            "outcome": settlement.outcome,
            "route": settlement.route,
            "attempts": len(settlement.attempts),
            "failed": failed,
            "input_tokens": settlement.input_tokens,
            "output_tokens": settlement.output_tokens,
            "usage": settlement.usage,
            "cost_usd_micros": request.cost_usd_micros,
            "first_byte_us": settlement.first_byte_us or None,
        }
    return {name: value for name, value in fields.items() if value is not None and value != "" and value != []}


def to_json_line(fields: Mapping[str, Any]) -> str:
    """The fields as one line of ASCII JSON: whatever a text holds, it can't end the line."""
    return json.dumps(fields, separators=(",", ":"))


def to_text_line(fields: Mapping[str, Any]) -> str:
    """The same for a reader: `INFO request: POST /v1/chat/completions 200 12.3 ms route=... request_id=...`."""
    elapsed_us = fields.get("elapsed_us", 0)
    elapsed_ms = f"{elapsed_us // 1_000}.{elapsed_us // 100 % 10}"
    # A path may hold what looks like the members behind it.
    path = fields.get("path", "").replace(" ", "%20")
    said = [fields["method"], path, str(fields["status"]), elapsed_ms, "ms"]
    said += [
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in fields.items()
        if name not in _AT_THE_FRONT
    ]
    line = f"{fields['level'].upper()} {fields['event']}: {' '.join(said)}"
    return "".join(character if character.isprintable() else "?" for character in line)


def record_fields(record: logging.LogRecord, at_us: int) -> Fields:
    """What the line of a log record says; the record is redacted already (worker/guard/logs.py)."""
    fields: Fields = {
        "time": rfc3339(at_us),
        "level": record.levelname.lower(),
        "event": "log",
        "logger": record.name,
        "message": record.getMessage(),
        **{name: vars(record)[name] for name in _IDS if vars(record).get(name)},
    }
    if record.exc_text:
        fields["exception"] = record.exc_text
    if record.stack_info:
        fields["stack"] = record.stack_info
    return fields


class JsonFormatter(logging.Formatter):
    """Writes every record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            # Nobody redacted it: no filter of ours is in front of this handler.
            record.exc_text = self.formatException(record.exc_info)
        return to_json_line(record_fields(record, int(record.created * 1_000_000)))
