"""A request's trace, from its headers to its providers', its answer and its event; and what an observer is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.contracts.misbehaving_server import Server, read_request
from tests.worker.api.application_kit import (
    EVENT_STREAM,
    Application,
    answers,
    answers_bytes,
    application,
    ask,
    chunk_bytes,
    http_answer,
    streams,
    two_providers,
)
from worker.telemetry import Finished
from worker.trace_context import Parent, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=state"}
MODEL = "hosted-ai/llama-3.1-8b-instruct"


class Listener:
    """An observer that keeps what it is told, and records every trace that begins here."""

    def __init__(self) -> None:
        self.told: list[Finished] = []

    def samples(self, _: str, parent_is_sampled: bool | None) -> bool:
        return parent_is_sampled is not False

    def finished(self, request: Finished) -> None:
        self.told.append(request)


class Upstream:
    """A provider that answers each call in turn with one of these; keeps the headers it was sent."""

    def __init__(self, *played: bytes) -> None:
        self.played = list(played)
        self.heads: list[dict[str, str]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await read_request(reader)).decode().split("\r\n")[1:-2]
        self.heads.append({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
        writer.write(self.played.pop(0) if self.played else answers_bytes())
        await writer.drain()


async def asked(upstream: Upstream, headers: dict[str, str], body: Any = None, **settings: Any) -> tuple[Any, Any]:
    """The answer to one request whose provider is `upstream`, and the record of its decision."""
    async with Server(upstream) as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=base, **settings) as harpoon:
            answer = await harpoon.client.post("/chat/completions", json=body or ask(), headers=headers)
            await harpoon.none_open()
            rows = await harpoon.rows("SELECT tenant, decision_id FROM decision")
            record = await harpoon.mediator.read(str(rows[0][0]), str(rows[0][1])) if rows else None
            return answer, record


def parent_in(headers: Any) -> Parent:
    found = parse_traceparent(headers["traceparent"])
    assert found is not None
    return found


async def test_a_callers_trace_is_gone_on_with_and_handed_on() -> None:
    upstream = Upstream()
    answer, record = await asked(upstream, CALLER)
    told, sent = parent_in(answer.headers), parent_in(upstream.heads[0])
    assert told.trace_id == sent.trace_id == TRACE
    assert len({SPAN, told.span_id, sent.span_id}) == 3, "the request and its attempt have spans of their own"
    assert told.is_sampled
    assert sent.is_sampled
    assert upstream.heads[0]["tracestate"] == "vendor=state"
    assert record["outcome"]["trace_id"] == TRACE
    assert TRACE not in json.dumps(record["decision"]), "no decision is made from it"


async def test_without_a_callers_trace_nothing_is_told_or_sent() -> None:
    upstream = Upstream()
    answer, record = await asked(upstream, {})
    assert "traceparent" not in answer.headers
    assert "traceparent" not in upstream.heads[0]
    assert "trace_id" not in record["outcome"]


async def test_always_begins_a_trace_that_nobody_has_recorded() -> None:
    upstream = Upstream()
    answer, record = await asked(upstream, {}, HARPOON_TRACE="always")
    told, sent = parent_in(answer.headers), parent_in(upstream.heads[0])
    assert told.trace_id == sent.trace_id == record["outcome"]["trace_id"]
    assert not told.is_sampled


@pytest.mark.parametrize("traceparent", ["", "00-nonsense", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"])
async def test_a_malformed_trace_is_a_new_one_and_never_an_error(traceparent: str) -> None:
    upstream = Upstream()
    answer, _ = await asked(upstream, {"traceparent": traceparent, "tracestate": "vendor=state"})
    assert answer.status_code == 200
    told = parent_in(answer.headers)
    assert told.trace_id not in (TRACE, "0" * 32)
    assert parent_in(upstream.heads[0]).trace_id == told.trace_id
    assert "tracestate" not in upstream.heads[0], "it belonged to the trace that could not be read"


async def test_a_malformed_state_is_left_out() -> None:
    upstream = Upstream()
    await asked(upstream, {**CALLER, "tracestate": "No,such=list"})
    assert parent_in(upstream.heads[0]).trace_id == TRACE
    assert "tracestate" not in upstream.heads[0]


async def test_providers_are_told_nothing_if_the_operator_says_so() -> None:
    upstream = Upstream()
    answer, record = await asked(upstream, CALLER, HARPOON_TRACE_PROVIDERS="off")
    assert parent_in(answer.headers).trace_id == record["outcome"]["trace_id"] == TRACE
    assert not {"traceparent", "tracestate"} & set(upstream.heads[0])


async def test_off_is_off() -> None:
    upstream = Upstream()
    answer, record = await asked(upstream, CALLER, HARPOON_TRACE="off")
    assert "traceparent" not in answer.headers
    assert not {"traceparent", "tracestate"} & set(upstream.heads[0])
    assert "trace_id" not in record["outcome"]


async def test_who_wants_no_trace_left_is_not_traced_by_others() -> None:
    upstream = Upstream()
    body = ask(covenant={"priority": "max_security"})
    answer, _ = await asked(upstream, CALLER, body)
    assert answer.status_code == 200
    assert parent_in(answer.headers).trace_id == TRACE
    assert not {"traceparent", "tracestate"} & set(upstream.heads[0])


async def test_every_attempt_has_a_span_of_its_own() -> None:
    upstream = Upstream(http_answer(503, b"{}", "retry-after: 0\r\n"))
    answer, _ = await asked(upstream, CALLER, ask(model=MODEL), HARPOON_MAX_FALLBACKS="0")
    assert (answer.status_code, answer.headers["x-harpoon-attempts"]) == (200, "2")
    first, second = map(parent_in, upstream.heads)
    assert first.trace_id == second.trace_id == TRACE
    assert first.span_id != second.span_id


async def test_the_same_request_gets_the_same_decision_whatever_its_trace() -> None:
    digests = set()
    for headers in ({}, CALLER, {"traceparent": "nonsense"}):
        _, record = await asked(Upstream(), headers, HARPOON_ESTIMATES="catalogue")
        digests.add(record["decision_digest"])
    assert len(digests) == 1


async def test_refusals_and_other_endpoints_tell_the_trace_too() -> None:
    async with application(HARPOON_TOKENS="hk_acme_0123456789") as harpoon:
        for method, path in (("POST", "/chat/completions"), ("GET", "/models"), ("GET", "/nowhere")):
            answer = await harpoon.client.request(method, path, headers=CALLER)
            assert answer.status_code in (401, 404)
            assert parent_in(answer.headers).trace_id == TRACE


async def heard(listener: Listener) -> Finished:
    """The only request told; its answer's last byte may leave before its end is told."""
    async with asyncio.timeout(10):
        while not listener.told:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert len(listener.told) == 1
    return listener.told[0]


async def one_request(harpoon: Application, listener: Listener, **fields: Any) -> Finished:
    listener.told.clear()
    await harpoon.client.post("/chat/completions", json=ask(**fields), headers=CALLER)
    return await heard(listener)


async def test_an_observer_is_told_of_an_answer() -> None:
    listener, upstream = Listener(), Upstream()
    async with Server(upstream) as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=base, observer=listener) as harpoon:
            told = await one_request(harpoon, listener)
            record = await harpoon.settled()
    assert (told.method, told.path, told.endpoint, told.status) == ("POST", "/v1/chat/completions", "chat", 200)
    assert told.request_id == record["request_id"]
    assert told.decision_id == record["id"]
    assert (told.trace.trace_id, told.trace.parent_id) == (TRACE, SPAN)
    assert told.facts is not None
    assert told.facts.tenant == "local"
    assert told.settlement is not None
    assert told.settlement.outcome == "success"
    assert told.cost_usd_micros == record["charged_usd_micros"]
    (step,) = told.steps
    assert step.span_id == parent_in(upstream.heads[0]).span_id
    assert step.attempt.cause == "ok"
    assert step.asked
    assert told.at_us <= step.at_us <= told.at_us + told.elapsed_us


async def test_an_observer_is_told_of_a_stream_and_who_answered() -> None:
    listener = Listener()
    async with two_providers(None, streams("A ", "share."), observer=listener, HARPOON_MAX_RETRIES="0") as harpoon:
        told = await one_request(harpoon, listener, stream=True)
    assert told.is_stream
    assert [(step.attempt.cause, step.answered) for step in told.steps] == [("connect", ""), ("ok", "m")]
    assert told.settlement is not None
    assert (told.settlement.input_tokens, told.settlement.output_tokens) == (9, 4)


async def test_a_stream_that_nobody_names_a_model_in() -> None:
    listener = Listener()
    said = chunk_bytes('"model": "fake"').replace(b', "model": "m"', b"")
    upstream = Upstream(EVENT_STREAM + said)
    async with Server(upstream) as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=base, observer=listener) as harpoon:
            told = await one_request(harpoon, listener, stream=True)
    assert [step.answered for step in told.steps] == [""], "what an answer says is no member of it"


async def test_an_observer_is_told_of_refusals_with_their_codes_and_no_words() -> None:
    listener = Listener()
    async with application(observer=listener) as harpoon:
        told = await one_request(harpoon, listener, covenant="$0.00000001 budget")
        assert (told.status, told.error) == (402, "budget_exceeded")
        assert "COST_BOUND_EXCEEDED" in told.reasons
        assert told.settlement is None
        told = await one_request(harpoon, listener, covenant="ends at noon, whatever canary means")
        assert (told.status, told.reasons) == (422, ())
        assert "canary" not in repr(told)
        told = await one_request(harpoon, listener, model="nobody/knows-it")
        assert (told.status, told.facts) == (404, None)
        listener.told.clear()
        await harpoon.client.get("http://localhost/health")
        told = await heard(listener)
        assert (told.path, told.endpoint, told.status) == ("/health", "", 200)


async def test_a_tenant_that_is_only_claimed_is_not_told() -> None:
    listener = Listener()
    async with application(
        observer=listener, HARPOON_OPEN="0", HARPOON_ADMIN_TOKEN="hk_admin_0123456789abcdef01234567"
    ) as harpoon:
        headers = {"authorization": "Bearer hk_victim_k0123456789abcdef_0123456789abcdef0123456789abcdef"}
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=headers)
        assert answer.status_code == 401
        told = await heard(listener)
    assert told.facts is None
    assert "victim" not in repr(told)


async def test_prompts_and_answers_are_in_nothing_that_is_told() -> None:
    listener = Listener()
    async with two_providers(None, streams("canary-in-the-answer"), observer=listener) as harpoon:
        message = {"role": "user", "content": "canary-in-the-prompt"}
        told = await one_request(harpoon, listener, messages=[message], stream=True)
    assert told.status == 200
    assert "canary" not in repr(told)


async def test_an_answer_from_the_cache_is_told_as_one_and_asks_nobody() -> None:
    listener = Listener()
    async with two_providers(answers(), answers(), observer=listener, HARPOON_CACHE="on") as harpoon:
        first = await one_request(harpoon, listener)
        second = await one_request(harpoon, listener)
    assert (first.cache, second.cache) == ("miss", "hit")
    assert first.steps
    assert second.steps == ()
    assert second.cost_usd_micros == 0


async def test_no_observer_is_given_an_answer_though_it_is_kept() -> None:
    """Records wait for their sinks by the thousand: an answer in each would be a leak of words and of memory."""
    words = "Nobody but the client reads this."
    for provider, fields in ((answers(words), {}), (streams(words), {"stream": True})):
        listener = Listener()
        async with two_providers(provider, answers(), observer=listener, HARPOON_CACHE="on") as harpoon:
            for _ in range(2):
                answer = await harpoon.client.post("/chat/completions", json=ask(**fields))
                assert words in answer.text
                await harpoon.none_open()
        assert [request.cache for request in listener.told] == ["miss", "hit"]
        assert words not in repr(listener.told)
        assert [request.settlement is not None and request.settlement.keep for request in listener.told] == [None] * 2
