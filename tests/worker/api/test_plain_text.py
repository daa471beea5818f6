"""The plain-text endpoints: examples field for field, what the fields mean, one way to a model."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.openai_shapes import error_findings
from tests.plain_text_examples import EXAMPLES, play
from tests.worker.api.application_kit import Application, answers, application, one_provider, refuses, two_providers

ROOT = "http://localhost"
HARD = "Analyse the trade-offs, prove step by step which invariants hold, and write the Python code. " * 3
#: Statuses and the member at fault, by a body that is wrong.
BAD: dict[str, tuple[str, Any, int, str | None]] = {
    "no text": ("/classify", {}, 400, "text"),
    "a number": ("/classify", {"text": 3}, 400, "text"),
    "null": ("/run", {"text": None}, 400, "text"),
    "a list": ("/run", ["text"], 400, None),
    "another field": ("/classify", {"text": "Hi", "model": "auto"}, 400, "model"),
    "a mistyped field": ("/run", {"text": "Hi", "covenent": {"budget_usd": 1}}, 400, "covenent"),
    "an unknown model": ("/run", {"text": "Hi", "model": "no-such"}, 404, "model"),
    "no room": ("/run", {"text": "Hi", "max_tokens": 0}, 400, "max_tokens"),
    "an unreadable covenant": ("/run", {"text": "Hi", "covenant": {"colour": "blue"}}, 422, "covenant"),
    "an unknown deployment": ("/v2/process", {"text": "Hi", "deployment": "Mainframe"}, 400, "deployment"),
    "a deployment by number": ("/v2/process", {"text": "Hi", "deployment": 1}, 400, "deployment"),
    "half a fragment": ("/v2/process", {"text": "Hi", "fragment_context": {"path": "a"}}, 400, "fragment_context"),
    "a negative index": (
        "/v2/process",
        {"text": "Hi", "fragment_context": {"path": "a", "idx": -1, "lines": "1"}},
        400,
        "fragment_context",
    ),
    "a fragment that is a text": ("/v2/process", {"text": "Hi", "fragment_context": "a.rs"}, 400, "fragment_context"),
    "no repositories": ("/v2/strike", {"covenant_id": "cov-00000000", "target_repos": []}, 400, "target_repos"),
    "no covenant": ("/v2/strike", {"target_repos": ["a/b"]}, 400, "covenant_id"),
    "a malformed covenant id": ("/v2/strike", {"covenant_id": "cov-1", "target_repos": ["a/b"]}, 400, "covenant_id"),
    "another's covenant": ("/v2/strike", {"covenant_id": "cov-00000000", "target_repos": ["a/b"]}, 404, "covenant_id"),
}


async def post(harpoon: Application, path: str, body: Any, **headers: str) -> httpx.Response:
    return await harpoon.client.post(ROOT + path, json=body, headers=headers)


async def test_every_example_of_the_brief_is_answered(harpoon: Application) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(harpoon.app), base_url=ROOT) as client:
        assert await play(client) == []


def test_the_examples_cover_the_brief() -> None:
    assert {example.path.partition("?")[0] for example in EXAMPLES} >= {
        "/health",
        "/classify",
        "/run",
        "/v2/process",
        "/v2/covenant",
        "/v2/strike",
    }


async def test_complexity_is_the_score_as_text_and_follows_the_text(harpoon: Application) -> None:
    found = [(await post(harpoon, "/classify", {"text": text})).json() for text in ("Hi", "Why is the sky blue?", HARD)]
    scores = [one["score"] for one in found]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3
    for one in found:
        assert abs(float(one["complexity"]) - one["score"]) <= 0.005
        assert one["category"] == ("complex" if one["class"] == "complex" else "simple")
        assert one["engine"] == {"model_version": "reference-2", "scorer": "ReferenceScorer"}


async def test_the_subject_and_personal_data_are_told_and_recorded_nowhere(harpoon: Application) -> None:
    law = "Is the plaintiff liable to the defendant for negligence? Write to ann@example.org"
    found = (await post(harpoon, "/classify", {"text": law})).json()
    assert (found["domain"], found["personal_data"]) == ("law", True)
    plain = (await post(harpoon, "/classify", {"text": "Hi"})).json()
    assert (plain["domain"], plain["personal_data"]) == ("other", False)
    await post(harpoon, "/run", {"text": law})
    record = await harpoon.settled()
    assert len(record["decision"]["classification"]) == 5
    assert "law" not in record["decision"]["classification"]


async def test_a_moderate_text_is_not_called_complex(harpoon: Application) -> None:
    found = (
        await post(harpoon, "/classify", {"text": "Explain how a GPU scheduler shares a card, and why. " * 4})
    ).json()
    assert (found["class"], found["category"]) == ("moderate", "simple")


async def test_the_reasoning_is_true_and_the_confidence_is_the_scores(harpoon: Application) -> None:
    easy = (await post(harpoon, "/v2/process", {"text": "Hi"})).json()["classification"]
    hard = (await post(harpoon, "/v2/process", {"text": HARD})).json()["classification"]
    scores = [(await post(harpoon, "/classify", {"text": text})).json() for text in ("Hi", HARD)]
    assert (easy["is_complex"], hard["is_complex"]) == (False, True)
    assert easy["confidence"] == pytest.approx(1 - scores[0]["score"])
    assert hard["confidence"] == pytest.approx(scores[1]["score"])
    for told, score in zip((easy, hard), scores, strict=True):
        assert f"probability {score['complexity']}: {score['class']}" in told["reasoning"]
    assert "judgement" in hard["reasoning"]
    assert "judgement" not in easy["reasoning"]


@pytest.mark.parametrize("path", ["/run", "/v2/process"])
async def test_an_answer_is_decided_charged_and_recorded_like_any_other(harpoon: Application, path: str) -> None:
    answer = await post(harpoon, path, {"text": "What is a vGPU?"}, **{"x-session-id": "s1"})
    value = answer.json()
    record = await harpoon.settled()
    assert value["decision_id"] == record["id"] == answer.headers["x-harpoon-decision-id"]
    assert value["route"] == answer.headers["x-harpoon-route"]
    assert value["cost_usd"] == answer.headers["x-harpoon-cost-usd"]
    assert answer.headers["x-request-id"] == record["request_id"]
    assert answer.headers["content-length"] == str(len(answer.content))
    text = value["output"] if path == "/run" else value["inference_result"]["text"]
    assert "vGPU" in text


async def test_a_budget_holds_here_too_and_its_refusal_is_the_chats(harpoon: Application) -> None:
    for body in ({"covenant": {"budget_usd": 0}}, {"covenant": {"budget_usd": 0}, "deployment": "Native"}):
        answer = await post(harpoon, "/v2/process", {"text": "Hi", **body})
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "budget_exceeded")
        assert answer.headers["x-should-retry"] == "false"
    refused = await post(harpoon, "/run", {"text": "Hi"}, **{"x-harpoon-covenant": '{"budget_usd": 0}'})
    assert refused.status_code == 402
    assert await harpoon.money() == (0, 0, 0)


async def test_the_text_of_a_process_may_end_with_its_own_covenant(harpoon: Application) -> None:
    text = "What are the top 5 risks?\nBudget: $1, Time: 30 seconds, Quality: high"
    answer = await post(harpoon, "/v2/process", {"text": text, "max_tokens": 20})
    assert "budget_usd=1" in answer.headers["x-harpoon-policy"]
    assert "deadline_s=30" in answer.headers["x-harpoon-policy"]
    plain = await post(harpoon, "/run", {"text": text, "max_tokens": 20})
    assert "budget_usd" not in plain.headers["x-harpoon-policy"]


async def test_what_is_wrong_is_refused_by_name(harpoon: Application) -> None:
    for name, (path, body, status, param) in BAD.items():
        answer = await post(harpoon, path, body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), f"{name}: {answer.text}"
        assert error_findings(answer.json()) == []
        assert answer.headers["x-request-id"].startswith("req_")


async def test_a_strike_says_that_nothing_was_done(harpoon: Application) -> None:
    made = await post(harpoon, "/v2/covenant", {"title": "One", "description": "Two"})
    body = {"covenant_id": made.json()["covenant_id"], "target_repos": ["a/b"], "options": {"dry_run": True}}
    answer = await post(harpoon, "/v2/strike", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_implemented")
    assert "Nothing was done" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


async def test_a_deployment_is_served_by_its_own_provider(harpoon: Application) -> None:
    async with one_provider(answers("Pooled.").play) as (connected, _):
        for name in ("HostedAI", "hosted_ai", "HOSTED-AI"):
            value = (await post(connected, "/v2/process", {"text": "Hi", "deployment": name})).json()
            assert (value["inference_result"]["text"], value["deployment_used"]) == ("Pooled.", "hosted_ai")
            assert (value["simulated"], value["warnings"]) == (False, [])
        other = await post(connected, "/v2/process", {"text": "Hi", "deployment": "Native"})
        error = other.json()["error"]
        assert (other.status_code, error["code"]) == (403, "nothing_admissible")
        assert "NATIVE_BASE_URL" in error["message"]
        light = await post(connected, "/v2/process", {"text": "Hi", "deployment": "lightweight"})
        assert light.status_code == 403
        assert "HARPOON_SIMULATOR=on" in light.json()["error"]["message"]
    told = (await post(harpoon, "/v2/process", {"text": "Hi", "deployment": "HostedAI"})).json()
    assert any("HOSTED_AI_BASE_URL" in warning for warning in told["warnings"])


async def test_the_model_is_told_as_the_provider_names_it() -> None:
    async with one_provider(answers("Yes.", usage=None).play) as (harpoon, _):
        value = (await post(harpoon, "/v2/process", {"text": "Hi"})).json()["inference_result"]
        assert (value["model_used"], value["tokens_generated"]) == ("m", 1)


async def test_providers_that_fail_fail_here_in_the_same_words() -> None:
    async with two_providers(None, refuses(500)) as harpoon:
        answer = await post(harpoon, "/run", {"text": "Hi"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "all_routes_down")
        assert answer.headers["x-harpoon-attempts"]


async def test_a_token_is_asked_for_before_anything_is_read() -> None:
    async with application(HARPOON_TOKENS="hk_acme_0123456789") as harpoon:
        for path in ("/classify", "/run", "/v2/process", "/v2/strike"):
            refused = await harpoon.client.post(ROOT + path, content=b"{")
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        named = {"authorization": "Bearer hk_acme_0123456789"}
        assert (await harpoon.client.post(ROOT + "/run", json={"text": "Hi"}, headers=named)).status_code == 200
        assert await harpoon.rows("SELECT DISTINCT tenant FROM decision") == [("acme",)]


async def test_a_client_that_leaves_while_it_sends_is_not_answered(harpoon: Application) -> None:
    sent: list[Any] = []
    messages = [{"type": "http.disconnect"}, {"type": "http.request", "body": b'{"text":', "more_body": True}]

    async def receive() -> Any:
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/run", "raw_path": b"/run", "query_string": b""}
    await harpoon.app({**scope, "headers": [(b"host", b"127.0.0.1")]}, receive, send)
    assert (sent, await harpoon.rows("SELECT 1 FROM decision")) == ([], [])


async def test_a_body_of_many_bytes_is_refused_before_it_is_read() -> None:
    async with application(HARPOON_MAX_BODY_BYTES="100") as harpoon:
        body = json.dumps({"text": "x" * 200}).encode()
        assert (await harpoon.client.post(ROOT + "/classify", content=body)).status_code == 413
