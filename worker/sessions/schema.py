"""The JSON Schemas (draft 2020-12) of events: what destinations receive and what a capture accepts.

Both come from the table in worker.sessions.fields. BEYOND names what the reader checks and a schema can't say.
"""

from __future__ import annotations

from typing import Any, Final

from worker.sessions.fields import ALIASES, FLAT_GROUPS, GROUPS, KNOWN, SCHEMA_VERSION, Field

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
EVENT_SCHEMA_ID: Final = f"urn:harpoon:session.completed:{SCHEMA_VERSION}"
CAPTURE_SCHEMA_ID: Final = f"urn:harpoon:session.completed:{SCHEMA_VERSION}:capture"
BEYOND: Final = (
    "total_tokens is input_tokens + output_tokens where both are given, and no less than one of them",
    "end_time is not before start_time, and duration_ms is at most 1 ms off their difference",
    "days exist in the calendar, and times lie between 1970 and 9999 in UTC",
    "no count is given under two names, and no extra field under a name that metadata has",
    "numbers have at most 28 digits; those in metadata are at most 2^53-1",
    "sizes: of the text, of a batch, of metadata and its nesting; strict UTF-8 and JSON without duplicate names",
)


def event_schema() -> dict[str, Any]:
    """What a destination receives, before the transforms of a route."""
    groups = {group: _object(group, [f.name for f in KNOWN[group].values() if f.delivered]) for group in GROUPS}
    return {
        "$schema": DIALECT,
        "$id": EVENT_SCHEMA_ID,
        "title": "session.completed",
        "type": "object",
        "properties": _properties("") | groups | {"metadata": {"type": "object"}},
        "required": [f.name for f in KNOWN[""].values() if f.delivered] + [*GROUPS, "metadata"],
    }


def capture_schema() -> dict[str, Any]:
    """One event as a service may report it: full or short."""
    return {
        "$schema": DIALECT,
        "$id": CAPTURE_SCHEMA_ID,
        "title": "session.completed as reported",
        "$comment": "; ".join(("Checked besides", *BEYOND)),
        "type": "object",
        "properties": _properties("") | {"metadata": {"type": ["object", "null"]}, "usage": _usage()},
        "required": ["usage"],
        "if": {"required": ["session"]},
        "then": _full(),
        "else": _short(),
    }


def _full() -> dict[str, Any]:
    session, user = (_object(group, [f.name for f in KNOWN[group].values() if f.in_full]) for group in FLAT_GROUPS)
    flat = [name for group in FLAT_GROUPS for name in KNOWN[group]]
    return {
        "properties": {"session": session, "user": user, "outcome": _outcome()},
        "required": ["user", "outcome"],
        "not": {"anyOf": [{"required": [name]} for name in flat]},
    }


def _short() -> dict[str, Any]:
    user = [{"required": [name]} for name in KNOWN["user"]]
    return {
        "properties": _properties("session") | _properties("user") | {"user": _object("user"), "outcome": _outcome()},
        "required": ["session_id"],
        "not": {"required": ["user"], "anyOf": user},
    }


def _usage() -> dict[str, Any]:
    schema = _object("usage")
    counts = KNOWN["usage"]
    schema["properties"] |= {alias: counts[name].kind.schema() for alias, name in ALIASES.items()}
    parts = [
        {"anyOf": [{"required": [name]}, *({"required": [alias]} for alias, of in ALIASES.items() if of == name)]}
        for name in ALIASES.values()
    ]
    schema["anyOf"] = [{"required": ["total_tokens"]}, {"allOf": parts}]
    return schema


def _outcome() -> dict[str, Any]:
    return {"anyOf": [KNOWN["outcome"]["status"].kind.schema(), _object("outcome", ["status"])]}


def _object(group: str, required: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": _properties(group)}
    return schema | ({"required": required} if required else {})


def _properties(group: str) -> dict[str, Any]:
    return {name: _field(field) for name, field in KNOWN[group].items()}


def _field(field: Field) -> dict[str, Any]:
    schema = field.kind.schema()
    return {"anyOf": [schema, {"type": "null"}]} if field.nullable else schema
