"""Decides how an answer fills a JSON shape: a tool's arguments, or an answer that has to follow a JSON schema.

Values come from the prompt where it names them ("city: Paris", "5 days", "in Paris"); a tool's argument that isn't in
the prompt is left out, a required property of a schema gets a plain value of its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from gateway.simulator.prompt import Prompt
from gateway.simulator.request import JsonObject
from gateway.simulator.sentence import fold, sentences, terms

_DEEPEST = 8
_MOST_ITEMS = 5
_MOST_VALUES = 500
_LONGEST_SEARCH = 4_000  # characters of the prompt in which values are looked for
_NUMBER = re.compile(r"(?<![0-9A-Za-z.])-?[0-9]{1,15}(?:\.[0-9]{1,9})?(?![0-9A-Za-z])")
_PLACE = re.compile(r"\b(?:in|at|for|to|from)\s+([A-Z][A-Za-z'-]*(?:[ ][A-Z][A-Za-z'-]*){0,3}(?:, [A-Z]{2,3}\b)?)")
_PLACES = frozenset({"location", "city", "place", "town", "country", "destination", "region", "address"})
_QUERIES = frozenset({"query", "question", "prompt", "text", "input", "message", "q", "search"})


def call_tool(prompt: Prompt, functions: Sequence[JsonObject]) -> tuple[str, str]:
    """The name and JSON arguments of the function whose name and description share most words with the request."""
    asked = frozenset(terms(prompt.request))

    def shared(function: JsonObject) -> int:
        name, described = str(function["name"]).replace("_", " "), str(function.get("description") or "")
        return 2 * len(asked.intersection(terms(name))) + len(asked.intersection(terms(described)))

    function = max(functions, key=shared)
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    found: JsonObject = {}
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        value = _find_value(prompt, name, schema if isinstance(schema, dict) else {})
        if value is not None:
            found[name] = value
    return str(function["name"]), json.dumps(found, ensure_ascii=False)


def fill_schema(prompt: Prompt, schema: Mapping[str, object], answer: str) -> str:
    """A JSON text for `schema`: strings get `answer` unless the prompt names their value."""
    return json.dumps(_Filler(prompt, schema, answer).fill(schema, "", 0), ensure_ascii=False)


def _kind(schema: Mapping[str, object]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _find_value(prompt: Prompt, name: str, schema: Mapping[str, object]) -> object:
    """The value of property `name` as the prompt gives it, or None."""
    text, kind = prompt.last[:_LONGEST_SEARCH], _kind(schema)
    options = schema.get("enum")
    if isinstance(options, list):
        low = fold(text)
        return next((option for option in options if isinstance(option, str) and fold(option) in low), None)
    label = r"[\s_-]".join(re.escape(part) for part in fold(name).split("_"))
    given = re.search(rf"\b{label}\b['\"]?\s*(?:[:=]|is|of)\s*['\"]?([^\s,;'\"?!][^,;'\"\n?!]{{0,79}})", fold(text))
    said = text[given.start(1) : given.end(1)].strip(" .") if given else None
    if kind in ("integer", "number"):
        return _find_number(said if said and _NUMBER.search(said) else text, kind, alone=not said)
    if kind == "boolean":
        return fold(said) in ("true", "yes", "on") if said else None
    if kind != "string":
        return None
    if said:
        return said
    if frozenset(fold(name).split("_")) & _PLACES and (place := _PLACE.search(text)):
        return place.group(1)
    return prompt.last if fold(name) in _QUERIES and text else None


def _find_number(text: str, kind: str, *, alone: bool) -> object:
    found = _NUMBER.findall(text)
    if not found or (alone and len(found) != 1):
        return None
    return float(found[0]) if kind == "number" and "." in found[0] else int(found[0].split(".")[0])


class _Filler:
    """Builds the simplest value of a schema of at most _MOST_VALUES values; beyond that, and _DEEPEST, null."""

    def __init__(self, prompt: Prompt, root: Mapping[str, object], answer: str) -> None:
        self._prompt = prompt
        self._root = root
        self._answer = answer
        self._left = _MOST_VALUES

    def fill(self, schema: Mapping[str, object], name: str, depth: int) -> object:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        if (inner := _inner_schema(schema, self._root)) is not None:
            return self.fill(inner, name, depth + 1)
        if "const" in schema:
            return schema["const"]
        kind, options = _kind(schema), schema.get("enum")
        found = _find_value(self._prompt, name, schema) if name else None
        if isinstance(options, list) and options:
            return found if found is not None else options[0]
        if kind == "object":
            return self._fill_object(schema, depth)
        if kind == "array":
            return self._fill_array(schema, depth)
        if kind in ("integer", "number"):
            least = schema.get("minimum")
            plain = least if isinstance(least, (int, float)) and not isinstance(least, bool) else 0
            return found if found is not None else plain
        if kind == "boolean":
            return found is True
        return None if kind == "null" else found if isinstance(found, str) else self._answer

    def _fill_object(self, schema: Mapping[str, object], depth: int) -> JsonObject:
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        wanted = [one for one in required if isinstance(one, str)] if isinstance(required, list) else list(known)
        inner = {name: known[name] if isinstance(known.get(name), dict) else {} for name in wanted}
        return {name: self.fill(inner[name], name, depth + 1) for name in inner}

    def _fill_array(self, schema: Mapping[str, object], depth: int) -> list[object]:
        items = schema.get("items")
        inner = items if isinstance(items, dict) else {}
        if _kind(inner) == "string" and not {"enum", "const", "$ref", "anyOf"} & inner.keys():
            return list(sentences(self._answer)[:_MOST_ITEMS])
        return [self.fill(inner, "", depth + 1)]


def _inner_schema(schema: Mapping[str, object], root: Mapping[str, object]) -> Mapping[str, object] | None:
    """What a reference or a choice of schemas stands for: the first that isn't null."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        inner: object = root
        for step in reference.lstrip("#/").split("/") if reference != "#" else ():
            inner = inner.get(step) if isinstance(inner, Mapping) else None
        return inner if isinstance(inner, Mapping) else {}
    for key in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        if isinstance(choices, list):
            return next((one for one in choices if isinstance(one, Mapping) and one.get("type") != "null"), None)
    return None
