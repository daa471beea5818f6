"""What is told of attempts that failed: to the caller with the provider's words, to the operator without any."""

from __future__ import annotations

import logging

import pytest

from tests.contracts.misbehaving_server import Server, replies
from tests.worker.api.application_kit import application, ask, http_answer
from worker.admission import Attempt
from worker.failed_attempts import LOGGED_AGAIN_US, MAX_REMEMBERED, MAX_WORDS, FailureLog, failure_line, tried_text
from worker.upstream import attempts

ROUTE = "openai/gpt-4o-mini@serverless"


def attempt(cause: str, status: int = 0, route: str = ROUTE) -> Attempt:
    return Attempt(route, cause, status, 1_000)


ENDINGS = [
    (attempt(attempts.STATUS, 404), "no such model", "(HTTP 404: no such model)"),
    (attempt(attempts.KEY_REFUSED, 401), "wrong key sk-aaaaaaaaaaaaaaaaaaaa", "(HTTP 401: wrong key [KEY])"),
    (attempt(attempts.KEY_REFUSED, 403), "", "(HTTP 403)"),
    (attempt(attempts.STATUS, 503), "the prompt was: hush", "(HTTP 503)"),
    (attempt(attempts.STATUS, 200), "", "(status: an error in its stream)"),
    (attempt(attempts.CONNECT), "", "(connect: nobody answers at its address)"),
    (attempt(attempts.TIMEOUT), "", "(timeout: no answer in time)"),
    (attempt(attempts.MALFORMED, 200), "", "(malformed: an answer that can't be read)"),
    (attempt(attempts.STATUS, 404), "a\nb\x1b[2J  c", "(HTTP 404: a b [2J c)"),
    (attempt(attempts.STATUS, 404), "x" * 1_000, "..."),
]


@pytest.mark.parametrize(("ended", "words", "told"), ENDINGS)
def test_an_ending_is_told(ended: Attempt, words: str, told: str) -> None:
    text = tried_text([ended], {0: words} if words else {})
    assert text.startswith(ROUTE)
    assert told in text
    assert len(text) < MAX_WORDS + 100


def test_attempts_are_told_in_order() -> None:
    tried = [attempt(attempts.CONNECT), attempt(attempts.STATUS, 404, "groq/m@serverless")]
    assert tried_text(tried, {1: "gone"}) == (
        f"{ROUTE} (connect: nobody answers at its address), then groq/m@serverless (HTTP 404: gone)"
    )


@pytest.mark.parametrize(
    ("ended", "hint"),
    [
        (attempt(attempts.KEY_REFUSED, 401), "OPENAI_API_KEY"),
        (attempt(attempts.STATUS, 404), "OPENAI_BASE_URL"),
        (attempt(attempts.CONNECT), "OPENAI_BASE_URL"),
        (attempt(attempts.STATUS, 503), "HTTP 503"),
    ],
)
def test_the_operator_is_told_where_to_look(ended: Attempt, hint: str) -> None:
    assert hint in failure_line(ended)
    assert ROUTE in failure_line(ended)


def test_each_kind_of_failure_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog()
    silent = [attempt(cause) for cause in (attempts.OK, attempts.REJECTED, attempts.CALLED_OFF)]
    with caplog.at_level(logging.WARNING, "harpoon"):
        log.saw([*silent, attempt(attempts.CONNECT), attempt(attempts.CONNECT)], "dec_1", 1)
        log.saw([attempt(attempts.STATUS, 404)], "dec_2", 2)
        log.saw([attempt(attempts.CONNECT)], "dec_3", LOGGED_AGAIN_US)
        assert [record.args[1] for record in caplog.records if record.args] == ["dec_1", "dec_2"]  # type: ignore[index]
        log.saw([attempt(attempts.CONNECT)], "dec_4", LOGGED_AGAIN_US + 1)
    assert len(caplog.records) == 3
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    for number in range(2 * MAX_REMEMBERED):
        log.saw([attempt(attempts.STATUS, number)], "dec_5", 0)
    assert len(log.logged_us) <= MAX_REMEMBERED


async def test_a_caller_and_an_operator_learn_why_a_provider_fails(caplog: pytest.LogCaptureFixture) -> None:
    refusal = b'{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","code":null}}'
    async with Server(replies(http_answer(404, refusal))) as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=base) as harpoon:
            with caplog.at_level(logging.WARNING, "harpoon"):
                body = ask(messages=[{"role": "user", "content": "hush"}])
                answer = await harpoon.client.post("/chat/completions", json=body)
            assert answer.status_code == 503
            assert "(HTTP 404: The model `x` does not exist)" in answer.json()["error"]["message"]
            found = (await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    assert {one["status"] for one in found["attempts"]} == {404}
    assert [list(one) for one in found["attempts"]] == [["route", "cause", "status", "elapsed_us"]] * len(
        found["attempts"]
    )
    (record,) = caplog.records
    assert "HOSTED_AI_BASE_URL" in record.getMessage()
    assert "HTTP 404" in record.getMessage()
    assert "hush" not in record.getMessage()
    assert "does not exist" not in record.getMessage()
