"""Servers that keep OpenAI's API but for one thing, and the item that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.probe.answers import answers_of
from gateway.probe.items import broken_required
from gateway.probe.run import NothingThere
from tests.gateway.probe.probe_kit import (
    KEY,
    Answering,
    Asked,
    LockstepClock,
    Model,
    event,
    faults,
    probed,
    refused,
    verdicts,
)


async def test_of_a_server_that_keeps_the_api_every_item_holds() -> None:
    found = await probed(Model())
    assert set(verdicts(found).values()) == {"holds"}
    assert len(found.items) == 36  # as docs/probe.md says
    assert broken_required(found.items) == []
    assert next(one.short for one in answers_of(found) if "OpenAI" in one.question) == "yes"
    assert found.unfinished == []


def without(*path: str) -> Callable[[dict[str, Any]], Any]:
    """The value without one member; every item of a list on the way is entered."""

    def spoil(value: Any, rest: tuple[str, ...] = path) -> Any:
        if isinstance(value, list):
            return [spoil(one, rest) for one in value]
        name, *deeper = rest
        if not isinstance(value, dict) or name not in value:
            return value
        if not deeper:
            return {key: one for key, one in value.items() if key != name}
        return {**value, name: spoil(value[name], tuple(deeper))}

    return spoil


@pytest.mark.parametrize(
    ("path", "broken", "said"),
    [
        (("id",), "answer.shape", "id is missing"),
        (("object",), "answer.shape", "object is missing, not chat.completion"),
        (("created",), "answer.shape", "created is missing"),
        (("choices",), "answer.shape", "choices is missing"),
        (("choices", "finish_reason"), "answer.shape", "choices[n].finish_reason is missing"),
        (("choices", "index"), "answer.shape", "choices[n].index is missing"),
        (("choices", "message"), "answer.shape", "choices[n].message is missing, not an object"),
        (("choices", "message", "role"), "answer.shape", "choices[n].message.role is missing, not assistant"),
        (("choices", "message", "refusal"), "answer.nullable", "choices[n].message.refusal is missing"),
        (("choices", "logprobs"), "answer.nullable", "choices[n].logprobs is missing"),
        (("usage",), "answer.usage", "usage is missing"),
        (("usage", "total_tokens"), "answer.usage", "usage.total_tokens is missing"),
    ],
)
async def test_a_field_that_an_answer_lacks_is_named(path: tuple[str, ...], broken: str, said: str) -> None:
    found = await probed(Model(spoil=without(*path)))
    assert verdicts(found)[broken] == "broken"
    assert said in faults(found, broken)
    assert [one.id for one in broken_required(found.items)] == [broken]


@pytest.mark.parametrize(
    ("spoil", "broken", "said"),
    [
        (without("choices", "finish_reason"), "stream.shape", "choices[n].finish_reason is missing"),
        (without("created"), "stream.shape", "created is missing"),
        (lambda value: {**value, "object": "chat.completion"}, "stream.shape", "not chat.completion.chunk"),
        (without("choices", "delta"), "stream.shape", "choices[n].delta is missing"),
    ],
)
async def test_a_field_that_chunks_lack_is_named(
    spoil: Callable[[dict[str, Any]], Any], broken: str, said: str
) -> None:
    found = await probed(Model(spoil_chunk=spoil))
    assert verdicts(found)[broken] == "broken"
    assert any(said in one for one in faults(found, broken))


async def test_chunks_of_different_ids_are_noticed() -> None:
    numbers = iter(range(10_000))
    found = await probed(Model(spoil_chunk=lambda value: {**value, "id": f"c-{next(numbers)}"}))
    assert faults(found, "stream.same_id") == ("id differs between chunks",)


async def test_a_stream_without_its_end_is_noticed() -> None:
    found = await probed(Model(done=b""))
    assert verdicts(found)["stream.done"] == "broken"
    found = await probed(Model(done=b"data: [DONE]\n"))
    assert faults(found, "stream.done") == ("the stream ends within an event",)


async def test_usage_that_nobody_asked_for_or_that_is_missing_is_noticed() -> None:
    always = await probed(Model(spoil_chunk=lambda value: {**value, "usage": {"prompt_tokens": 1}}))
    assert verdicts(always)["stream.no_usage"] == "broken"
    never = await probed(Model(spoil_chunk=without("usage")))
    assert faults(never, "stream.usage") == ("no chunk has a usage",)
    assert verdicts(never)["stream.usage_null"] == "broken"


async def test_wrong_content_types_are_named() -> None:
    found = await probed(Model(stream_type="text/plain", headers={"content_type": "text/html"}))
    assert faults(found, "answer.content_type") == ("content-type is text/html",)
    assert verdicts(found)["header.x-request-id"] == "broken"
    # What is wrong with a header that clients do without is told, and nothing fails on it.
    assert "header.x-request-id" not in [one.id for one in broken_required(found.items)]


class Lenient(Model):
    """Answers whatever is asked."""

    def problem(self, asked: Asked) -> None:
        return None

    def answer_to(self, body: dict[str, Any]) -> dict[str, Any]:
        return super().answer_to({})

    async def __call__(self, asked: Asked, answer: Answering) -> None:
        try:
            assert isinstance(asked.json, dict)
        except (ValueError, AssertionError):
            if asked.method == "POST":
                await answer.whole(500, b"Internal Server Error", content_type="text/plain")
                return
        await super().__call__(asked, answer)


async def test_a_server_that_takes_anything_and_breaks_on_bad_json_is_found_out() -> None:
    found = await probed(Lenient())
    seen = verdicts(found)
    assert faults(found, "error.malformed_json") == (
        "it was answered with HTTP 500",
        "the error's body is no JSON",
    )
    for name in ("no_messages", "empty_messages", "messages_type", "role", "max_tokens_type", "unknown_model"):
        assert faults(found, f"error.{name}") == ("it was answered with HTTP 200",)
    # Features that are swallowed in silence are broken, those that change nothing to be seen hold.
    assert seen["feature.n"] == seen["feature.tools"] == seen["feature.json_object"] == "broken"
    assert seen["feature.seed"] == "holds"


async def test_an_object_that_was_cut_off_is_not_judged() -> None:
    def cut(value: dict[str, Any]) -> dict[str, Any]:
        choice = value["choices"][0]
        message = {**choice["message"], "content": '{"colours": ["re'}
        return {**value, "choices": [{**choice, "message": message, "finish_reason": "length"}]}

    found = await probed(Model(spoil=cut))
    assert verdicts(found)["feature.json_object"] == "not seen"
    assert faults(found, "feature.json_schema") == ("the answer was cut off at 128 tokens",)


class Plain(Model):
    """Refuses what it doesn't have, in words."""

    def problem(self, asked: Asked) -> tuple[int, Any] | None:
        refusal = super().problem(asked)
        if refusal is None and {"tools", "n", "logprobs", "response_format"} & asked.json.keys():
            return 400, refused("this server has no such thing", "unsupported")
        return refusal


async def test_a_feature_that_is_refused_in_words_is_not_offered_and_no_fault() -> None:
    found = await probed(Plain())
    assert [name for name, verdict in verdicts(found).items() if verdict == "not offered"] == [
        "feature.n",
        "feature.logprobs",
        "feature.tools",
        "feature.json_object",
        "feature.json_schema",
    ]
    assert broken_required(found.items) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "no"}, "error is 'no', not an object"),
        ({"detail": "no"}, "error is missing, not an object"),
        ({"error": {"message": "no", "type": "t", "code": 4}}, "error.param is missing"),
        (
            {"error": {"message": "no", "type": "t", "param": None, "code": 404}},
            "error.code is 404, not a string or null",
        ),
        ([], "the error's body is no JSON object"),
    ],
)
async def test_an_error_that_is_not_openais_is_named(body: Any, said: str) -> None:
    class Own(Model):
        def problem(self, asked: Asked) -> tuple[int, Any] | None:
            return None if super().problem(asked) is None else (422, body)

    found = await probed(Own())
    assert said in faults(found, "error.no_messages")
    assert verdicts(found)["answer.shape"] == "holds"


class Guarded(Model):
    """Wants one key."""

    async def __call__(self, asked: Asked, answer: Answering) -> None:
        if asked.path.startswith("/v1") and asked.headers.get("authorization") != f"Bearer {KEY}":
            await answer.whole(401, refused(f"this key is unknown, unlike {KEY}", "invalid_api_key"))
            return
        await super().__call__(asked, answer)


async def test_a_key_opens_the_door_and_a_made_up_one_must_not() -> None:
    found = await probed(Guarded(), key=KEY)
    assert verdicts(found)["error.wrong_key"] == "holds"
    with pytest.raises(NothingThere, match="wants a key"):
        await probed(Guarded())
    with pytest.raises(NothingThere, match="refuses the key"):
        await probed(Guarded(), key="another")
    open_to_all = await probed(Model(), key=KEY)
    assert faults(open_to_all, "error.wrong_key") == ("it was served",)


async def test_what_answers_with_no_json_at_all_is_called_so() -> None:
    class Page(Model):
        async def plain(self, asked: Asked, answer: Answering) -> None:
            await answer.whole(200, b"<html>", content_type="text/html")

    found = await probed(Page())
    assert faults(found, "answer.shape") == ("the body is no JSON",)
    assert verdicts(found)["feature.seed"] == "broken"


async def test_a_server_that_hangs_ends_the_checks_with_the_timeout() -> None:
    clock = LockstepClock()

    class Hangs(Model):
        async def plain(self, asked: Asked, answer: Answering) -> None:
            answer.spend(60_000_000)
            clock.expire()
            await answer.clock.looked(10**9)

    model = Hangs()
    found = await probed(model, clock=clock)
    assert faults(found, "answer.status") == ("timeout",)
    assert [one.id for one in found.items] == ["models.list", "models.one", "answer.status"]
    # It streams all the same, so what is timed goes on.
    assert [one.is_ok for one in found.warm] == [True, True]


async def test_a_rate_limit_is_waited_for_and_then_not_held_against_the_server() -> None:
    class Busy(Model):
        refusals = 0

        async def plain(self, asked: Asked, answer: Answering) -> None:
            self.refusals += 1
            if self.refusals <= self.most:
                await answer.whole(429, refused("slow down", "rate_limit_exceeded"), retry_after="3")
                return
            await super().plain(asked, answer)

        most = 1

    clock = LockstepClock()
    found = await probed(Busy(), clock=clock)
    assert clock.slept == [3_000_000]
    assert verdicts(found)["answer.status"] == "holds"
    assert found.chat is not None
    assert found.chat.headers_seen == {"retry-after": "3"}
    always = Busy()
    always.most = 1_000
    found = await probed(always)
    assert verdicts(found)["answer.status"] == "not seen"
    assert verdicts(found)["feature.seed"] == "not seen"


async def test_an_error_within_a_stream_is_no_answer() -> None:
    class Breaks(Model):
        async def stream(self, asked: Asked, answer: Answering) -> None:
            await answer.begin()
            await answer.piece(event({"error": {"message": "the GPU is gone"}}))
            await answer.end()

    found = await probed(Breaks())
    assert [one.failure for one in found.firsts] == ["error within the stream"]
    assert "an error came within the stream: the GPU is gone" in faults(found, "stream.shape")
    assert found.warm == []
    assert "No model gave a streamed answer" in found.unfinished[0]
