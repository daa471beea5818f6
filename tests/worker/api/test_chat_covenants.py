"""The covenant of a chat request: an object, words, the prompt's own lines, or a stored one; and what is told of it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import Application, answers, application, ask, two_providers
from worker.api.covenant_headers import MAX_WARNINGS_BYTES, CovenantHeaders, covenant_headers, warning_headers
from worker.errors import UnreadableCovenant

URL = "http://localhost/v2/covenant"
LENIENT = {"x-harpoon-covenant-mode": "lenient"}
TASK = "Analyse this financial report and name the top 5 risks."


async def chat(
    harpoon: Application, body: dict[str, Any], *headers: tuple[bytes, bytes], **named: str
) -> httpx.Response:
    sent = [*headers, *((name.encode(), value.encode()) for name, value in named.items())]
    return await harpoon.client.post("/chat/completions", json=body, headers=sent)


async def stored(harpoon: Application, **fields: Any) -> str:
    answer = await harpoon.client.post(URL, json={"title": "x", **fields})
    assert answer.status_code == 201, answer.text
    covenant_id: str = answer.json()["covenant_id"]
    return covenant_id


def prompt(*lines: str, **fields: Any) -> dict[str, Any]:
    return {**ask(**fields), "messages": [{"role": "user", "content": "\n".join(lines)}]}


async def test_words_are_read_in_the_body_and_in_the_header(harpoon: Application) -> None:
    words = "$2 budget, 30s timeout, high security"
    seen = set()
    for body, headers in (
        (ask(covenant=words), {}),
        (ask(), {"x-harpoon-covenant": words}),
        (ask(), {"x-harpoon-covenant": f'"{words}"'}),
    ):
        answer = await chat(harpoon, body, **headers)
        assert answer.status_code == 200
        seen.add(answer.headers["x-harpoon-policy"])
        assert "x-harpoon-covenant-warnings" not in answer.headers
    assert seen == {"priority=max_security; budget_usd=2; deadline_s=30"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("5 euros", "EUR"),
        ("$2 billion", "at most 1000000000 dollars"),
        ("$1, within 40 days", "at most 31 days"),
        ("$99999999999", "can't be a limit"),
    ],
)
async def test_a_limit_that_cannot_be_kept_is_refused_before_anything_runs(
    harpoon: Application, words: str, told: str
) -> None:
    answer = await chat(harpoon, ask(covenant=words))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_covenant")
    assert told in answer.json()["error"]["message"]
    assert (await chat(harpoon, ask(covenant=words), **LENIENT)).status_code == 200


async def test_a_header_in_utf_8_is_read_as_it_was_meant(harpoon: Application) -> None:
    for value in ("0,50 $ höchstens", "٢ dollars at most"):
        answer = await chat(harpoon, ask(), (b"x-harpoon-covenant", value.encode()))
        assert answer.status_code == 200
        assert "budget_usd=" in answer.headers["x-harpoon-policy"]
    answer = await chat(harpoon, ask(), (b"x-harpoon-covenant", "£2".encode()))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unreadable_covenant")
    assert "£2" in answer.json()["error"]["message"]
    assert "GBP" in answer.json()["error"]["message"]


async def test_what_cannot_be_read_is_refused_or_left_out(harpoon: Application) -> None:
    for words in ("$2, in a few seconds", "$2 and done by Friday noon"):
        strict = await chat(harpoon, ask(covenant=words))
        assert (strict.status_code, strict.json()["error"]["code"]) == (422, "unreadable_covenant")
        lenient = await chat(harpoon, ask(covenant=words), **LENIENT)
        assert lenient.status_code == 200
        assert "budget_usd=2" in lenient.headers["x-harpoon-policy"]
        assert "deadline_s" not in lenient.headers["x-harpoon-policy"]
        assert lenient.headers["x-harpoon-covenant-warnings"].startswith("left out: ")


async def test_leniency_is_part_of_what_was_asked(harpoon: Application) -> None:
    digests = []
    for headers in ({}, LENIENT, {"x-harpoon-covenant": "lenient"}):
        answer = await chat(harpoon, ask(), **headers)
        record = await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")
        digests.append(record.json()["inputs"]["request"])
    assert len(set(digests)) == 3


async def test_a_covenant_of_words_that_set_nothing_is_told(harpoon: Application) -> None:
    answer = await chat(harpoon, ask(covenant="Hi there!"))
    assert answer.status_code == 200
    assert answer.headers["x-harpoon-covenant-warnings"] == "the covenant's words set no limit"


@pytest.mark.parametrize(
    "lines",
    [
        ("Budget: $1, Time: 30 seconds, Quality: high",),
        ("Budget: $1", "Time: 30 seconds", "Quality: high"),
        ("", "Budget: $1, Time: 30 seconds, Quality: high", ""),
        ("Budget $1 / Time 30 seconds / Quality high",),
    ],
)
async def test_the_demo_prompt_carries_its_own_covenant(harpoon: Application, lines: tuple[str, ...]) -> None:
    answer = await chat(harpoon, prompt(TASK, *lines, covenant="from_prompt"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-harpoon-policy"] == "priority=balanced; budget_usd=1; deadline_s=30; quality=high"
    by_header = await chat(harpoon, prompt(TASK, *lines), **{"x-harpoon-covenant": "from_prompt"})
    assert by_header.headers["x-harpoon-policy"] == answer.headers["x-harpoon-policy"]
    # Nobody asked for it here: it is the task's own text.
    silent = await chat(harpoon, prompt(TASK, *lines))
    assert silent.headers["x-harpoon-policy"] == "priority=balanced"


async def test_a_prompt_without_labelled_lines_is_an_empty_covenant(harpoon: Application) -> None:
    for lines in ((TASK,), ("Budget: $1", TASK), ("My budget is $1 and I am in a hurry",)):
        answer = await chat(harpoon, prompt(*lines, covenant="from_prompt"))
        assert (answer.status_code, answer.headers["x-harpoon-policy"]) == (200, "priority=balanced")
        assert "x-harpoon-covenant-warnings" not in answer.headers


async def test_only_the_last_user_message_is_read(harpoon: Application) -> None:
    parts = [{"type": "text", "text": TASK}, {"type": "text", "text": "Budget: $1"}]
    for messages, policy in (
        ([{"role": "user", "content": "Budget: $1"}, {"role": "user", "content": TASK}], "priority=balanced"),
        ([{"role": "system", "content": "Budget: $1"}], "priority=balanced"),
        ([{"role": "user", "content": TASK}, {"role": "assistant", "content": "Budget: $1"}], "priority=balanced"),
        ([{"role": "user", "content": parts}], "priority=balanced; budget_usd=1"),
    ):
        answer = await chat(harpoon, {"model": "auto", "messages": messages, "covenant": "from_prompt"})
        assert answer.headers["x-harpoon-policy"] == policy


async def test_the_provider_hears_nothing_of_any_covenant() -> None:
    provider = answers()
    async with two_providers(provider, answers()) as harpoon:
        model = "hosted-ai/llama-3.1-8b-instruct"
        covenant_id = await stored(harpoon)
        for fields in ({"covenant": "balanced"}, {"covenant": covenant_id}, {"covenant_id": covenant_id}):
            assert (await chat(harpoon, ask(model=model, **fields))).status_code == 200
    assert len(provider.calls) == 3
    assert all("covenant" not in call and "covenant_id" not in call for call in provider.calls)


async def test_a_stored_covenants_policy_holds_for_who_names_it(harpoon: Application) -> None:
    covenant_id = await stored(
        harpoon, constraints={"max_cost": 0.5, "max_latency": 20_000, "priority": "max_security"}
    )
    for body, headers in (
        (ask(covenant_id=covenant_id), {}),
        (ask(covenant=covenant_id), {}),
        (ask(), {"x-harpoon-covenant": covenant_id}),
        (ask(covenant_id=covenant_id, covenant=None), {}),
        (ask(covenant_id=covenant_id, stream=True), {}),
    ):
        answer = await chat(harpoon, body, **headers)
        assert answer.status_code == 200
        assert answer.headers["x-harpoon-policy"] == "priority=max_security; budget_usd=0.5; deadline_s=20"
        assert answer.headers["x-harpoon-decision-id"].startswith("dec_")
        record = (await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")).json()
        assert record["inputs"]["policy"]["deadline_us"] == 20_000_000
    await harpoon.none_open()
    value = (await harpoon.client.get(f"{URL}/{covenant_id}")).json()
    spent = int(value["budget"]["spent_usd_micros"])
    assert 0 < spent == 500_000 - value["budget"]["left_usd_micros"]
    assert (await harpoon.money())[0] == 2 * spent  # once in the covenant's account, once in the tenant's


async def test_a_covenants_budget_ends_with_it(harpoon: Application) -> None:
    covenant_id = await stored(harpoon, covenant={"budget_usd": 0.0002})
    body = ask(covenant_id=covenant_id, max_tokens=100, model="simulator/llama-3.1-8b-instruct")
    found = await asyncio.gather(*(chat(harpoon, body) for _ in range(24)))
    statuses = [answer.status_code for answer in found]
    assert set(statuses) == {200, 402}
    refused = next(answer for answer in found if answer.status_code == 402)
    message = refused.json()["error"]["message"]
    assert "COST_BOUND_EXCEEDED: covenant" in message
    assert re.search(f"the stored covenant {covenant_id} has \\$0\\.[0-9]+ left", message)
    assert refused.headers["x-harpoon-policy"] == "priority=balanced; budget_usd=0.0002"
    assert (await harpoon.client.get(f"{URL}/{covenant_id}")).json()["budget"]["reserved_usd_micros"] == 0
    assert (await chat(harpoon, ask())).status_code == 200


async def test_an_unknown_covenant_is_refused_before_anything_is_held(harpoon: Application) -> None:
    for body in (ask(covenant_id="cov-00000000"), ask(covenant="cov-00000000", stream=True)):
        answer = await chat(harpoon, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "covenant_not_found")
        assert "x-harpoon-decision-id" not in answer.headers
    assert await harpoon.rows("SELECT * FROM decision") == []
    assert await harpoon.rows("SELECT * FROM ledger") == []


async def test_a_covenants_deadline_ends_a_request() -> None:
    async with application(HARPOON_SIMULATOR_SPEED="1") as harpoon:
        covenant_id = await stored(harpoon, constraints={"latency": 1})
        answer = await chat(harpoon, ask(covenant_id=covenant_id))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "nothing_admissible")
        assert "POLICY_DEADLINE" in answer.json()["error"]["message"]


async def test_what_tokens_do_not_price_is_refused_under_a_stored_covenant(harpoon: Application) -> None:
    covenant_id = await stored(harpoon)
    answer = await chat(harpoon, ask(covenant_id=covenant_id, service_tier="flex"))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "service_tier")


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"headers": [(b"host", b"x"), *headers]}


def test_the_headers_of_a_covenant() -> None:
    covenant, mode = b"x-harpoon-covenant", b"x-harpoon-covenant-mode"
    assert covenant_headers(scope()) == CovenantHeaders()
    assert covenant_headers(scope((covenant, b" \t$2 "), (mode, b" lenient\t"))) == CovenantHeaders("$2", True)
    assert covenant_headers(scope((covenant, b""))).text == ""
    assert covenant_headers(scope((covenant, "£2".encode()))).text == "£2"
    assert covenant_headers(scope((covenant, "£2".encode("latin-1")))).text == "£2"
    for wrong in ([(covenant, b""), (covenant, b"")], [(mode, b"lenient"), (mode, b"lenient")]):
        with pytest.raises(UnreadableCovenant, match="once"):
            covenant_headers(scope(*wrong))
    for value in (b"", b"Lenient", b"strict", b"lenient;", b"lenient, lenient"):
        with pytest.raises(UnreadableCovenant, match="may only be lenient"):
            covenant_headers(scope((mode, value)))


def test_warnings_are_printable_and_bounded() -> None:
    assert warning_headers(()) == []
    ((name, value),) = warning_headers(('left out: "€5\r\nx-evil: 1"', "and\tmore \x7f\U0001f600"))
    assert name == b"x-harpoon-covenant-warnings"
    assert value == rb'left out: "\u20ac5  x-evil: 1"; and more  \U0001f600'
    ((_, long),) = warning_headers(("é" * 5_000,))
    assert len(long) == MAX_WARNINGS_BYTES
    assert long.endswith(b"...")
