"""The application over HTTP as its clients see it: answers, headers, refusals, and what bad input costs (nothing)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.contracts.misbehaving_server import Server
from tests.openai_shapes import (
    answer_findings,
    error_findings,
    model_findings,
    models_findings,
    stream_findings,
)
from tests.worker.api.application_kit import Application, answers, application, ask, served, streams
from worker.money import usd_text

HEADERS = (
    "x-request-id",
    "openai-processing-ms",
    "x-harpoon-route",
    "x-harpoon-decision-id",
    "x-harpoon-complexity",
    "x-harpoon-policy",
    "x-harpoon-attempts",
)


async def chat(harpoon: Application, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await harpoon.client.post("/chat/completions", content=content, headers=headers)


async def test_a_plain_answer_has_openais_shape_and_our_headers(harpoon: Application) -> None:
    answer = await chat(harpoon, ask(covenant={"budget_usd": 0.5, "deadline_s": 20}))
    assert answer.status_code == 200
    assert answer_findings(answer.json()) == []
    assert [name for name in HEADERS if name not in answer.headers] == []
    assert answer.headers["x-harpoon-attempts"] == "1"
    assert answer.headers["x-harpoon-simulated"] == "1"
    assert answer.headers["x-harpoon-policy"] == "priority=balanced; budget_usd=0.5; deadline_s=20"
    assert answer.headers["x-harpoon-complexity"] in ("simple", "moderate", "complex")
    provider, model = answer.headers["x-harpoon-route"].split("@")[0].split("/")
    assert (provider, answer.json()["model"]) == ("simulator", f"{model}-simulated")
    record = await harpoon.settled()
    assert record["state"] == "settled"
    assert answer.headers["x-harpoon-cost-usd"] == usd_text(record["charged_usd_micros"])
    assert "x-harpoon-cost-estimate-usd" not in answer.headers
    assert record["outcome"]["usage"] == "reported"
    assert record["outcome"]["output_tokens"] == answer.json()["usage"]["completion_tokens"]


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream_has_openais_shape_our_headers_and_its_cost(harpoon: Application, include_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    answer = await chat(harpoon, ask(stream=True, **options))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert stream_findings(answer.text, include_usage=include_usage) == []
    assert [name for name in HEADERS if name not in answer.headers] == []
    assert "x-harpoon-cost-usd" not in answer.headers
    record = await harpoon.settled()
    cost = usd_text(record["charged_usd_micros"])
    assert answer.text.endswith(f": harpoon-cost-usd {cost}\n\ndata: [DONE]\n\n")
    assert float(answer.headers["x-harpoon-cost-estimate-usd"]) > 0


async def test_each_way_to_name_a_model_reaches_it(harpoon: Application) -> None:
    for name in ("llama-3.1-8b-instruct", "simulator/llama-3.1-8b-instruct"):
        answer = await chat(harpoon, ask(model=name))
        assert answer.headers["x-harpoon-route"].startswith("simulator/llama-3.1-8b-instruct@")


async def test_what_a_provider_leaves_out_is_filled_in() -> None:
    async with (
        Server(answers(usage=None)) as server,
        application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon,
    ):
        answer = await chat(harpoon, ask())
        assert answer.status_code == 200
        record = await harpoon.settled()
        # 17 bytes of answer are counted as five tokens.
        assert (record["outcome"]["usage"], record["outcome"]["output_tokens"]) == ("counted", 5)
        assert "x-harpoon-simulated" not in answer.headers


async def test_an_attachment_is_planned_for_when_no_usage_is_reported() -> None:
    parts = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "https://h.example/i"}}] * 2
    async with (
        Server(answers(usage=None)) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        answer = await chat(harpoon, ask(messages=[{"role": "user", "content": parts}]))
        assert answer.status_code == 200
        record = await harpoon.settled()
        assert record["outcome"]["input_tokens"] == 2_000 - -len(answer.request.content) // 4


async def test_the_provider_hears_what_the_client_said_and_nothing_of_the_covenant() -> None:
    provider = streams("Hello")
    async with Server(provider) as server, application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon:
        body = ask(model="llama-3.1-8b-instruct", stream=True, top_k=40, covenant={"budget_usd": 1})
        answer = await chat(harpoon, body)
        assert stream_findings(answer.text, include_usage=False) == []
    (sent,) = provider.calls
    assert {key: sent[key] for key in ("model", "messages", "stream", "top_k")} == {
        key: body[key] for key in ("model", "messages", "stream", "top_k")
    }
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["max_completion_tokens"] > 0
    assert set(sent) == {"model", "messages", "stream", "top_k", "stream_options", "max_completion_tokens"}


async def test_a_budget_buys_a_shorter_answer_before_it_buys_none() -> None:
    provider = answers()
    async with Server(provider) as server, application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon:
        model = "hosted-ai/llama-3.1-8b-instruct"
        assert (await chat(harpoon, ask(model=model))).status_code == 200
        assert (await chat(harpoon, ask(model=model, covenant={"budget_usd": 0.0001}))).status_code == 200
        assert (await chat(harpoon, ask(model=model, covenant={"budget_usd": 0.000001}))).status_code == 402
    generous, tight = (call["max_completion_tokens"] for call in provider.calls)
    assert generous == 8_192
    assert 16 <= tight < 2_000


REFUSALS: list[tuple[str, dict[str, Any], dict[str, str], int, str]] = [
    ("no budget", {"covenant": {"budget_usd": 0}}, {}, 402, "budget_exceeded"),
    ("a tiny budget", {}, {"x-harpoon-covenant": '{"budget_usd": 0.000001}'}, 402, "budget_exceeded"),
    (
        "a price nobody has",
        {"covenant": {"budget_usd": 0.001, "budget_scope": "per_1m_tokens"}},
        {},
        402,
        "budget_exceeded",
    ),
    ("an empty window", {"covenant": {"budget_usd": 0, "budget_scope": "per_day"}}, {}, 402, "budget_exceeded"),
    ("a place nobody serves", {"covenant": {"residency": ["JP"]}}, {}, 403, "nothing_admissible"),
    ("a deadline nobody meets", {"covenant": {"deadline_s": 0.001}}, {}, 403, "nothing_admissible"),
    ("a requirement nobody attests", {"covenant": {"requirements": ["hipaa"]}}, {}, 403, "nothing_admissible"),
    ("a provider without a key", {"model": "openai/gpt-4o"}, {}, 403, "nothing_admissible"),
    ("more output than any model has", {"max_tokens": 1_000_000}, {}, 403, "nothing_admissible"),
    ("a model nobody has", {"model": "gpt-99"}, {}, 404, "model_not_found"),
    ("a covenant in another currency", {"covenant": {"budget_other": "2 EUR"}}, {}, 422, "unreadable_covenant"),
    ("a covenant given twice", {"covenant": {}}, {"x-harpoon-covenant": "{}"}, 422, "unreadable_covenant"),
    ("a covenant that is no JSON", {}, {"x-harpoon-covenant": "{two dollars"}, 422, "unreadable_covenant"),
    ("an empty covenant", {"covenant": " "}, {}, 422, "unreadable_covenant"),
    ("a covenant nobody has", {"covenant_id": "cov-00000000"}, {}, 404, "covenant_not_found"),
    ("no covenant's id", {"covenant_id": "cov-1"}, {}, 422, "unreadable_covenant"),
    ("a covenant id that is a number", {"covenant_id": 1}, {}, 400, "invalid_request"),
    ("an unknown mode", {}, {"x-harpoon-covenant-mode": "strict"}, 422, "unreadable_covenant"),
    ("a covenant with NaN", {}, {"x-harpoon-covenant": '{"budget_usd": NaN}'}, 422, "unreadable_covenant"),
    ("a covenant in Latin-1", {}, {"x-harpoon-covenant": '{"priority": "s\xfcper"}'}, 422, "unreadable_covenant"),
    ("a covenant too deep", {}, {"x-harpoon-covenant": "[" * 100}, 422, "unreadable_covenant"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "headers", "status", "code"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
async def test_a_refusal_says_why_and_takes_nothing(
    harpoon: Application, fields: dict[str, Any], headers: dict[str, str], status: int, code: str, stream: bool
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    body = json.dumps(ask(**fields, stream=stream)).encode()
    answer = await harpoon.client.post("/chat/completions", content=body, headers=raw)
    assert answer.status_code == status
    assert error_findings(answer.json()) == []
    assert answer.json()["error"]["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert (answer.headers.get("x-should-retry") == "false") is (status in (402, 403))
    assert await harpoon.money() == (0, 0, 0)
    assert await harpoon.entries("SESSION_COMPLETION") == 0
    if status in (402, 403):
        assert answer.json()["error"]["reasons"]
        # What was refused is on record, with its reasons, under the id the client was given.
        record = await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")
        assert (record.json()["state"], record.json()["selected"]) == ("denied", None)
        assert all(candidate["denials"] for candidate in record.json()["candidates"])
        assert await harpoon.entries("DENY") == 1


async def test_two_covenant_headers_are_refused(harpoon: Application) -> None:
    lenient, strict = (b"x-harpoon-covenant", b"{}"), (b"x-harpoon-covenant", b'{"budget_usd": 0}')
    for headers in ([lenient, strict], [strict, lenient], [lenient, lenient]):
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_covenant")
        assert "x-harpoon-covenant once" in answer.json()["error"]["message"]
    assert await harpoon.rows("SELECT * FROM decision") == []


async def test_white_space_around_a_covenant_header_is_no_part_of_it(harpoon: Application) -> None:
    digests = set()
    for covenant in ('{"budget_usd": 1}', ' \t{"budget_usd": 1}\t '):
        answer = await chat(harpoon, ask(), **{"x-harpoon-covenant": covenant})
        record = await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")
        digests.add(record.json()["inputs"]["request"])
    assert len(digests) == 1


HUGE = b'{"model":"auto","messages":[{"role":"user","content":"' + b"x" * (10 * 1024 * 1024) + b'"}]}'
BAD_INPUT: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("half a body", b'{"model":"auto","messages":', 400),
    ("not UTF-8", b'{"model":"auto\xff"}', 400),
    ("UTF-16", json.dumps(ask()).encode("utf-16"), 400),
    ("a list", b"[]", 400),
    ("null", b"null", 400),
    ("messages of a wrong type", b'{"model":"auto","messages":"hi"}', 400),
    ("a model of a wrong type", b'{"model":["auto"],"messages":[{"role":"user","content":"x"}]}', 400),
    ("no messages", b'{"model":"auto"}', 400),
    ("duplicate keys", b'{"model":"auto","model":"auto","messages":[{"role":"user","content":"x"}]}', 400),
    ("duplicate keys within", b'{"model":"auto","messages":[{"role":"user","role":"system","content":"x"}]}', 400),
    ("deep lists", b'{"model":"auto","messages":' + b"[" * 100_000, 400),
    ("deep objects", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
    (
        "a budget of NaN",
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"covenant":{"budget_usd":NaN}}',
        400,
    ),
    (
        "a budget of 1e400",
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"covenant":{"budget_usd":1e400}}',
        400,
    ),
    (
        "a negative budget",
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"covenant":{"budget_usd":-1}}',
        422,
    ),
    (
        "a budget in words",
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"covenant":{"budget_usd":"2"}}',
        422,
    ),
    ("half a surrogate pair", b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}]}', 400),
    ("a stream of a wrong type", b'{"model":"auto","messages":[{"role":"user","content":"x"}],"stream":"yes"}', 400),
    ("no tokens at all", b'{"model":"auto","messages":[{"role":"user","content":"x"}],"max_tokens":0}', 400),
    ("ten megabytes and more", HUGE, 413),
    ("a hundred thousand members", b"{" + b",".join(b'"k%d":1' % number for number in range(50_001)) + b"}", 413),
    ("a model nobody has", b'{"model":"\\u0000","messages":[{"role":"user","content":"x"}]}', 404),
]


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT])
async def test_bad_input_is_the_callers_and_costs_nobody(harpoon: Application, body: bytes, status: int) -> None:
    answer = await chat(harpoon, body)
    assert answer.status_code == status
    assert error_findings(answer.json()) == []
    assert await harpoon.rows("SELECT * FROM account") == []
    assert await harpoon.rows("SELECT * FROM decision") == []


async def test_bad_input_over_a_real_connection(harpoon: Application) -> None:
    async with served(harpoon.app) as client:
        for _, body, status in BAD_INPUT:
            answer = await client.post("/chat/completions", content=body)
            assert answer.status_code == status
            assert error_findings(answer.json()) == []

        async def endless() -> Any:
            for _ in range(200):
                yield b" " * 100_000

        # Without a declared length the limit holds while the body is read.
        answer = await client.post("/chat/completions", content=endless())
        assert answer.status_code == 413
        assert (await client.post("/chat/completions", json=ask())).status_code == 200
    assert len(await harpoon.rows("SELECT * FROM decision")) == 1


@pytest.mark.parametrize(
    "authorization", [None, "Bearer hk_acme_wrong", "Bearer hk_other_s3cret", "Basic aGs=", "Bearer ", "Bearer \xff"]
)
async def test_a_bad_token_opens_nothing(authorization: str | None) -> None:
    async with application(HARPOON_TOKENS="hk_acme_s3cret") as harpoon:
        headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
        for method, path in (
            ("POST", "/chat/completions"),
            ("GET", "/models"),
            ("GET", "/models/auto"),
            ("GET", "/decisions/dec_1"),
        ):
            answer = await harpoon.client.request(method, path, headers=headers, json=ask())
            assert answer.status_code == 401
            assert error_findings(answer.json()) == []
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "s3cret" not in answer.text
        assert await harpoon.rows("SELECT * FROM decision") == []
        assert await harpoon.rows("SELECT * FROM tenant") == []


async def test_models_list_what_can_be_served(harpoon: Application) -> None:
    listed = (await harpoon.client.get("/models")).json()
    assert models_findings(listed) == []
    names = [model["id"] for model in listed["data"]]
    assert names[0] == "auto"
    assert "simulator/llama-3.1-8b-instruct" in names
    assert not any(name.startswith(("openai/", "groq/", "hosted-ai/")) for name in names)
    for model in listed["data"]:
        found = await harpoon.client.get(f"/models/{model['id']}")
        assert found.json() == model
        assert model_findings(found.json()) == []
        embeds = model["id"].endswith("hashed-words-256")
        assert (await chat(harpoon, ask(model=model["id"]))).status_code == (403 if embeds else 200)
    quoted = await harpoon.client.get("/models/simulator%2Fllama-3.1-8b-instruct")
    assert quoted.json()["id"] == "simulator/llama-3.1-8b-instruct"
    for unknown in ("nope", "openai/gpt-4o", "simulator/", "simulator/nope/nope", "Auto"):
        missing = await harpoon.client.get(f"/models/{unknown}")
        assert missing.status_code == 404
        assert error_findings(missing.json()) == []


async def test_a_decision_can_be_read_by_its_tenant_alone() -> None:
    async with application(HARPOON_TOKENS="hk_a_1,hk_a_2,hk_b_3") as harpoon:
        headers = [{"authorization": f"Bearer {token}"} for token in ("hk_a_1", "hk_a_2", "hk_b_3")]
        answer = await chat(harpoon, ask(), **headers[0])
        await harpoon.settled()
        path = f"/decisions/{answer.headers['x-harpoon-decision-id']}"
        for mine in headers[:2]:
            record = (await harpoon.client.get(path, headers=mine)).json()
            assert (record["object"], record["state"]) == ("decision", "settled")
            assert record["cost_usd"] == answer.headers["x-harpoon-cost-usd"]
            assert record["selected"] == record["ranking"][0] == answer.headers["x-harpoon-route"]
            assert record["request_id"] == answer.headers["x-request-id"]
            assert len(record["decision_digest"]) == 64
        for other in ({"path": path, "headers": headers[2]}, {"path": "/decisions/dec_0", "headers": headers[0]}):
            missing = await harpoon.client.get(str(other["path"]), headers=other["headers"])  # type: ignore[arg-type]
            assert missing.status_code == 404
            assert error_findings(missing.json()) == []
        assert "vGPU" not in json.dumps((await harpoon.client.get(path, headers=headers[0])).json())


async def test_tenants_have_budgets_of_their_own() -> None:
    async with application(HARPOON_TOKENS="hk_a_1,hk_b_2", HARPOON_BUDGET_USD="a=0,b=5") as harpoon:
        assert (await chat(harpoon, ask(), authorization="Bearer hk_a_1")).status_code == 402
        assert (await chat(harpoon, ask(), authorization="Bearer hk_b_2")).status_code == 200


async def test_equal_requests_in_equal_states_get_equal_decisions() -> None:
    digests = []
    for _ in range(2):
        async with application() as fresh:
            answer = await chat(fresh, ask())
            record = await fresh.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")
            digests.append(record.json()["decision_digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/chat/completions", 405),
        ("DELETE", "/models", 405),
        ("POST", "/models/auto", 405),
        ("POST", "/completions", 404),
        ("GET", "/", 404),
        ("GET", "/decisions/", 404),
        ("GET", "/models/", 404),
        ("POST", "/chat/completions/", 404),
        ("GET", "/%00%0d%0a", 404),
    ],
)
async def test_what_is_not_served_is_said_in_the_same_shape(
    harpoon: Application, method: str, path: str, status: int
) -> None:
    answer = await harpoon.client.request(method, path)
    assert answer.status_code == status
    assert error_findings(answer.json()) == []
    assert answer.headers["x-request-id"].startswith("req_")


async def test_health_tells_nothing_about_a_tenant() -> None:
    async with application(HARPOON_TOKENS="hk_acme_s3cret", OPENAI_API_KEY="sk-hush") as harpoon:
        for url in ("http://harpoon/health", "http://harpoon/"):
            answer = await harpoon.client.get(url)
            assert answer.status_code == 200
            assert "acme" not in answer.text
            assert "hush" not in answer.text
