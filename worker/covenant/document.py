"""The body a covenant is created from: what it describes, kept word for word, and the limits it sets.

Described: title, description, an intent (under any of four names), reality_state and target_state in one of two forms
or with repositories, objectives and the like, and metadata. What a state holds is the tenant's own and kept as it is;
only the members named here have a form to keep to. The limits are `covenant` (words, an object, or "from_prompt": the
labelled lines of the intent), `text` (words, kept as `covenant`) or `constraints` (an object). An unknown field is
refused, because a limit that was mistyped would otherwise be none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.covenant.policy import Policy
from worker.covenant.reader import read_covenant
from worker.covenant.requested import NOTHING_REQUESTED, Requested, requested_covenant
from worker.covenant.served import MAX_COVENANT_CHARACTERS
from worker.errors import MalformedRequest, UnreadableCovenant
from worker.strict_json import JsonLimits, JsonObject, parse_object

MAX_TITLE_CHARACTERS = 300
MAX_DOCUMENT_BYTES = 64 * 1024
INTENT_NAMES = ("intent", "user_intent", "query", "prompt")
DESCRIBING = ("title", "description", "intent", "reality_state", "target_state", "metadata")
LIMITING = ("covenant", "constraints")
#: Another name of `covenant`, for words.
WORDS = "text"
_FIELDS = frozenset((*DESCRIBING, *INTENT_NAMES, *LIMITING, WORDS))
#: Members of the states that have a form: of the service's clients, and of its predecessor's.
_STATES: Mapping[str, Mapping[str, str]] = {
    "reality_state": {
        "description": "a string",
        "key_aspects": "a list of strings",
        "repositories": "a list",
        "function_references": "a list",
        "complexity_assessment": "an object",
    },
    "target_state": {
        "description": "a string",
        "success_criteria": "a list of strings",
        "objectives": "a list",
        "constraints": "a list",
    },
}


class Document(NamedTuple):
    """A checked body: the policy it sets, its JSON text to be kept, and what of its limits was left out."""

    policy: Policy
    text: str
    warnings: tuple[str, ...]


def parse_document(body: bytes, lenient: bool, limits: JsonLimits) -> Document:
    """A covenant's body, checked.

    Args: lenient: leave out of its limits what can't be read, instead of refusing it.
    Raises: MalformedRequest, RequestTooLarge; UnreadableCovenant.
    """
    parsed = parse_object(body, limits)
    given = [name for name, value in parsed.values.items() if value is not None]
    if len([name for name in given if name in INTENT_NAMES]) > 1:
        raise MalformedRequest(f"give the intent once: in one of {', '.join(INTENT_NAMES)}", param="intent")
    if len([name for name in given if name in (*LIMITING, WORDS)]) > 1:
        raise UnreadableCovenant("give the limits once: in text, covenant or constraints", param="covenant")
    kept = {_kept_name(name): parsed.raw[name] for name in given}
    values = {_kept_name(name): value for name, value in parsed.values.items() if value is not None}
    _check(values)
    text = "{" + ",".join(f"{json.dumps(name)}:{raw}" for name, raw in kept.items()) + "}"
    if len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise MalformedRequest(f"a covenant has at most {MAX_DOCUMENT_BYTES} bytes", param=None)
    if WORDS in given and not isinstance(parsed.values[WORDS], str):
        raise MalformedRequest("text must be a string", param=WORDS)
    asked = _limits_of(kept, values, lenient, limits)
    return Document(asked.policy, text, asked.warnings + _unkept(values))


def _kept_name(name: str) -> str:
    return "intent" if name in INTENT_NAMES else "covenant" if name == WORDS else name


def _check(values: Mapping[str, Any]) -> None:
    """Raises: MalformedRequest naming the first field of another form."""
    unknown = sorted(values.keys() - _FIELDS)
    if unknown:
        raise MalformedRequest(
            f"a covenant has no such field; it has {', '.join((*DESCRIBING, *LIMITING))}", param=unknown[0][:64]
        )
    for name in ("title", "description", "intent"):
        if not isinstance(values.get(name, ""), str):
            raise MalformedRequest(f"{name} must be a string", param=name)
    if not any(values.get(name) for name in ("title", "intent", *LIMITING)):
        raise MalformedRequest("a covenant needs a title, an intent, or limits in text or covenant", param="title")
    if len(values.get("title", "")) > MAX_TITLE_CHARACTERS:
        raise MalformedRequest(f"title has at most {MAX_TITLE_CHARACTERS} characters", param="title")
    for name in ("reality_state", "target_state", "metadata"):
        if not isinstance(values.get(name, {}), dict):
            raise MalformedRequest(f"{name} must be an object", param=name)
    for state, members in _STATES.items():
        for member, form in members.items():
            value = values.get(state, {}).get(member)
            if value is not None and not _has_form(value, form):
                raise MalformedRequest(f"{state}.{member} must be {form}", param=f"{state}.{member}")


def _has_form(value: Any, form: str) -> bool:
    if form == "a string":
        return isinstance(value, str)
    if form == "an object":
        return isinstance(value, dict)
    return isinstance(value, list) and (form == "a list" or all(isinstance(item, str) for item in value))


def _unkept(values: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning for an intent that names an amount or a time, where no limits are given: nothing is kept to it."""
    intent = values.get("intent", "")
    if any(name in values for name in LIMITING) or len(intent) > MAX_COVENANT_CHARACTERS or not intent:
        return ()
    reading = read_covenant(intent)
    words = [reading.words_of(clause) for clause in reading.clauses if clause.field in ("budget_usd", "deadline_s")]
    if not words:
        return ()
    told = ", ".join(f'"{word}"' for word in words)
    return (f"an intent sets no limit: {told} is not kept to; say it in covenant",)


def _limits_of(kept: Mapping[str, str], values: Mapping[str, Any], lenient: bool, limits: JsonLimits) -> Requested:
    given = [name for name in LIMITING if name in values]
    if not given:
        return NOTHING_REQUESTED
    if given == ["constraints"] and not isinstance(values["constraints"], dict):
        raise UnreadableCovenant('constraints must be an object, such as {"max_cost": 2}', param="constraints")
    member = JsonObject({}, {"covenant": kept[given[0]]}, {})
    asked = requested_covenant(member, None, lenient, lambda: values.get("intent", ""), limits)
    if asked.covenant_id:
        raise UnreadableCovenant("a covenant can't be made of another's id: say what it limits", param="covenant")
    return asked
