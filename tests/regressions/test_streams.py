"""Streams that are delayed, break with a library's next version, or garble characters (spec: regression list, 3)."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.upstream import LAST_CHUNK, STREAM_HEAD, USAGE, Call, event, fault_upstream, framed, whole_stream
from tests.faults.virtual import Answer, Play, World, play, streams
from tests.faults.world import chat, settings_of
from tests.openai_shapes import data_of, stream_findings
from tests.serving import serving

ROOT = Path(__file__).parents[2]
#: Characters of one to four bytes, with marks that join, and a flag of two.
WORDS = ("Grüße", " 你好", " 🌍", " e\u0301", " 🇩🇪", " नमस्ते", " \u0000\u001f", " end")
TEXT = "".join(WORDS)
#: Library modules that are private, and why they are imported all the same; a stream's way meets neither.
PRIVATE = {
    "anyio._backends._asyncio": "imported early at the edge, and only imported: it would hold up an isolate's stream",
    "wasmtime._bindings": "the classifier's kernel; without it the reference classifies",
}


def raw_event(word: str) -> bytes:
    """One event whose characters stand in it as UTF-8, not as JSON's escapes."""
    return b"data: " + json.dumps(json.loads(event(word)[6:]), ensure_ascii=False).encode() + b"\n\n"


#: The whole stream: a chunk for each word, the finish reason, the usage, the end.
EVENTS = [*map(raw_event, WORDS), *whole_stream()[-3:]]


def text_of(body: str) -> str:
    """What a stream says, its characters put together."""
    chunks = [json.loads(payload) for payload in data_of(body) if payload != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def asks(**fields: Any) -> Callable[[World], Any]:
    """A story of one streamed request."""

    async def story(world: World) -> Answer:
        return await world.ask(stream=True, **fields)

    return story


# No fixed delay before the first chunk


@pytest.mark.parametrize("silent_s", [0.0, 0.001, 2.5])
def test_no_delay_is_added_before_the_first_chunk(silent_s: float) -> None:
    """On a clock that passes only while somebody waits: no chunk leaves later than it came, not by a microsecond."""
    first, *rest = EVENTS
    paced = [piece for one in rest for piece in (0.004, one)]
    answer = play([streams(silent_s, first, *paced)], asks())
    leaving = [at for at, _ in answer.pieces]
    assert leaving[0] == silent_s
    # The usage chunk, which this client didn't ask for, is the last but one.
    coming = [round(silent_s + 0.004 * number, 6) for number in range(len(EVENTS))]
    assert leaving == [*coming[:-2], coming[-1]]


def test_nobody_sleeps_on_the_way_of_a_stream() -> None:
    for name in ("worker/api/relaying.py", "worker/upstream/relay.py", "worker/upstream/relay_responses.py"):
        calls = [node for node in ast.walk(tree_of(ROOT / name)) if isinstance(node, ast.Call)]
        slept = {ast.unparse(call) for call in calls if ast.unparse(call.func).endswith("sleep")}
        # Giving way once takes no time: it lets a cancellation come that was taken back.
        assert slept <= {"asyncio.sleep(0)"}, name


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


async def test_the_second_chunk_is_held_until_the_first_was_received(tmp_path: Path) -> None:
    """In lockstep over three processes' sockets: a gateway that keeps anything back stops the story here."""
    received = asyncio.Queue[str]()

    async def lockstep(call: Call) -> None:
        await call.send(STREAM_HEAD)
        for word in WORDS:
            await call.send(framed(raw_event(word)))
            assert await received.get() == word
        await call.send(b"".join(map(framed, EVENTS[-3:])) + LAST_CHUNK)

    async with fault_upstream() as upstream:
        upstream.script = {"first": lockstep}
        with serving(tmp_path / "state", **settings_of(upstream)) as server:
            body = await asyncio.wait_for(read_in_lockstep(f"{server.base}/v1", received), 60)
    assert text_of(body) == TEXT
    assert stream_findings(body, include_usage=False) == []


async def read_in_lockstep(base: str, received: asyncio.Queue[str]) -> str:
    body = ""
    async with (
        httpx.AsyncClient(base_url=base, trust_env=False) as client,
        client.stream("POST", "/chat/completions", json=chat(stream=True)) as answer,
    ):
        async for line in answer.aiter_lines():
            body += line + "\n"
            if line.startswith("data: {") and (word := text_of(line + "\n\n")):
                received.put_nowait(word)
    return body


# A dependency's minor release


def cut_after(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def all_answers(world: World, scripts: list[Play], **fields: Any) -> list[str]:
    """What a client gets for each of these streams, asked for one after the other."""
    world.transport.script = scripts
    return [(await world.ask(stream=True, **fields)).text for _ in scripts]


def test_a_librarys_chunk_boundaries_never_matter() -> None:
    """Whatever pieces an HTTP library hands over, in this version or the next: the client gets the same bytes."""
    data = b"".join(EVENTS)
    cuts = [[data], EVENTS, *(cut_after(data, size) for size in (1, 2, 3, 5, 7, 64, 1_000))]
    cuts += [[data[:at], data[at:]] for at in range(1, len(data))]

    async def story(world: World) -> list[str]:
        return await all_answers(world, [streams(*pieces) for pieces in cuts])

    told = play([], story, HARPOON_ESTIMATES="catalogue")
    assert set(told) == {told[0]}
    assert text_of(told[0]) == TEXT
    assert stream_findings(told[0], include_usage=False) == []


#: The same stream as other servers, and other versions of them, write it.
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "lines end with CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "lines end with CR": lambda data: data.replace(b"\n", b"\r"),
    "no space after the colon": lambda data: data.replace(b"data: ", b"data:"),
    "named events": lambda data: data.replace(b"data: ", b"event: message\nid: 7\nretry: 9\ndata: "),
    "comments between": lambda data: b": ping\n\n" + data.replace(b"\n\n", b"\n\n: ping\n\n"),
    "a byte order mark's worth of empty lines": lambda data: b"\n\n\n" + data.replace(b"\n\n", b"\n\n\n\n"),
    "spaced JSON": lambda data: data.replace(b'":', b'": ').replace(b',"', b', "'),
    "new members": lambda data: data.replace(b'"created":7', b'"created":7,"system_fingerprint":null,"new":[{}]'),
    "members in another order": lambda data: data.replace(
        b'"id":"c1","object":"chat.completion.chunk"', b'"object":"chat.completion.chunk","id":"c1"'
    ),
    "escaped characters": lambda data: b"".join(map(escaped, data.split(b"\n"))),
    "a null usage in every other chunk": lambda data: data.replace(b"null}]}", b'null}],"usage":null}'),
}


def escaped(line: bytes) -> bytes:
    """A line of a stream, everything beyond ASCII as JSON's escapes, surrogate pairs among them."""
    if not line.startswith(b"data: {"):
        return line + b"\n"
    return b"data: " + json.dumps(json.loads(line[6:])).encode() + b"\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("include_usage", [False, True])
def test_a_servers_way_of_writing_a_stream_never_matters(form: str, include_usage: bool) -> None:
    data = FORMS[form](b"".join(EVENTS))
    options = {"stream_options": {"include_usage": True}} if include_usage else {}

    async def story(world: World) -> tuple[list[str], list[dict[str, Any]]]:
        scripts = [streams(*cut_after(data, size)) for size in (1, 13, len(data))]
        return await all_answers(world, scripts, **options), await world.records()

    told, records = play([], story, HARPOON_ESTIMATES="catalogue")
    for body in told:
        assert text_of(body) == TEXT
        assert stream_findings(body, include_usage=include_usage) == []
    for record in records:
        assert (record["outcome"]["outcome"], record["outcome"]["usage"]) == ("success", "reported")
        assert record["outcome"]["output_tokens"] == USAGE["completion_tokens"]


def test_no_dependency_comes_in_a_version_that_was_not_tested() -> None:
    """Whatever a minor release changes: it comes when the pin is raised, and then these tests meet it first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [line.partition(";")[0] for group in groups for line in group]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted += [line for line in constraints if line and not line.startswith("#")]
    assert [line for line in wanted if "==" not in line or "*" in line] == []


def test_nothing_private_of_a_library_is_imported() -> None:
    """A name with an underscore may be gone in a minor release; the path of a stream depends on none."""
    own = {"worker", "gateway", "wasm_classifier"}
    found = {
        name
        for folder in own
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(tree_of(path))
        if name.partition(".")[0] not in own | set(sys.stdlib_module_names)
    }
    private = {name for name in found if any(part.startswith("_") for part in name.split("."))}
    assert private <= set(PRIVATE)
    assert {"starlette.types.Scope", "httptools"} & found


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, and every name from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Multi-byte characters


@pytest.mark.parametrize("include_usage", [False, True])
async def test_multi_byte_characters_split_across_chunks_arrive_whole(tmp_path: Path, include_usage: bool) -> None:
    """Every byte is a chunk and a packet of its own, over real sockets."""

    async def byte_by_byte(call: Call) -> None:
        await call.send(STREAM_HEAD)
        for byte in b"".join(raw_event(word) for word in WORDS) + b"".join(whole_stream()[-3:]):
            await call.send(framed(bytes([byte])))
        await call.send(LAST_CHUNK)

    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    async with fault_upstream() as upstream:
        upstream.script = {"first": byte_by_byte}
        with serving(tmp_path / "state", **settings_of(upstream)) as server:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                body = chat(stream=True, **options)
                answer = await client.post(f"{server.base}/v1/chat/completions", json=body)
    assert text_of(answer.content.decode("utf-8")) == TEXT
    assert "\ufffd" not in answer.text
    assert stream_findings(answer.text, include_usage=include_usage) == []
