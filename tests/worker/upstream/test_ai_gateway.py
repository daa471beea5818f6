"""Every way to a provider, byte for byte as a recording server gets it, and the `cf-aig-*` headers of a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import application, ask, causes
from tests.worker.upstream.recording import Recorder, parts, through
from worker.configuration import read_configuration
from worker.errors import MalformedRequest, SettingsError
from worker.routing.catalogue import to_plain
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.upstream.ai_gateway import NO_OPTIONS, asked_delay_us, gateway_of, read_options, read_via

#: Transport headers that say nothing of the form.
FRAMING = {"host", "accept", "content-length", "content-type", "accept-encoding", "user-agent"}
TOKEN = {"cf-aig-authorization": "Bearer cf-t0ken", "cf-aig-max-attempts": "1"}
KEY = {"authorization": "Bearer k3y"}
ACCOUNT = "/v1/acc/gate"
LLAMA, QWEN = "llama-3.1-8b-instruct", "groq/qwen3-32b"

FORMS = [
    (
        "direct",
        {"GROQ_API_KEY": "k3y", "GROQ_BASE_URL": "http://127.0.0.1:{port}/openai/v1"},
        QWEN,
        "/openai/v1/chat/completions",
        "qwen/qwen3-32b",
        KEY,
    ),
    (
        "provider path",
        {"GROQ_API_KEY": "k3y", "GROQ_VIA": "gateway"},
        QWEN,
        f"{ACCOUNT}/groq/chat/completions",
        "qwen/qwen3-32b",
        {**KEY, **TOKEN},
    ),
    ("key stored there", {"GROQ_VIA": "gateway"}, QWEN, f"{ACCOUNT}/groq/chat/completions", "qwen/qwen3-32b", TOKEN),
    (
        "compat",
        {"GROQ_API_KEY": "k3y", "GROQ_VIA": "compat"},
        QWEN,
        f"{ACCOUNT}/compat/chat/completions",
        "groq/qwen/qwen3-32b",
        {**KEY, **TOKEN},
    ),
    ("openai", {"OPENAI_VIA": "gateway"}, "openai/gpt-4o", f"{ACCOUNT}/openai/chat/completions", "gpt-4o", TOKEN),
    (
        "workers ai",
        {"WORKERS_AI_API_KEY": "k3y", "WORKERS_AI_VIA": "gateway"},
        f"workers-ai/{LLAMA}",
        f"{ACCOUNT}/workers-ai/v1/chat/completions",
        "@cf/meta/llama-3.1-8b-instruct-fast",
        {**KEY, **TOKEN},
    ),
    (
        "workers ai, compat",
        {"WORKERS_AI_VIA": "compat"},
        f"workers-ai/{LLAMA}",
        f"{ACCOUNT}/compat/chat/completions",
        "workers-ai/@cf/meta/llama-3.1-8b-instruct-fast",
        TOKEN,
    ),
    (
        "custom provider",
        {"HOSTED_AI_API_KEY": "k3y", "HOSTED_AI_VIA": "gateway:custom-pods/v1"},
        f"hosted-ai/{LLAMA}",
        f"{ACCOUNT}/custom-pods/v1/chat/completions",
        LLAMA,
        {**KEY, **TOKEN},
    ),
    (
        "all with a key",
        {"OPENAI_API_KEY": "k3y", "HARPOON_AI_GATEWAY": "provider"},
        "openai/gpt-4o",
        f"{ACCOUNT}/openai/chat/completions",
        "gpt-4o",
        {**KEY, **TOKEN},
    ),
    (
        "all by compat",
        {"OPENAI_API_KEY": "k3y", "HARPOON_AI_GATEWAY": "compat"},
        "openai/gpt-4o",
        f"{ACCOUNT}/compat/chat/completions",
        "openai/gpt-4o",
        {**KEY, **TOKEN},
    ),
    (
        "no token",
        {"OPENAI_API_KEY": "k3y", "OPENAI_VIA": "gateway", "AI_GATEWAY_TOKEN": ""},
        "openai/gpt-4o",
        f"{ACCOUNT}/openai/chat/completions",
        "gpt-4o",
        {**KEY, "cf-aig-max-attempts": "1"},
    ),
]


@pytest.mark.parametrize(
    ("settings", "model", "path", "heard", "headers"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS]
)
async def test_each_form_is_exactly_this_request(
    settings: dict[str, str], model: str, path: str, heard: str, headers: dict[str, str]
) -> None:
    recorder = Recorder()
    async with through(recorder, **settings) as (harpoon, port):
        body = {"model": model, "messages": [{"role": "user", "content": "Grüße"}], "max_tokens": 5}
        answer = await harpoon.client.post("/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        first, sent, content = parts(recorder.requests[0])
        assert first == f"POST {path} HTTP/1.1"
        assert {name: value for name, value in sent.items() if name not in FRAMING} == headers
        assert content == json.dumps({**body, "model": heard}, ensure_ascii=False, separators=(",", ":")).encode()
        assert sent["host"] == f"127.0.0.1:{port}"
        told = {name: value for name, value in answer.headers.items() if name.startswith("cf-aig-")}
        through_it = {"cf-aig-cache-status": "MISS", "cf-aig-request-id": "r-7", "cf-aig-step": "0"}
        assert told == (through_it if path.startswith(ACCOUNT) else {})


@pytest.mark.parametrize("via", ["gateway", "compat"])
@pytest.mark.parametrize(
    ("endpoint", "model", "body"),
    [
        ("embeddings", "openai/text-embedding-3-small", {"input": "a"}),
        ("responses", "openai/gpt-4o", {"input": "a", "max_output_tokens": 9}),
    ],
)
async def test_the_other_endpoints_go_by_the_providers_own_path(
    via: str, endpoint: str, model: str, body: dict[str, Any]
) -> None:
    recorder = Recorder()
    async with through(recorder, OPENAI_VIA=via) as (harpoon, _):
        answer = await harpoon.client.post(f"/{endpoint}", json={"model": model, **body})
        assert answer.status_code == 200, answer.text
        first, _, content = parts(recorder.requests[0])
        assert first == f"POST {ACCOUNT}/openai/{endpoint} HTTP/1.1"
        assert json.loads(content)["model"] == model.partition("/")[2]


ALL_HEADERS = {
    "cf-aig-cache-key": "k/1",
    "cf-aig-cache-ttl": "3600",
    "cf-aig-collect-log": "true",
    "cf-aig-custom-cost": '{"per_token_in":0.000001,"per_token_out":0.000002}',
    "cf-aig-event-id": "e-1",
    "cf-aig-log-id": "l-1",
    "cf-aig-metadata": '{"team":"billing","n":7,"beta":true}',
    "cf-aig-request-timeout": "9000",
    "cf-aig-skip-cache": "false",
}
OURS = {"cf-aig-max-attempts": "5", "cf-aig-retry-delay": "0", "cf-aig-backoff": "constant"}


async def test_a_requests_headers_go_through_the_gateway_but_not_to_a_provider() -> None:
    recorder = Recorder()
    given = {**ALL_HEADERS, **OURS, "cf-aig-authorization": "Bearer theirs", "cf-aig-unknown": "x"}
    async with through(recorder, OPENAI_VIA="gateway", GROQ_BASE_URL="http://127.0.0.1:{port}") as (harpoon, _):
        for model in ("openai/gpt-4o", "groq/qwen3-32b"):
            answer = await harpoon.client.post("/chat/completions", json=ask(model=model), headers=given)
            assert answer.status_code == 200
    gateway, direct = (parts(request)[1] for request in recorder.requests)
    assert {n: v for n, v in gateway.items() if n.startswith("cf-aig-")} == {**ALL_HEADERS, **TOKEN}
    assert not [name for name in direct if name.startswith("cf-aig-")]


@pytest.mark.parametrize("covenant", [{"priority": "max_security"}, {"requirements": ["no_logging"]}])
async def test_where_nothing_may_be_kept_the_gateway_is_told_so(covenant: dict[str, Any]) -> None:
    recorder = Recorder()
    settings = {"HOSTED_AI_VIA": "gateway:custom-pods/v1", "HARPOON_CATALOGUE_JSON": attesting_catalogue()}
    async with through(recorder, **settings) as (harpoon, _):
        asked = ask(covenant=covenant)
        assert (await harpoon.client.post("/chat/completions", json=asked, headers=ALL_HEADERS)).status_code == 200
    sent = parts(recorder.requests[0])[1]
    assert (sent["cf-aig-skip-cache"], sent["cf-aig-collect-log"]) == ("true", "false")
    assert "cf-aig-cache-key" not in sent
    assert sent["cf-aig-event-id"] == "e-1"


def attesting_catalogue() -> str:
    plain = to_plain(DEFAULT_CATALOGUE)
    plain["providers"][0]["attests"] = ["no_logging"]
    return json.dumps(plain)


async def test_attempts_and_patience_are_obeyed_by_us() -> None:
    recorder = Recorder(503, {"error": {"message": "busy"}})
    async with through(recorder, OPENAI_VIA="gateway") as (harpoon, _):
        for attempts in (1, 3):
            recorder.requests.clear()
            headers = {"cf-aig-max-attempts": str(attempts), "cf-aig-retry-delay": "1", "cf-aig-backoff": "linear"}
            answer = await harpoon.client.post("/chat/completions", json=ask(model="openai/gpt-4o"), headers=headers)
            assert answer.status_code == 503
            assert len(recorder.requests) == attempts
            assert answer.headers["x-harpoon-attempts"] == str(attempts)
            assert {parts(request)[1]["cf-aig-max-attempts"] for request in recorder.requests} == {"1"}


async def test_the_time_to_the_first_byte_is_bounded_by_the_request() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with (
        Server(silent) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon,
    ):
        headers = {"cf-aig-request-timeout": "50", "cf-aig-max-attempts": "1"}
        answer = await harpoon.client.post("/chat/completions", json=ask(model="openai/gpt-4o"), headers=headers)
        assert answer.status_code == 503
        assert causes(await harpoon.settled()) == ["timeout"]


async def test_an_unauthorized_gateway_is_trouble_with_a_key() -> None:
    recorder = Recorder(401, {"success": False, "error": [{"code": 2009, "message": "Unauthorized"}]})
    async with through(recorder, OPENAI_VIA="gateway") as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask(model="openai/gpt-4o"))
        assert (answer.status_code, "cf-t0ken" in answer.text) == (503, False)
        assert causes(await harpoon.settled()) == ["key_refused"]


MALFORMED = [
    ("cf-aig-cache-ttl", ["", "59", "2678401", "1.5", "-60", "x"]),
    ("cf-aig-skip-cache", ["1", "yes", "TRUE"]),
    ("cf-aig-collect-log", ["0"]),
    ("cf-aig-max-attempts", ["0", "6", "two"]),
    ("cf-aig-retry-delay", ["5001", "-1"]),
    ("cf-aig-backoff", ["random"]),
    ("cf-aig-request-timeout", ["0", "3600001", "10s"]),
    ("cf-aig-cache-key", ["", "two words", "x" * 257]),
    ("cf-aig-event-id", ["", "\xe9"]),
    ("cf-aig-metadata", ["", "{}", "[]", "7", '{"a":{}}', '{"a":null}', '{"a":[1]}', "{a:1}", '{"a":1,"a":2}']),
    ("cf-aig-metadata", ['{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}', '{"a":"' + "x" * 1_024 + '"}', '{"a":"\xe9"}']),
    ("cf-aig-custom-cost", ["0.1", '{"per_token_in":"free"}', '{"per_token_in":-1}', '{"per_token_in":true}']),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MALFORMED for value in values])
def test_a_header_that_is_malformed_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(MalformedRequest) as raised:
        read_options([(name.encode(), value.encode("latin-1"))])
    assert raised.value.param == name


def test_a_header_that_comes_twice_is_refused_and_an_unknown_one_is_nothing() -> None:
    with pytest.raises(MalformedRequest, match="once"):
        read_options([(b"cf-aig-skip-cache", b"true"), (b"cf-aig-skip-cache", b"true")])
    assert read_options([(b"cf-aig-unknown", b"x"), (b"cf-aig-authorization", b"Bearer t")]) is NO_OPTIONS


async def test_a_malformed_header_is_a_400_before_anything_is_decided() -> None:
    async with application() as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers={"cf-aig-cache-ttl": "1"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "cf-aig-cache-ttl")
        assert await harpoon.rows("SELECT 1 FROM decision") == []


def test_waits_grow_as_asked() -> None:
    def waits(*headers: tuple[bytes, bytes]) -> list[int | None]:
        return [asked_delay_us(read_options(headers), retry, 100) for retry in range(3)]

    delay = (b"cf-aig-retry-delay", b"2")
    assert waits() == [None, None, None]
    assert waits(delay) == [2_000, 2_000, 2_000]
    assert waits(delay, (b"cf-aig-backoff", b"linear")) == [2_000, 4_000, 6_000]
    assert waits(delay, (b"cf-aig-backoff", b"exponential")) == [2_000, 4_000, 8_000]
    assert waits((b"cf-aig-backoff", b"exponential")) == [100, 200, 400]


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("", "groq"),
        ("by air", "groq"),
        ("direct:x", "groq"),
        ("gateway:", "groq"),
        ("gateway:a//b", "groq"),
        ("gateway:../x y", "groq"),
        ("gateway", "hosted-ai"),
        ("compat", "native"),
    ],
)
def test_a_way_that_does_not_exist_is_refused(text: str, provider: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_via(text, provider, "X_VIA")
    assert raised.value.param == "X_VIA"


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"AI_GATEWAY_ID": "g"}, "AI_GATEWAY_ID"),
        ({"CLOUDFLARE_ACCOUNT_ID": "a/b", "AI_GATEWAY_ID": "g"}, "CLOUDFLARE_ACCOUNT_ID"),
        ({"CLOUDFLARE_ACCOUNT_ID": "a", "AI_GATEWAY_ID": "g", "AI_GATEWAY_TOKEN": "t w"}, "AI_GATEWAY_TOKEN"),
        ({"GROQ_VIA": "gateway"}, "AI_GATEWAY_ID"),
        ({"GROQ_VIA": "gateway", "GROQ_BASE_URL": "http://g"}, "GROQ_VIA"),
        ({"HARPOON_AI_GATEWAY": "on"}, "HARPOON_AI_GATEWAY"),
        (
            {"CLOUDFLARE_ACCOUNT_ID": "a", "AI_GATEWAY_ID": "g", "GROQ_VIA": "compat", "AI_GATEWAY_BASE_URL": "ftp://"},
            "AI_GATEWAY_BASE_URL",
        ),
    ],
)
def test_settings_that_lead_nowhere_end_the_start(settings: dict[str, str], param: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_configuration(settings)
    assert raised.value.param == param


def test_no_token_shows_anywhere() -> None:
    settings = gateway_of("acc", "gate", "cf-t0ken", "")
    assert settings.root == "https://gateway.ai.cloudflare.com/v1/acc/gate"
    assert "t0ken" not in repr(settings)
