"""The same question from many at once: one of them asks, the others wait, and nobody depends on anybody's luck."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import (
    PATIENCE_S,
    Application,
    Provider,
    answers,
    ask,
    http_answer,
    refuses,
    says,
    served,
    two_providers,
)

STATUS = "cf-aig-cache-status"
ON = {"HARPOON_CACHE": "on", "HARPOON_MAX_RETRIES": "0", "HARPOON_MAX_FALLBACKS": "0"}
MANY = 8


class Held(Provider):
    """A provider that answers its first call when it is let go, and every other one at once."""

    def __init__(self, first: Provider, others: Provider) -> None:
        super().__init__(self._play)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self._first, self._others = first, others

    async def _play(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if len(self.calls) > 1:
            await self._others.play(writer, reader)
            return
        self.reached.set()
        await self.go_on.wait()
        await self._first.play(writer, reader)


def asking(client: httpx.AsyncClient, **fields: Any) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post("/chat/completions", json=ask(**fields)))


async def admitted(harpoon: Application, count: int) -> None:
    """Wait until so many requests hold a reservation."""
    async with asyncio.timeout(PATIENCE_S):
        while len(await harpoon.rows("SELECT 1 FROM decision WHERE state = 'open'")) < count:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


async def events(harpoon: Application) -> list[dict[str, Any]]:
    await harpoon.none_open()
    return [json.loads(str(row[0])) for row in await harpoon.rows("SELECT event FROM outbox ORDER BY id")]


async def test_many_who_ask_the_same_at_once_are_answered_by_one_call() -> None:
    provider = Held(answers("Once."), refuses(500))
    async with two_providers(provider, refuses(500), **ON) as harpoon:
        asked = [asking(harpoon.client) for _ in range(MANY)]
        await admitted(harpoon, MANY)
        provider.go_on.set()
        told = await asyncio.gather(*asked)
        assert len(provider.calls) == 1
        assert sorted(answer.headers[STATUS] for answer in told) == ["HIT"] * (MANY - 1) + ["MISS"]
        assert {answer.content for answer in told} == {told[0].content}
        assert len({answer.headers["x-request-id"] for answer in told}) == MANY
        found = await events(harpoon)
        assert sorted("cached" in event["metadata"] for event in found) == [False] + [True] * (MANY - 1)
        assert sum(event["usage"]["total_tokens"] for event in found) == 13, "the provider's tokens count once"
        spent, reserved, _ = await harpoon.money()
        assert (spent > 0, reserved) == (True, 0)
        page = (await harpoon.client.get("http://localhost/metrics")).text
        assert f'harpoon_cache_lookups_total{{result="joined",process="0"}} {MANY - 1}' in page


CUT_SHORT = json.dumps({"choices": [{"message": {"content": "A"}, "finish_reason": "length"}]}).encode()


@pytest.mark.parametrize(
    "failure", [refuses(500), refuses(400, b'{"error":{"message":"no"}}'), says(http_answer(200, CUT_SHORT))]
)
async def test_a_leader_that_fails_fails_nobody_else(failure: Provider) -> None:
    provider = Held(failure, answers("By itself."))
    async with two_providers(provider, refuses(500), **ON) as harpoon:
        asked = [asking(harpoon.client) for _ in range(3)]
        await admitted(harpoon, 3)
        provider.go_on.set()
        told = await asyncio.gather(*asked)
        by_themselves = [answer for answer in told if "By itself." in answer.text]
        assert [answer.headers[STATUS] for answer in by_themselves] == ["MISS", "MISS"]
        assert len(provider.calls) == 3
        assert (await harpoon.client.post("/chat/completions", json=ask())).headers[STATUS] == "HIT"


async def test_a_leader_whose_client_leaves_still_answers_the_others() -> None:
    provider = Held(answers("Once."), refuses(500))
    async with two_providers(provider, refuses(500), **ON) as harpoon, served(harpoon.app) as client:
        leader = asking(client)
        await provider.reached.wait()
        follower = asking(client)
        await admitted(harpoon, 2)
        leader.cancel()
        await asyncio.wait([leader])
        provider.go_on.set()
        answer = await follower
        assert (answer.status_code, answer.headers[STATUS]) == (200, "HIT")
        assert len(provider.calls) == 1
        assert len(await events(harpoon)) == 2


async def test_a_follower_whose_client_leaves_disturbs_nobody() -> None:
    provider = Held(answers("Once."), refuses(500))
    async with two_providers(provider, refuses(500), **ON) as harpoon, served(harpoon.app) as client:
        leader = asking(client)
        await provider.reached.wait()
        leaver, stayer = asking(client), asking(client)
        await admitted(harpoon, 3)
        leaver.cancel()
        await asyncio.wait([leaver])
        provider.go_on.set()
        told = await asyncio.gather(leader, stayer)
        assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT"]
        assert len(await events(harpoon)) == 3
        assert (await harpoon.money())[1] == 0


async def test_who_has_waited_half_of_its_time_asks_by_itself() -> None:
    provider = Held(answers("Late."), answers("By itself."))
    async with two_providers(provider, refuses(500), **ON) as harpoon:
        leader = asking(harpoon.client)
        await provider.reached.wait()
        impatient = await harpoon.client.post("/chat/completions", json=ask(covenant={"deadline_s": 4}))
        assert impatient.status_code == 200, impatient.text
        assert ("By itself." in impatient.text, impatient.headers[STATUS]) == (True, "MISS")
        provider.go_on.set()
        assert "Late." in (await leader).text


async def test_streams_and_other_questions_wait_for_nobody() -> None:
    provider = Held(answers("Once."), answers("Another."))
    async with two_providers(provider, refuses(500), **ON) as harpoon:
        leader = asking(harpoon.client)
        await provider.reached.wait()
        other = await harpoon.client.post("/chat/completions", json=ask(seed=1))
        skipped = await harpoon.client.post("/chat/completions", json=ask(), headers={"cf-aig-skip-cache": "true"})
        private = await harpoon.client.post("/chat/completions", json=ask(covenant={"requirements": ["gdpr"]}))
        assert (other.status_code, skipped.status_code) == (200, 200)
        assert private.status_code == 403, "a policy of its own is judged by itself"
        provider.go_on.set()
        assert (await leader).headers[STATUS] == "MISS"


async def test_followers_are_admitted_by_themselves() -> None:
    """A limit on requests at a time counts those who wait, too: waiting is no way round it."""
    provider = Held(answers("Once."), refuses(500))
    async with two_providers(provider, refuses(500), HARPOON_LIMIT_CONCURRENT_REQUESTS="2", **ON) as harpoon:
        leader = asking(harpoon.client)
        await provider.reached.wait()
        follower = asking(harpoon.client)
        await admitted(harpoon, 2)
        third = await harpoon.client.post("/chat/completions", json=ask())
        assert third.status_code == 429
        provider.go_on.set()
        assert [answer.headers[STATUS] for answer in await asyncio.gather(leader, follower)] == ["MISS", "HIT"]


class Moody(Provider):
    """A provider that says the question again: whole, cut short, or not at all, as `draw` has it."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__(self._play)
        self._draw = draw

    async def _play(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        question = self.calls[-1]["messages"][0]["content"]
        await asyncio.sleep(self._draw.choice([0, 0, 0.005, 0.02]))
        mood = self._draw.randrange(6)
        if mood == 0:
            await refuses(500).play(writer, reader)
        elif mood == 1:
            choice = {"message": {"content": question}, "finish_reason": "length"}
            await says(http_answer(200, json.dumps({"choices": [choice]}).encode())).play(writer, reader)
        elif mood > 2:  # 2: it hangs up
            await answers(question).play(writer, reader)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_everyone_gets_an_answer_to_the_own_question_and_the_books_balance(seed: int) -> None:
    draw = random.Random(seed)
    provider = Moody(draw)

    async def one(client: httpx.AsyncClient) -> str:
        question = f"Question {draw.randrange(4)}?"
        await asyncio.sleep(draw.choice([0, 0.01, 0.03]))
        asked = asking(client, messages=[{"role": "user", "content": question}])
        if draw.randrange(5) == 0:
            await asyncio.sleep(draw.choice([0, 0.005, 0.01]))
            asked.cancel()
            await asyncio.wait([asked])
            return "left"
        answer = await asked
        if answer.status_code != 200:
            assert answer.status_code in (503, 502), answer.text
            return "failed"
        assert answer.json()["choices"][0]["message"]["content"] == question
        return str(answer.headers[STATUS])

    async with two_providers(provider, refuses(500), **ON) as harpoon, served(harpoon.app) as client:
        told = await asyncio.gather(*[one(client) for _ in range(60)])
        found = await events(harpoon)
        decisions = await harpoon.rows("SELECT state, charged FROM decision WHERE state <> 'denied'")
        assert len(found) == len(decisions) == len({event["event_id"] for event in found})
        cached = [event for event in found if event["metadata"].get("cached")]
        assert all(event["usage"]["estimated_cost_usd"] == 0 for event in cached)
        assert len(cached) >= told.count("HIT") > 0
        spent, reserved, _ = await harpoon.money()
        assert (spent, reserved) == (sum(int(str(row[1])) for row in decisions), 0)
        assert len(provider.calls) == sum(len(event["metadata"]["attempts"]) for event in found)
