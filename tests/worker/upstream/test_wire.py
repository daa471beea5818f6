"""What a chat body may be, what of it goes upstream, and what an answer must have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.covenant.policy import NO_COVENANT
from worker.errors import CallerError, MalformedRequest, RequestTooLarge, UnreadableCovenant
from worker.routing.catalogue import Route, compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.strict_json import JsonLimits
from worker.upstream.wire import ChatRequest, conform_answer, generated_bytes, parse_chat, upstream_body, usage_of

LIMITS = JsonLimits()
ROUTES = compile_catalogue(DEFAULT_CATALOGUE).by_id
GROQ = ROUTES["groq/llama-3.1-8b-instruct@serverless"]
HELLO = '[{"role":"user","content":"hello"}]'


def chat(fields: str = "", messages: str = HELLO) -> bytes:
    """A body with `fields`, JSON text that ends with a comma, before its model and messages."""
    return ("{" + fields + f'"model":"auto","messages":{messages}' + "}").encode()


def parse(body: bytes, covenant: str | None = None, limits: JsonLimits = LIMITS) -> ChatRequest:
    return parse_chat(body, covenant, limits)


def sent(body: bytes, route: Route = GROQ, output_tokens: int = 77) -> bytes:
    return upstream_body(parse(body), route, output_tokens)


MALFORMED: list[tuple[bytes, str]] = [
    (b"", "the text ends too early"),
    (b"\xff{}", "not UTF-8"),
    (b"[]", "a JSON object is expected"),
    (b'"model"', "a JSON object is expected"),
    (b'{"model":', "not valid JSON"),
    (b"{}", "model must be a string"),
    (b'{"model":"auto"}', "messages must be a list"),
    (b'{"messages":[]}', "model must be a string"),
    (chat('"model":"auto",'), "a duplicate key"),
    (chat('"x":{"a":1,"a":2},'), "a duplicate key"),
    (chat('"x":NaN,'), "NaN"),
    (chat('"x":1e999,'), "out of range"),
    (chat('"x":' + "[" * 70 + "]" * 70 + ","), "nesting deeper"),
    (chat('"x":"\\ud800",'), "surrogate"),
    (b'{"model":7,"messages":[]}', "model must be a string"),
    (b'{"model":"","messages":[]}', "model must be a string"),
    (b'{"model":"' + b"m" * 257 + b'","messages":[]}', "model must be a string"),
    *[
        (chat(messages=messages), "messages")
        for messages in ("null", '"hi"', "[]", "{}", "[1]", "[null]", "[[]]", '[{"content":"x"}]')
    ],
    (chat(messages='[{"role":"root","content":"x"}]'), r"messages\[0\].role must be one of"),
    (chat(messages='[{"role":["user"],"content":"x"}]'), r"messages\[0\].role must be one of"),
    (chat(messages=HELLO[:-1] + ',{"role":"user"}]'), r"messages\[1\].content is missing"),
    (chat(messages='[{"role":"user","content":null}]'), "content is missing"),
    (chat(messages='[{"role":"tool","content":null}]'), "content is missing"),
    (chat(messages='[{"role":"user","content":7}]'), "must be a string or a list of parts"),
    (chat(messages='[{"role":"user","content":{}}]'), "must be a string or a list of parts"),
    (chat(messages='[{"role":"user","content":["x"]}]'), "parts must be objects with a type"),
    (chat(messages='[{"role":"user","content":[{"text":"x"}]}]'), "parts must be objects with a type"),
    (chat(messages='[{"role":"user","content":[{"type":"text"}]}]'), "text parts need a text"),
    (chat(messages='[{"role":"user","content":[{"type":"text","text":[]}]}]'), "text parts need a text"),
    *[
        (chat(messages=f'[{{"role":"user","content":[{{"type":"{kind}"}}]}}]'), "of type file, image_url, input_audio")
        for kind in ("", "image", "document", "Text", "input_text")
    ],
    *[
        (chat(f'"{field}":{value},'), f"{field} must be")
        for field, values in {
            "stream": ("1", '"true"', "[]"),
            "stream_options": ("true", "[]", '"x"'),
            "max_tokens": ("0", "-1", "1.5", '"9"', "true", "10000001", "[]"),
            "max_completion_tokens": ("0", "-1", "1.0", '"9"', "false"),
            "n": ("0", "129", "1.0", "true", '"1"'),
            "temperature": ("-0.1", "2.1", '"1"', "true", "{}"),
            "top_p": ("-1", "1.1", "[]"),
            "frequency_penalty": ("-2.1", "3", '"0"'),
            "presence_penalty": ("-3", "2.5", "false"),
            "seed": ("1.5", '"1"', "true"),
            "logprobs": ("1", '"true"'),
            "top_logprobs": ("-1", "21", "1.5"),
            "tools": ("{}", "[1]", '"x"'),
            "tool_choice": ("1", "[]", "true"),
            "response_format": ("{}", '"json"', '{"type":1}'),
            "stop": ("1", "[1]", "{}", '["a",null]'),
            "user": ("1", "{}"),
            "metadata": ("[]", '"x"'),
        }.items()
        for value in values
    ],
    (chat('"stream":true,"stream_options":{"include_usage":1},'), "include_usage must be true or false"),
    (chat('"stream_options":{"include_usage":true},'), "only allowed with stream"),
]


@pytest.mark.parametrize(("body", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_body_is_refused_in_words_that_help(body: bytes, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words) as raised:
        parse(body)
    assert raised.value.status == 400


def test_a_body_over_the_limit_is_too_large_before_it_is_read() -> None:
    with pytest.raises(RequestTooLarge):
        parse(b"{" * 101, limits=JsonLimits(max_bytes=100))


def test_a_fault_in_a_field_names_the_field() -> None:
    with pytest.raises(MalformedRequest) as raised:
        parse(chat('"temperature":"hot",'))
    assert raised.value.param == "temperature"


UNREADABLE = [
    "[]",
    "{",
    '""',
    '"  "',
    '"cov-1"',
    '"cov-0123456G"',
    '"half a string',
    '{"budget_usd":NaN}',
    '{"budget_usd":1e400}',
    '{"budget_usd":-1}',
    '{"budget_usd":"2"}',
    '{"budget_usd":true}',
    '{"budget_usd":1e30}',
    '{"budget_eur":2}',
    '{"budget_other":"2 EUR"}',
    '{"budget_scope":"per_day"}',
    '{"budget_usd":1,"budget_scope":"per_year"}',
    '{"budget_usd":1,"budget_usd":2}',
    '{"deadline_s":0}',
    '{"deadline_s":-3}',
    '{"deadline_s":1e-9}',
    '{"quality":"best"}',
    '{"priority":["balanced"]}',
    '{"residency":"EU"}',
    '{"residency":["Europe"]}',
    '{"requirements":["hipaa","vibes"]}',
    '{"flags":["ambiguous_budget"]}',
]


@pytest.mark.parametrize("covenant", UNREADABLE)
def test_an_unreadable_covenant_is_never_guessed_at(covenant: str) -> None:
    with pytest.raises(UnreadableCovenant) as raised:
        parse(chat(), covenant)
    assert raised.value.status == 422
    with pytest.raises(CallerError) as also:
        parse(chat(f'"covenant":{covenant},'))
    # In the body, text that is not JSON makes the whole body malformed.
    assert isinstance(also.value, MalformedRequest | UnreadableCovenant)


@pytest.mark.parametrize("value", ["7", "true", "0.5"])
def test_a_covenant_in_the_body_is_words_or_an_object(value: str) -> None:
    with pytest.raises(UnreadableCovenant, match="words, such as"):
        parse(chat(f'"covenant":{value},'))


def test_the_covenant_comes_in_the_body_or_in_the_header_and_means_the_same() -> None:
    covenant = '{"budget_usd":0.05,"deadline_s":2.5,"priority":"max_security"}'
    in_header = parse(chat(), covenant).policy
    assert in_header == parse(chat(f'"covenant":{covenant},')).policy
    assert (in_header.budget_usd_micros, in_header.deadline_us) == (50_000, 2_500_000)
    assert parse(chat()).policy == parse(chat('"covenant":null,')).policy == parse(chat(), "null").policy == NO_COVENANT


@pytest.mark.parametrize("covenant", ['{"budget_usd":1}', "{}"])
def test_a_covenant_given_twice_is_refused_even_if_equal(covenant: str) -> None:
    with pytest.raises(UnreadableCovenant, match="give the covenant once"):
        parse(chat(f'"covenant":{covenant},'), covenant)


def test_null_in_the_body_names_no_covenant_beside_another() -> None:
    policy = parse(chat('"covenant":null,"covenant_id":null,'), '{"budget_usd":1}').policy
    assert policy.budget_usd_micros == 1_000_000
    assert parse(chat('"covenant":null,"covenant_id":"cov-0a1b2c3d",')).covenant_id == "cov-0a1b2c3d"


@pytest.mark.parametrize("text", ["cov-", "cov-12", "COV-0a1b2c3d", "cov_1732_x", " covenant-1732 ", "cov-0a1b2c3d\n4"])
def test_what_looks_like_an_id_is_never_read_as_words_that_limit_nothing(text: str) -> None:
    with pytest.raises(UnreadableCovenant, match="eight hexadecimal digits"):
        parse(chat(f'"covenant":{json.dumps(text)},'))


BOUNDS = [
    ("", 0),
    ('"max_tokens":5,', 5),
    ('"max_completion_tokens":6,', 6),
    ('"max_tokens":null,"max_completion_tokens":null,', 0),
    ('"max_tokens":5,"max_completion_tokens":null,', 5),
    # A provider may obey either, so the larger is what can be spent.
    ('"max_tokens":9,"max_completion_tokens":6,', 9),
    ('"max_tokens":6,"max_completion_tokens":9,', 9),
]


@pytest.mark.parametrize(("fields", "bound"), BOUNDS)
def test_the_output_bound_is_the_largest_the_client_named(fields: str, bound: int) -> None:
    assert parse(chat(fields)).max_output_tokens == bound


def test_choices_default_to_one() -> None:
    assert [parse(chat(fields)).choices for fields in ("", '"n":null,', '"n":3,', '"n":128,')] == [1, 1, 3, 128]


def test_images_are_counted_over_all_messages() -> None:
    image = '{"type":"image_url","image_url":{"url":"data:,"}}'
    words = '{"type":"text","text":"what is this?"}'
    messages = (
        f'[{{"role":"user","content":[{words},{image},{image}]}},{{"role":"user","content":[{image}]}},'
        '{"role":"user","content":"\\"image_url\\""}]'
    )
    request = parse(chat(messages=messages))
    assert (request.images, request.needs) == (3, ("chat", "vision"))


@pytest.mark.parametrize("kind", ["file", "image_url", "input_audio", "input_image", "video_url"])
def test_every_attachment_counts_as_an_image(kind: str) -> None:
    parts = f'[{{"type":"refusal","refusal":"no"}},{{"type":"{kind}","{kind}":{{"file_id":"f"}}}}]'
    request = parse(chat(messages=f'[{{"role":"user","content":{parts}}}]'))
    assert (request.images, request.needs) == (1, ("chat", "vision"))


UNPRICED = [
    ("service_tier", ("priority", "flex", ["auto"]), ("auto", "default", None)),
    ("web_search_options", ({}, {"search_context_size": "high"}), (None,)),
    ("modalities", (["text", "audio"], ["audio"], "text", []), (["text"], None)),
    ("audio", ({"voice": "ash"},), (None,)),
    ("best_of", (2, 0, "1"), (1, None)),
    ("tools", ([{"type": "function"}, {"type": "web_search"}], [{}]), ([{"type": "function"}, {"type": "custom"}], [])),
]


@pytest.mark.parametrize(("field", "dear", "plain"), UNPRICED, ids=[case[0] for case in UNPRICED])
def test_what_tokens_do_not_price_is_refused_under_a_budget_and_only_there(
    field: str, dear: tuple[Any, ...], plain: tuple[Any, ...]
) -> None:
    for value in (*dear, *plain):
        body = chat(f'"{field}":{json.dumps(value)},')
        assert json.loads(sent(body))[field] == value
        for covenant in ('{"budget_usd":1}', '{"budget_usd":0,"budget_scope":"per_hour"}'):
            if value in plain:
                assert parse(body, covenant).policy.budget_usd_micros is not None
                continue
            with pytest.raises(MalformedRequest, match="can't be priced") as raised:
                parse(body, covenant)
            assert (raised.value.param, raised.value.status) == (field, 400)


NEEDS = [
    ("", ("chat",)),
    ('"tools":[],', ("chat",)),
    ('"tools":null,"response_format":null,', ("chat",)),
    ('"tools":[{"type":"function"}],', ("chat", "tools")),
    ('"response_format":{"type":"text"},', ("chat",)),
    ('"response_format":{"type":"json_object"},', ("chat", "json")),
    ('"tools":[{}],"response_format":{"type":"json_schema","json_schema":{}},', ("chat", "tools", "json")),
]


@pytest.mark.parametrize(("fields", "needs"), NEEDS)
def test_what_a_model_must_be_able_to_do(fields: str, needs: tuple[str, ...]) -> None:
    assert parse(chat(fields)).needs == needs


def test_only_the_assistant_may_say_nothing() -> None:
    calls = '[{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"c","content":"4"}]'
    assert len(parse(chat(messages=calls)).messages) == 2


def test_unknown_fields_reach_the_provider_byte_for_byte_and_in_order() -> None:
    odd = r'"z":1.10,"a":{"k":[1e2,-0,"\u00e9\/é"]},"top_k":9007199254740993,"x_π":null,'
    body = chat(odd + '"max_tokens":5,')
    expected = body.replace(b'"auto"', b'"llama-3.1-8b-instant"')
    assert sent(body) == expected


def test_the_model_the_covenant_and_the_output_bound_are_all_that_changes() -> None:
    body = (
        b'{ "covenant" : {"budget_usd": 1}, "mod\\u0065l":\t"auto" ,"messages":[{"role":"user","content":"h i"}],'
        b'"q":[ 1 ]}'
    )
    assert sent(body, output_tokens=500) == (
        b'{"mod\\u0065l":"llama-3.1-8b-instant","messages":[{"role":"user","content":"h i"}],"q":[ 1 ],'
        b'"max_completion_tokens":500}'
    )


def test_a_clients_own_output_bound_is_left_alone() -> None:
    for fields in ('"max_tokens":5,', '"max_completion_tokens":5,'):
        assert b"500" not in sent(chat(fields), output_tokens=500)
    unset = json.loads(sent(chat('"max_completion_tokens":null,'), output_tokens=500))
    assert unset["max_completion_tokens"] == 500


USAGE_ASKED = [
    ('"stream":true,', {"include_usage": True}, False),
    ('"stream":true,"stream_options":null,', {"include_usage": True}, False),
    ('"stream":true,"stream_options":{"x":1},', {"x": 1, "include_usage": True}, False),
    ('"stream":true,"stream_options":{"include_usage":false},', {"include_usage": True}, False),
    ('"stream":true,"stream_options":{"include_usage":true},', {"include_usage": True}, True),
    ('"stream":false,', None, False),
    ("", None, False),
]


@pytest.mark.parametrize(("fields", "options", "asked"), USAGE_ASKED)
def test_a_stream_always_reports_usage_to_us(fields: str, options: dict[str, Any] | None, asked: bool) -> None:
    assert parse(chat(fields)).include_usage is asked
    assert json.loads(sent(chat(fields))).get("stream_options") == options


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5).map("x_".__add__), _JSON, max_size=5))
def test_whatever_a_caller_adds_arrives_as_it_was(extra: dict[str, Any]) -> None:
    body = json.dumps({"model": "auto", **extra, "messages": json.loads(HELLO)}).encode()
    arrived = json.loads(sent(body))
    assert arrived.pop("max_completion_tokens") == 77
    assert list(arrived.items()) == list(json.loads(body.replace(b'"auto"', b'"llama-3.1-8b-instant"', 1)).items())


USAGE: list[tuple[Any, tuple[int, int] | None]] = [
    ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4)),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (0, 0)),
    (None, None),
    ([], None),
    ({"prompt_tokens": 3}, None),
    ({"prompt_tokens": "3", "completion_tokens": 4}, None),
    ({"prompt_tokens": 3.0, "completion_tokens": 4}, None),
    ({"prompt_tokens": True, "completion_tokens": 4}, None),
    ({"prompt_tokens": -3, "completion_tokens": 4}, None),
    ({"prompt_tokens": 3, "completion_tokens": 10**9}, None),
]


@pytest.mark.parametrize(("usage", "tokens"), USAGE)
def test_only_usable_usage_counts(usage: Any, tokens: tuple[int, int] | None) -> None:
    assert usage_of({"usage": usage}) == tokens
    assert usage_of({}) is None


MADE: list[tuple[dict[str, Any], int]] = [
    ({"content": "né"}, 3),
    ({"content": "", "reasoning_content": "x" * 40}, 40),
    ({"content": "", "tool_calls": [{"function": {"arguments": "{}"}}]}, 35),
    ({"content": None, "refusal": "no", "role": "assistant"}, 2),
    ({"content": None, "tool_calls": []}, 0),
    ({}, 0),
]


@pytest.mark.parametrize(("message", "size"), MADE)
def test_what_a_model_made_is_counted_in_every_member(message: dict[str, Any], size: int) -> None:
    assert generated_bytes(message) == size


def test_a_bare_answer_is_completed_and_a_complete_one_left_alone() -> None:
    answer: dict[str, Any] = {"choices": [{"message": {"content": "hi"}}, {"message": {}}]}
    assert conform_answer(answer) is True
    first, second = answer["choices"]
    assert first["message"] == {"content": "hi", "refusal": None, "role": "assistant"}
    assert (second["index"], second["finish_reason"], second["logprobs"]) == (1, "stop", None)
    assert second["message"]["content"] is None
    assert answer["object"] == "chat.completion"
    before = json.dumps(answer)
    assert conform_answer(answer) is False
    assert json.dumps(answer) == before


@pytest.mark.parametrize(
    "answer",
    [{}, {"choices": None}, {"choices": []}, {"choices": ["x"]}, {"choices": [{}]}, {"choices": [{"message": "x"}]}],
)
def test_what_is_no_completion_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest):
        conform_answer(answer)
