"""The key of a request: equal for the same request however it is written, different for any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cache.key import cache_key, wish_of
from worker.cache.settings import CacheSettings
from worker.strict_json import JsonLimits
from worker.upstream.ai_gateway import GatewayOptions
from worker.upstream.wires import CHAT_WIRE, EMBEDDINGS_WIRE, RESPONSES_WIRE, Wire

LIMITS = JsonLimits()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
#: Members that no check of ours looks at, so that any value goes.
FURTHER = st.dictionaries(st.sampled_from(["logit_bias", "x", "prediction", "reasoning_effort"]), VALUES, max_size=4)


def key_of(body: str | dict[str, Any], tenant: str = "acme", own_key: str | None = None, wire: Wire = CHAT_WIRE) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return cache_key(tenant, wire.parse(text.encode(), None, LIMITS, False), own_key)


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}], **members}


@given(further=FURTHER, seed=st.randoms(use_true_random=False), indent=st.sampled_from([None, 1, 4]))
def test_order_and_spaces_of_a_body_mean_nothing(further: dict[str, Any], seed: Any, indent: int | None) -> None:
    body = chat(**further)
    members = list(body.items())
    seed.shuffle(members)
    assert key_of(json.dumps(dict(members), indent=indent)) == key_of(json.dumps(body, separators=(",", ":")))


@given(one=FURTHER, other=FURTHER)
def test_keys_are_equal_only_for_equal_bodies(one: dict[str, Any], other: dict[str, Any]) -> None:
    # Python calls 1 and true equal; their texts are not.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if not same:
        assert key_of(chat(**one)) != key_of(chat(**other))


@given(tenant=TEXTS, other=TEXTS, text=TEXTS)
def test_no_tenant_has_the_key_of_another(tenant: str, other: str, text: str) -> None:
    keys = {key_of(chat(user=text), tenant), key_of(chat(user=text), other)}
    assert len(keys) == (1 if tenant == other else 2)


def test_the_order_inside_a_value_counts() -> None:
    """A model answers in the order of the schema that it is given."""
    assert key_of(chat(x={"a": 1, "b": 2})) != key_of(chat(x={"b": 2, "a": 1}))


def test_a_number_is_the_text_that_it_came_as() -> None:
    texts = ["0.1", "0.10000000000000000001", "1e-1", "0.10"]
    body = json.dumps(chat())[:-1]
    assert len({key_of(f'{body},"temperature":{text}}}') for text in texts}) == len(texts)


def test_inside_a_member_equal_numbers_are_equal_and_no_others() -> None:
    body = json.dumps(chat())[:-1]
    keys = [key_of(f'{body},"x":[{text}]}}') for text in ("1", "1.0", "1.00", "true", '"1"', "[1]", "10")]
    assert len(set(keys)) == 6
    assert keys[1] == keys[2]


def test_the_form_of_the_answer_counts_and_what_only_we_read_does_not() -> None:
    plain = key_of(chat())
    assert key_of(chat(stream=False)) == plain
    assert key_of(chat(covenant={"budget_usd": 1})) == plain
    assert key_of(chat(metadata={"run": "7"})) == plain
    stream = key_of(chat(stream=True))
    with_usage = key_of(chat(stream=True, stream_options={"include_usage": True}))
    assert len({plain, stream, with_usage}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"model": "llama-3.1-8b-instruct"},
        {"messages": [{"role": "user", "content": "What is a vGPU? "}]},
        {"messages": [{"role": "system", "content": "What is a vGPU?"}]},
        {"max_tokens": 7},
        {"seed": 1},
        {"temperature": 0},
        {"user": "someone"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"provider": {"data_collection": "deny"}},
    ],
)
def test_whatever_can_change_an_answer_changes_the_key(change: dict[str, Any]) -> None:
    assert key_of(chat(**change)) != key_of(chat())


def test_endpoints_share_no_key() -> None:
    chats = key_of('{"model":"m","messages":[{"role":"user","content":"Hi"}],"input":"Hi"}')
    responses = key_of('{"model":"m","messages":[],"input":"Hi"}', wire=RESPONSES_WIRE)
    vectors = key_of('{"model":"m","messages":[],"input":"Hi"}', wire=EMBEDDINGS_WIRE)
    assert len({chats, responses, vectors}) == 3


def test_a_key_of_the_client_s_own_stands_for_the_body_and_for_nothing_else() -> None:
    one, other = chat(), chat(messages=[{"role": "user", "content": "Anything else?"}])
    assert key_of(one, own_key="k") == key_of(other, own_key="k")
    assert key_of(one, own_key="k") != key_of(one, own_key="l")
    assert key_of(one, own_key="k") != key_of(one, "other", own_key="k")
    assert key_of(one, own_key="k") != key_of(chat(stream=True), own_key="k")
    assert key_of(one, own_key="k") != key_of(one)


@pytest.mark.parametrize(
    ("mode", "options", "ttl_s"),
    [
        ("off", {"cache_ttl_s": 60}, None),
        ("ask", {}, None),
        ("ask", {"cache_ttl_s": 60}, 60),
        ("ask", {"cache_key": "k"}, 300),
        ("ask", {"cache_ttl_s": 60, "skip_cache": True}, None),
        ("on", {}, 300),
        ("on", {"cache_ttl_s": 3_600}, 3_600),
        ("on", {"skip_cache": True}, None),
    ],
)
def test_who_wishes_what(mode: str, options: dict[str, Any], ttl_s: int | None) -> None:
    request = CHAT_WIRE.parse(json.dumps(chat()).encode(), None, LIMITS, False)
    wish = wish_of(CacheSettings(mode), "acme", request, GatewayOptions(**options))
    assert (None if wish is None else wish.ttl_us) == (None if ttl_s is None else ttl_s * 1_000_000)


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (CHAT_WIRE, chat(store=True)),
        (RESPONSES_WIRE, {"model": "m", "input": "Hi", "store": True}),
        (RESPONSES_WIRE, {"model": "m", "input": "Hi", "previous_response_id": "resp_1"}),
        (RESPONSES_WIRE, {"model": "m", "input": "Hi", "conversation": "conv_1"}),
        (RESPONSES_WIRE, {"model": "m", "prompt": {"id": "pmpt_1"}}),
    ],
)
def test_what_a_provider_keeps_is_not_kept_here(wire: Wire, body: dict[str, Any]) -> None:
    request = wire.parse(json.dumps(body).encode(), None, LIMITS, False)
    assert wish_of(CacheSettings("on"), "acme", request, GatewayOptions()) is None


def test_only_whole_answers_are_waited_for() -> None:
    for stream in (False, True):
        request = CHAT_WIRE.parse(json.dumps(chat(stream=stream)).encode(), None, LIMITS, False)
        wish = wish_of(CacheSettings("on"), "acme", request, GatewayOptions())
        assert wish is not None
        assert wish.joins is not stream
