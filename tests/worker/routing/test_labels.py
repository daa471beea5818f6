"""Labels and provider names: what they stand for, in which spellings, what they add to a request that names them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import CATALOGUE, config, facts, offer, world
from worker.canon import codes
from worker.errors import CatalogueError, UnknownModel
from worker.routing.candidates import Load, build_candidates, requested_routes
from worker.routing.catalogue import Catalogue, Model, compile_catalogue, parse_catalogue, to_plain
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.routing.deployments import provider_of_deployment
from worker.routing.labels import Label, fold_ascii, is_decimal, request_defaults
from worker.strict_json import JsonLimits
from worker.upstream.wire import parse_chat, upstream_body

DEFAULT = compile_catalogue(DEFAULT_CATALOGUE)
SMALL = Label("small", models=("m",), names=("Org/Small-1",), context_limit_tokens=200, max_output_tokens=20)
LABELLED = replace(
    CATALOGUE,
    models=(*CATALOGUE.models, replace(CATALOGUE.models[0], id="n")),
    offers=(*CATALOGUE.offers, offer("beta", 3_000_000, model="n", served_id="n")),
    labels=(SMALL,),
)
COMPILED = compile_catalogue(LABELLED)
LOAD = Load(
    input_bytes=40,
    images=0,
    choices=1,
    max_output_tokens=0,
    expected_output_tokens=10,
    p_small_fails_ppm=100_000,
    complexity="simple",
    needs=frozenset(),
)

SPELLINGS = {
    "gemma": ["Gemma", "GEMMA", "google/gemma-270m", "Google/Gemma-270M"],
    "qwen": ["Qwen", "qWEN", "Qwen/Qwen-30B", "qwen/qwen-30b"],
    "hosted-ai/auto": ["HOSTED-AI/auto", "Hosted_AI/auto", "HostedAI/AUTO", "hosted-ai/Auto"],
    "native/gemma": ["Native/Gemma", "NATIVE/GEMMA", "mlx/gemma", "CPU/gemma"],
    "simulator/qwen": ["Simulator/Qwen", "lightweight/qwen", "LightWeight/QWEN", "mock/qwen"],
    "native/qwen3-30b-a3b": ["NATIVE/qwen3-30b-a3b", "Native/Qwen/Qwen3-30B-A3B"],
    "groq/qwen3-32b": ["GROQ/qwen3-32b", "Groq/qwen/qwen3-32b"],
}
STRANGE = [
    "AUTO",
    "GPT-4o",
    "groq/QWEN3-32B",
    "gemma ",
    "gemma/auto",
    "nobody/gemma",
    "openai/gemma",
    "native/google/gemma-270m",
    "native/gpt-4o",
    "hosted.ai/auto",
    "auto/auto",
    "/auto",
    "native/",
    "native",
    "lightweight",
    # ASCII only: a long s and a Kelvin sign fold to nothing of ours.
    "ho\u017fted-ai/auto",
    "\u212anative/auto",
]


@pytest.mark.parametrize(("name", "spellings"), SPELLINGS.items(), ids=SPELLINGS)
def test_labels_and_providers_match_in_any_ascii_case(name: str, spellings: list[str]) -> None:
    for spelling in spellings:
        assert requested_routes(DEFAULT, spelling) == requested_routes(DEFAULT, name), spelling


@pytest.mark.parametrize("name", STRANGE)
def test_whatever_else_is_unknown(name: str) -> None:
    for ask in (DEFAULT.name_of, DEFAULT.label_of, lambda n: requested_routes(DEFAULT, n)):
        with pytest.raises(UnknownModel) as caught:
            ask(name)
        assert (caught.value.status, caught.value.param) == (404, "model")


@given(st.sampled_from(sorted(DEFAULT.by_name)))
def test_a_known_name_is_its_own_spelling(name: str) -> None:
    assert DEFAULT.name_of(name) == name
    assert requested_routes(DEFAULT, name) == DEFAULT.by_name[name]


@given(st.text(max_size=12))
def test_folding_touches_ascii_letters_alone(text: str) -> None:
    folded = fold_ascii(text)
    assert folded.encode() == text.encode().lower()  # bytes know ASCII letters only
    assert fold_ascii(folded) == folded


def test_a_label_stands_for_every_route_of_its_models() -> None:
    for label in DEFAULT_CATALOGUE.labels:
        expected = [at for at, route in enumerate(DEFAULT.routes) if route.model in label.models]
        for name in (label.id, *label.names):
            assert list(DEFAULT.by_name[name]) == expected
    for provider in ("hosted-ai", "native", "groq"):
        routes = [DEFAULT.routes[at].provider for at in DEFAULT.by_name[f"{provider}/auto"]]
        assert set(routes) == {provider}
        assert len(routes) == sum(route.provider == provider for route in DEFAULT.routes)


def test_the_briefs_labels_have_the_briefs_values() -> None:
    gemma, qwen = DEFAULT_CATALOGUE.labels
    assert (gemma.id, gemma.names, gemma.context_limit_tokens, gemma.max_output_tokens) == (
        "gemma",
        ("google/gemma-270m",),
        4_096,
        256,
    )
    assert (gemma.temperature, gemma.top_p, gemma.enable_thinking) == ("0.7", "0.9", "")
    assert (qwen.id, qwen.names, qwen.context_limit_tokens, qwen.max_output_tokens) == (
        "qwen",
        ("Qwen/Qwen-30B",),
        8_192,
        1_024,
    )
    assert (qwen.temperature, qwen.top_p, qwen.enable_thinking) == ("0.8", "0.95", "true")
    assert "qwen3-30b-a3b" in qwen.models


def test_a_labels_limits_hold_where_the_label_is_named_and_nowhere_else() -> None:
    plain = build_candidates(COMPILED, "m", LOAD, {})
    labelled = build_candidates(COMPILED, "SMALL", LOAD, {})
    assert [c.route.id for c in labelled] == [c.route.id for c in plain]
    assert [c.output_limit for c in plain] == [100, 100]
    assert [c.output_limit for c in labelled] == [20, 20]
    assert {c.route.context_window_tokens for c in plain} == {1_000}
    assert {c.route.context_window_tokens for c in labelled} == {200}
    assert [c.output_limit for c in build_candidates(COMPILED, "auto", LOAD, {})] == [100, 100, 100]


def test_a_limit_of_the_clients_own_wins_over_the_labels() -> None:
    asked = build_candidates(COMPILED, "small", LOAD._replace(max_output_tokens=50), {})
    assert [c.output_limit for c in asked] == [100, 100]


async def test_the_context_limit_denies_and_the_default_output_gives_way() -> None:
    async with world(config(LABELLED)) as state:
        long = await state.mediator.admit(facts(1, model="small", input_bytes=840, max_output_tokens=0))
        assert long.refusal is not None  # 210 planned tokens of 200
        assert all(codes.CONTEXT_WINDOW in reason for reason in long.refusal.reasons)
        assert (await state.mediator.admit(facts(2, model="m", input_bytes=840, max_output_tokens=0))).refusal is None
        tight = await state.mediator.admit(facts(3, model="small", input_bytes=760, max_output_tokens=0))
        assert tight.output_tokens == 10  # what the context limit leaves of the label's 20
        wished = await state.mediator.admit(facts(4, model="small", max_output_tokens=50))
        assert (wished.refusal, wished.output_tokens) == (None, 50)


def chat(**members: Any) -> Any:
    body = {"model": "qwen", "messages": [{"role": "user", "content": "x"}], **members}
    return parse_chat(json.dumps(body).encode(), None, JsonLimits())


def sent(label: Label | None, provider: str = "hosted-ai", **members: Any) -> dict[str, Any]:
    route = next(route for route in DEFAULT.routes if route.provider == provider)
    found: dict[str, Any] = json.loads(upstream_body(chat(**members), route, 77, label))
    return found


QWEN = DEFAULT_CATALOGUE.labels[1]


def test_defaults_are_added_exactly_as_written() -> None:
    route = next(route for route in DEFAULT.routes if route.provider == "hosted-ai")
    body = upstream_body(chat(), route, 77, QWEN).decode()
    end = '"max_completion_tokens":77,"temperature":0.8,"top_p":0.95,"chat_template_kwargs":{"enable_thinking":true}}'
    assert body.endswith(end)
    assert "temperature" not in sent(None)


def test_what_the_client_set_stays() -> None:
    assert sent(QWEN, temperature=0)["temperature"] == 0
    assert sent(QWEN, top_p=0.1)["top_p"] == 0.1
    assert sent(QWEN, temperature=None)["temperature"] == 0.8  # null is not set
    assert sent(QWEN, max_tokens=5).get("max_completion_tokens") is None
    for member, value in (
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("enable_thinking", False),
        ("reasoning_effort", "none"),
    ):
        found = sent(QWEN, **{member: value})
        assert found[member] == value
        assert found.get("chat_template_kwargs", value) == value


def test_only_providers_that_know_it_are_told_to_think() -> None:
    for provider in ("hosted-ai", "native", "simulator"):
        assert sent(QWEN, provider)["chat_template_kwargs"] == {"enable_thinking": True}
    for provider in ("groq", "openai", "workers-ai"):
        found = sent(QWEN, provider)
        assert "chat_template_kwargs" not in found
        assert found["temperature"] == 0.8


def test_a_label_without_defaults_adds_nothing() -> None:
    assert request_defaults(Label("x", ("m",)), {}, True) == {}


def labelled(**changes: Any) -> Catalogue:
    return replace(LABELLED, labels=(replace(SMALL, **changes),))


CONTRADICTIONS = {
    "an unknown model": labelled(models=("o",)),
    "no model": labelled(models=()),
    "a model twice": labelled(models=("m", "m")),
    "called auto": labelled(id="auto"),
    "called Auto": labelled(id="Auto"),
    "called like a model": labelled(id="n"),
    "called like a model but for case": labelled(names=("N",)),
    "called like a provider's model": labelled(names=("alpha/m",)),
    "called like a provider's auto": labelled(names=("Alpha/auto",)),
    "called like itself": labelled(names=("small",)),
    "called like itself but for case": labelled(names=("SMALL",)),
    "a name twice": labelled(names=("x", "x")),
    "a blank": labelled(names=("x y",)),
    "an empty name": labelled(names=("",)),
    "two labels of one name": replace(LABELLED, labels=(SMALL, replace(SMALL, id="other", models=("n",)))),
    "a negative limit": labelled(context_limit_tokens=-1),
    "a negative output": labelled(max_output_tokens=-1),
    "more output than context": labelled(context_limit_tokens=10, max_output_tokens=11),
    "a huge limit": labelled(context_limit_tokens=10_000_001),
    "a cold temperature": labelled(temperature="-1"),
    "a hot temperature": labelled(temperature="2.1"),
    "a temperature in words": labelled(temperature="warm"),
    "a top_p above one": labelled(top_p="1.01"),
    "thinking perhaps": labelled(enable_thinking="maybe"),
    "a model called like a provider's auto": replace(
        CATALOGUE,
        models=(Model("alpha/auto", 10, 10, 1, (), 0), *CATALOGUE.models),
        offers=(*CATALOGUE.offers, offer("beta", 1, model="alpha/auto")),
    ),
}


@pytest.mark.parametrize("catalogue", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_label_that_contradicts_the_catalogue_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError):
        compile_catalogue(catalogue)


def test_labels_are_read_back_and_old_files_have_none() -> None:
    assert parse_catalogue(to_plain(LABELLED)) == LABELLED
    old = to_plain(LABELLED)
    del old["labels"]
    for provider in old["providers"]:
        del provider["template_options"]
    assert parse_catalogue(old) == replace(LABELLED, labels=())
    for wrong in ("small", {}, [None], [{"id": "x"}], [{"id": "x", "models": ["m"], "temperature": 0.7}]):
        with pytest.raises(CatalogueError):
            parse_catalogue({**old, "labels": wrong})


def test_a_label_whose_models_nobody_offers_is_no_name() -> None:
    lonely = compile_catalogue(replace(CATALOGUE, models=LABELLED.models, labels=(Label("x", ("n",)),)))
    with pytest.raises(UnknownModel):
        requested_routes(lonely, "x")


DECIMALS = {"0": True, "0.7": True, "2": True, "2.0": True, "1.999999": True, "0.000001": True} | dict.fromkeys(
    ("", ".", "1.", ".5", "00", "01", "2.1", "3", "-0", "+1", "1e0", "0.1234567", " 1", "1_0", "٣", "0x1", "nan"), False
)


@pytest.mark.parametrize(("text", "fine"), DECIMALS.items(), ids=range(len(DECIMALS)))
def test_a_decimal_is_a_plain_json_number(text: str, fine: bool) -> None:
    assert is_decimal(text, 2) is fine
    if fine:
        assert 0 <= json.loads(text) <= 2


def test_deployments_have_many_spellings() -> None:
    spellings = {
        "native": ("native", "Native", "NATIVE", "mlx", "CPU"),
        "hosted-ai": ("hosted_ai", "HostedAI", "hostedai", "hosted-ai", "HOSTED_AI"),
        "simulator": ("lightweight", "LightWeight", "light_weight", "mock", "simulator"),
    }
    for provider, names in spellings.items():
        assert {provider_of_deployment(name) for name in names} == {provider}
    for name in ("", "auto", "hosted.ai", "groq", "n\u0430tive"):
        assert provider_of_deployment(name) is None
