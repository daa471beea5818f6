"""What the simulator's tests share: a clock that only moves when someone waits, and OpenAI's shapes in short."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.pace import Pacing
from gateway.simulator.platform.clock import VirtualClock

MODEL = "llama-3.1-8b-instruct"

LEASE = (
    "The lease between Northwind and the city runs for ten years. Rent rises by three percent every January. "
    "If a payment is late by more than thirty days, the city may terminate the lease. "
    "Northwind must insure the building against fire and flood. "
    "The roof was last repaired in 2009 and may fail in a storm. Parking is available for twelve cars. "
    "Repairs above $5,000 need written approval of the city. "
    "The deposit of $40,000 is lost if Northwind leaves before year five."
)


class PlatformTime:
    """The simulator's view of a virtual clock, so that what it says of elapsed time is that clock's."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now_us(self) -> int:
        return 1_800_000_000_000_000 + self._clock.now_us()

    def monotonic_us(self) -> int:
        return self._clock.now_us()


def make_simulator(clock: VirtualClock | None = None, pacing: Pacing | None = None) -> Simulator:
    """A simulator whose answers wait for `pacing` on `clock`; without them for nothing."""
    return Simulator(SimulatorSettings(frozenset({MODEL, "tiny"})), PlatformTime(clock or VirtualClock()), pacing)


def chat_body(text: str, **fields: object) -> dict[str, object]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def _object(required: dict[str, object], optional: dict[str, object] | None = None) -> dict[str, object]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_STRING: dict[str, object] = {"type": "string"}
_COUNT: dict[str, object] = {"type": "integer", "minimum": 0}
_TEXT: dict[str, object] = {"type": ["string", "null"]}
_NULL: dict[str, object] = {"type": "null"}
_REASONS = ["stop", "length", "tool_calls"]
_USAGE = _object({"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT})
_FUNCTION = _object({"name": _STRING, "arguments": _STRING})
_CALL = _object({"id": _STRING, "type": {"const": "function"}, "function": _FUNCTION})
_MESSAGE = _object(
    {"role": {"const": "assistant"}, "content": _TEXT, "refusal": _NULL},
    {"tool_calls": {"type": "array", "items": _CALL}},
)
_CHOICE = _object({"index": _COUNT, "message": _MESSAGE, "logprobs": _NULL, "finish_reason": {"enum": _REASONS}})
_HEAD: dict[str, object] = {"id": _STRING, "created": _COUNT, "model": _STRING, "system_fingerprint": _STRING}
COMPLETION = _object(
    {**_HEAD, "object": {"const": "chat.completion"}, "usage": _USAGE, "choices": {"type": "array", "items": _CHOICE}}
)
_CALL_PIECE = _object(
    {"index": _COUNT, "function": _object({"arguments": _STRING}, {"name": _STRING})},
    {"id": _STRING, "type": {"const": "function"}},
)
_DELTA = _object(
    {}, {"role": _STRING, "content": _TEXT, "refusal": _NULL, "tool_calls": {"type": "array", "items": _CALL_PIECE}}
)
_CHUNK_CHOICE = _object(
    {"index": _COUNT, "delta": _DELTA, "logprobs": _NULL, "finish_reason": {"enum": [*_REASONS, None]}}
)
CHUNK = _object(
    {**_HEAD, "object": {"const": "chat.completion.chunk"}, "choices": {"type": "array", "items": _CHUNK_CHOICE}},
    {"usage": {"anyOf": [_NULL, _USAGE]}},
)
ERROR = _object(
    {"error": _object({"message": {"type": "string", "minLength": 1}, "type": _STRING, "param": _TEXT, "code": _TEXT})}
)


def check_shape(value: object, shape: dict[str, object]) -> None:
    faults = [f"{list(fault.path)}: {fault.message}" for fault in Draft202012Validator(shape).iter_errors(value)]
    assert faults == []


def read_events(data: bytes) -> list[dict[str, Any]]:
    """The chunks of a whole stream, which has to end with [DONE]."""
    events = data.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
