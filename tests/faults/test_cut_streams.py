"""A short stream cut at every byte, in both framings: it looks complete exactly if nothing of the answer is missing."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.faults.upstream import LAST_CHUNK, STREAM_HEAD, USAGE, Call, fault_upstream, framed, whole_stream
from tests.faults.world import MAX_TOKENS, ROUTES, chat, three_routes
from tests.openai_shapes import data_of, error_findings, stream_findings
from worker.errors import HarpoonError
from worker.strict_json import parse_json

CONTENTS = ("Gr\u00fc\u00dfe", " \U0001f30d")
EVENTS = whole_stream(*CONTENTS)
#: Tokens counted when so many of the contents came through: one for every four bytes.
TOKENS = (0, 2, 3)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


class Seen(NamedTuple):
    """What should come of a stream: how many contents, whether it is complete, and whether usage was reported."""

    contents: int
    complete: bool
    reported: bool


def whole_events(payload: bytes, is_end: bool) -> list[bytes]:
    """The payloads of the events that are whole; at the end of the stream the last one may lack its empty line."""
    *events, rest = payload.split(b"\n\n")
    found = [event.removeprefix(b"data: ") for event in events]
    if is_end and (rest.strip() == b"data: [DONE]" or is_json(rest.removeprefix(b"data: "))):
        found.append(rest.strip().removeprefix(b"data: "))
    return found


def is_json(text: bytes) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except HarpoonError:
        return False


def expected(payload: bytes, is_end: bool) -> Seen | None:
    """What should come of these bytes, or None if not even the first event is whole."""
    if not whole_events(payload, is_end):
        return None
    events = whole_events(payload, True)
    chunks = [json.loads(event) for event in events if event != b"[DONE]"]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    contents = sum("content" in choice["delta"] for chunk in chunks for choice in chunk["choices"])
    return Seen(contents, "stop" in finishes, any("usage" in chunk for chunk in chunks))


def cuts() -> list[tuple[bytes, Seen | None]]:
    """Every beginning of the answer's bytes in either framing, and what should come of it."""
    found: list[tuple[bytes, Seen | None]] = []
    payload = b"".join(EVENTS)
    for position in range(len(UNTIL_CLOSED + payload) + 1):
        data = (UNTIL_CLOSED + payload)[:position]
        found.append((data, expected(data[len(UNTIL_CLOSED) :], True)))
    chunked, data_bytes = STREAM_HEAD, b""
    for event in [*EVENTS, b""]:
        coded = framed(event) if event else LAST_CHUNK
        start = coded.index(b"\r\n") + 2
        for position in range(1, len(coded) + 1):
            have = data_bytes + event[: max(0, position - start)]
            is_end = not event and position == len(coded)
            found.append((chunked + coded[:position], expected(have, is_end)))
        chunked, data_bytes = chunked + coded, data_bytes + event
    return found


def text_of(chunks: list[Any]) -> str:
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream_cut_at_every_byte(include_usage: bool) -> None:
    tried = 0
    async with fault_upstream() as upstream:
        async with three_routes(
            upstream, silence_us=10_000_000, HARPOON_MAX_FALLBACKS="0", HARPOON_ESTIMATES="catalogue"
        ) as harpoon:
            options = {"stream_options": {"include_usage": True}} if include_usage else {}
            for data, seen in cuts()[:: 3 if include_usage else 1]:

                async def play(call: Call, data: bytes = data) -> None:
                    await call.send(data)
                    call.close()

                upstream.script = {"first": play}
                answer = await harpoon.client.post("/chat/completions", json=chat(stream=True, **options))
                body_bytes = len(answer.request.content)
                if seen is None:
                    assert answer.status_code == 503, data
                    assert error_findings(answer.json()) == []
                    billed = body_bytes + 2 * MAX_TOKENS
                else:
                    assert answer.status_code == 200, data
                    check_stream(answer.text, seen, include_usage)
                    billed = -(-body_bytes // 4) + 2 * TOKENS[seen.contents]
                    if seen.complete and seen.reported:
                        billed = USAGE["prompt_tokens"] + 2 * USAGE["completion_tokens"]
                await harpoon.none_open()
                decision = answer.headers["x-harpoon-decision-id"]
                record = (await harpoon.client.get(f"/decisions/{decision}")).json()
                assert record["cost_usd_micros"] == billed, data
                assert record["selected"] == ROUTES[0]
                tried += 1
            _, reserved, overrun = await harpoon.money()
            assert (reserved, overrun) == (0, 0)
            assert await harpoon.entries("SESSION_COMPLETION") == tried
            await upstream.settled()
        await upstream.left()
    assert tried == len(upstream.calls) > (400 if include_usage else 1_200)


def check_stream(text: str, seen: Seen, include_usage: bool) -> None:
    events = data_of(text)
    assert ("[DONE]" in events) is seen.complete
    said = "".join(CONTENTS[: seen.contents])
    if seen.complete:
        findings = stream_findings(text, include_usage=include_usage and seen.reported)
        # Without a report there is nothing to put into the usage chunk that was asked for.
        assert findings == [] or (include_usage and not seen.reported)
        assert text_of([json.loads(event) for event in events[:-1]]) == said
    else:
        error = json.loads(events[-1])
        assert error_findings(error) == []
        assert error["error"]["type"] == "upstream_error"
        assert text_of([json.loads(event) for event in events[:-1]]) == said
