"""Requests of every kind for comparing decisions: the same bytes each time, made by arithmetic alone.

Rows go round the lanes; a lane is one tenant, whose requests are sent one after the other. A budget by the hour, day or
month is named once per lane only, so that the hour in which the table is sent never matters. Deadlines are either far
longer than an answer takes or shorter than any route promises, so that no machine is too slow for one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

LANES = 8
ROWS = 232
WINDOWS = ("per_hour", "per_day", "per_month")

_SENTENCE = "The quarterly report says that revenue rose by 4.5% in March, but costs rose faster; explain why. "
_CODE = 'def area(r):\n\treturn 3.14 * r ** 2\n\n# Why is `area("2")` an error? Fix it & add a test <here>.\n'
TEXTS = (
    "Hello!",
    "What is a vGPU?",
    "",
    " \t\r\n ",
    "Summarise in one sentence: " + _SENTENCE * 3,
    _SENTENCE * 40,
    "Translate into French: the quick brown fox jumps over the lazy dog.",
    _CODE,
    _CODE * 12 + "Prove that the sum of the first n odd numbers is n^2, step by step.",
    "SELECT name FROM users WHERE id = 1; -- is this query safe? Why, or why not?",
    "1) alpha\n2) beta\n3) gamma\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    "Solve 3x^2 - 12x + 9 = 0, then integrate x*e^x dx from 0 to 1 and show every step of the derivation.",
    "\u6771\u4eac\u306e\u5929\u6c17\u3092\u6559\u3048\u3066\u304f\u3060\u3055\u3044\u3002\u660e\u65e5\u306f\u96e8\u3067\u3059\u304b\uff1f",
    "\u8bf7\u7528\u4e09\u53e5\u8bdd\u603b\u7ed3\u4e0b\u9762\u7684\u6587\u7ae0\u3002" * 30,
    "\u0645\u0631\u062d\u0628\u0627\u060c \u0643\u064a\u0641 \u064a\u0639\u0645\u0644 "
    "\u0627\u0644\u0630\u0643\u0627\u0621 \u0627\u0644\u0627\u0635\u0637\u0646\u0627\u0639\u064a\u061f",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd \u202b(mixed \u202atext\u202c)\u202c \u05d5\u05e2\u05d5\u05d3",
    "\U0001f40b\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 "
    "tell a story about \U0001f1e9\U0001f1ea and \U0001f44d\U0001f3fd!",
    "e\u0301\u0301\u0301 Z\u0351\u034b\u0347 \u1e9e \u0130\u0131 \ufb01ne \u00bd \u0661\u0662\u0663 \u2167",
    'Quotes " and \\ backslashes \\" in {"json": ["\\u0041", null]} and </script>, \u2028 \u2029 \u0000 \u007f end',
    "\ue000\ufdd0\uffff\U0010ffff \ufeffbom inside",
    "Write a complete, production-ready distributed rate limiter in Rust with tests. " * 15,
)
MODELS = (
    "auto",
    "llama-3.1-8b-instruct",
    "auto",
    "simulator/qwen3-30b-a3b",
    "auto",
    "qwen3-30b-a3b",
    "auto",
    "simulator/llama-3.1-8b-instruct",
    "auto",
    "gpt-4o",
    "groq/llama-3.1-8b-instant",
    "qwen3-32b",
    "auto",
    "openai/gpt-4o-mini",
    "hosted-ai/llama-3.1-8b-instruct",
    "workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast",
)
_BUDGETS = (5, 0.002, 0.0000007, 0, 12.345678, 1_000_000, 1e-3, 0.05)
_DEADLINES_S = (None, 30, None, 0.001, 8, 0.1, 300, 60.000001)
_SCOPES = (None, "total", "per_request", "per_1m_tokens")
_PRIORITIES = (None, "balanced", "cost_optimized", "max_performance", "max_security")
_QUALITIES = (None, "high", "medium", "low")
_RESIDENCIES = (None, ["EU"], None, ["DE"], ["US"], None, ["DE", "FR", "CH"])
_EXCLUDED = (None, None, None, ["US"], None, ["DE"], ["EU"], None, None)
_REQUIREMENTS = (None, None, ["gdpr"], None, ["no_logging", "encrypted"], None, ["fips"], None, None, ["local_only"])
_FLAGS = (None, None, None, ["multi_limit"], None, ["injection", "contradiction"], None, None, None, None, None)
_TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
_SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_FORMATS = (
    None,
    None,
    {"type": "text"},
    None,
    {"type": "json_object"},
    None,
    {"type": "json_schema", "json_schema": {"name": "reply", "schema": _SCHEMA}},
)
_EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.7, "top_p": 0.95},
    {"seed": 42, "stop": ["END"], "user": "someone"},
    {"x_unknown": [0.1, 1e-7, 2.5e10, -0.0, {"deep": [[1.000000000000001]]}]},
    {"logit_bias": {"50256": -100}, "presence_penalty": -0.25},
    {"metadata": {"k\u00fc": "\u00fc"}, "provider_hint": None, "big": 9007199254740993},
)


@dataclass(frozen=True, slots=True)
class Row:
    """One request: a name that says what is special about it, its exact bytes, and its covenant header, if any."""

    name: str
    lane: int
    body: bytes
    covenant: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, without the token."""
        given = {"content-type": "application/json"}
        return given if self.covenant is None else {**given, "x-harpoon-covenant": self.covenant}


class _Dice:
    """A linear congruential generator (modulus 2^32): small whole numbers, the same ones everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def roll(self, sides: int) -> int:
        self._state = (self._state * 1_664_525 + 1_013_904_223) % 2**32
        return (self._state >> 12) % sides

    def pick(self, choices: Any) -> Any:
        return choices[self.roll(len(choices))]


def _covenant(number: int, dice: _Dice) -> dict[str, Any] | None:
    """Fields of a covenant; every row draws all of them, so that one more field changes no other."""
    drawn = {
        "budget_usd": dice.pick(_BUDGETS),
        "budget_scope": dice.pick(_SCOPES),
        "deadline_s": dice.pick(_DEADLINES_S),
        "quality": dice.pick(_QUALITIES),
        "priority": dice.pick(_PRIORITIES),
        "residency": dice.pick(_RESIDENCIES),
        "residency_exclude": dice.pick(_EXCLUDED),
        "requirements": dice.pick(_REQUIREMENTS),
        "flags": dice.pick(_FLAGS),
    }
    kept = [dice.roll(8) < 3 for _ in drawn]
    if number < LANES * len(WINDOWS):
        return {"budget_usd": dice.pick((0.01, 0.00001, 2)), "budget_scope": WINDOWS[number // LANES]}
    fields = {
        name: value for (name, value), keep in zip(drawn.items(), kept, strict=True) if keep and value is not None
    }
    if "budget_usd" not in fields:
        fields.pop("budget_scope", None)
    return fields if number % 7 else None


def _messages(number: int, dice: _Dice) -> list[dict[str, Any]]:
    text, context = TEXTS[number % len(TEXTS)], dice.pick(TEXTS)
    shape = dice.roll(6)
    if shape == 0:
        return [{"role": "system", "content": context}, {"role": "user", "content": text}]
    if shape == 1:
        parts = [{"type": "text", "text": text}, {"type": "text", "text": context}]
        return [{"role": "user", "content": parts}]
    if shape == 2:
        earlier = [{"role": "user", "content": context}, {"role": "assistant", "content": "Yes."}]
        return [*earlier, {"role": "user", "name": "ann", "content": text}]
    if shape == 3 and number % 3 == 0:
        image = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}}
        return [{"role": "user", "content": [{"type": "text", "text": text}, image]}]
    return [{"role": "user", "content": text}]


def _body(number: int, dice: _Dice, covenant: dict[str, Any] | None) -> bytes:
    fields: dict[str, Any] = {"model": MODELS[number % len(MODELS)], "messages": _messages(number, dice)}
    limit, choices, format_ = dice.pick((None, 1, 64, 500, 8_192)), dice.pick((None, None, 1, 3)), dice.pick(_FORMATS)
    if limit is not None:
        fields[dice.pick(("max_tokens", "max_completion_tokens"))] = limit
    if choices is not None:
        fields["n"] = choices
    if format_ is not None:
        fields["response_format"] = format_
    if dice.roll(5) == 0:
        fields["tools"] = _TOOLS
    if dice.roll(4) == 0:
        fields["stream"] = True
    fields |= dice.pick(_EXTRAS)
    if covenant is not None:
        fields = {"covenant": covenant, **fields} if number % 2 else {**fields, "covenant": covenant}
    separators = ((",", ":"), (", ", ": "), (" ,\n", " :\t"))[dice.roll(3)]
    return json.dumps(fields, ensure_ascii=dice.roll(2) == 0, separators=separators).encode()


def decision_table() -> list[Row]:
    """The rows, in the order in which each lane sends its own."""
    rows = []
    for number in range(ROWS):
        dice = _Dice(number * 2_654_435_761 % 2**32)
        covenant = _covenant(number, dice)
        in_header = covenant is not None and dice.roll(3) == 0
        body = _body(number, dice, None if in_header else covenant)
        said = "no covenant" if covenant is None else ",".join(covenant) or "empty covenant"
        place = " in the header" if in_header else ""
        name = f"{number:03d} {MODELS[number % len(MODELS)]}: {said}{place}"
        rows.append(Row(name, number % LANES, body, json.dumps(covenant) if in_header else None))
    return rows
