"""Endpoints that mean ill: they quote the key everywhere, send markup, floods and drips; every bound is kept."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.probe.limits import Limits, Price
from gateway.probe.page import to_html
from gateway.probe.run import Plan
from gateway.probe.sse import EventReader
from gateway.probe.written import to_json, to_markdown
from tests.gateway.commands.command_kit import run
from tests.gateway.probe.probe_kit import KEY, SECOND, Answering, Asked, LockstepClock, Model, event, probed
from tests.gateway.probe.test_command import Elsewhere

MARKUP = "<script>alert(1)</script>![x](http://tracker.example/p)`|"
DEAR = Price(5_000_000, 15_000_000, "as given")


class Hostile(Model):
    """Answers everything, with markup and the key that it was sent in every place there is."""

    async def __call__(self, asked: Asked, answer: Answering) -> None:
        self.asked.append(asked)
        sent = asked.headers.get("authorization", "").removeprefix("Bearer ")
        evil = MARKUP + sent
        headers = {
            "server": evil, "x_request_id": evil, "x_harpoon_route": evil, "retry_after": evil,
            f"x_ratelimit_{sent or 'none'}": evil, f"x_route_{sent or 'none'}": evil,
        }  # fmt: skip
        if asked.path.endswith("/models"):
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": evil} for name in (evil, MARKUP)]
            await answer.whole(200, {"object": "list", "data": listed}, **headers)
        elif asked.method == "POST" and b'"stream": true' in asked.body:
            chunk = {"id": evil, "model": evil, "choices": [{"delta": {"content": evil}, "finish_reason": evil}]}
            await answer.begin(**headers)
            await answer.piece(event(chunk) * 5 + event({"error": {"message": evil}}) + event(b"[DONE]"))
            await answer.end()
        else:
            await answer.whole(200, {"error": {"message": evil}, "status": evil, "service_tier": evil}, **headers)


@pytest.mark.parametrize("form", ["md", "json", "html"])
def test_no_report_shows_the_key_or_lets_a_server_write_markup(form: str, tmp_path: Path) -> None:
    report = tmp_path / f"report.{form}"
    with Elsewhere(Hostile()) as server:
        options = ("--warm", "2", "--concurrency", "2", "--yes", "--output", str(report))
        result = run("probe", server.base, *options, HARPOON_PROBE_KEY=KEY)
    assert result.returncode == 1, result.stderr
    text = report.read_text()
    assert KEY not in text + result.stdout + result.stderr
    assert "alert(1)" in text
    if form == "html":
        page = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
        assert {element.tag.rpartition("}")[2] for element in page.iter()}.isdisjoint({"script", "img", "a"})
    elif form == "md":
        assert re.search(r"(?<!\\)<|\]\(", text) is None
    else:
        assert json.loads(text)["models"]["asked"] == [MARKUP]


def test_a_key_that_is_a_word_takes_no_words_out_of_the_report() -> None:
    with Elsewhere(Model(models=("test-model",))) as server:
        result = run(
            "probe", server.base, "--warm", "1", "--concurrency", "1", "--max-cost", "1", HARPOON_PROBE_KEY="test"
        )
    assert result.returncode in (0, 1), result.stderr
    assert "[key]" not in result.stdout
    assert "test-model" in result.stdout


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(requests=7), "requests"),
        (Limits(tokens=1_500), "tokens"),
        (Limits(cost_usd_micros=9_000), "cost_usd_micros"),
    ],
)
async def test_no_bound_is_passed_for_a_server_that_tells_no_usage(limits: Limits, name: str) -> None:
    server = Hostile()
    found = await probed(server, Plan(warm=20, most=8), limits=limits, price=DEAR, key=KEY)
    assert found.chat is not None
    spent = found.chat.spending
    assert spent.requests == len([asked for asked in server.asked if asked.method == "POST"])
    taken = {
        "requests": spent.requests,
        "tokens": spent.tokens_in + spent.tokens_out,
        "cost_usd_micros": spent.cost_usd_micros,
    }
    assert 0 < taken[name] <= getattr(limits, name)
    assert (spent.held_tokens, spent.held_usd_micros) == (0, 0)
    assert any(f"--{'total-tokens' if name == 'tokens' else name[:4]}" in one or "--max-cost" in one
               for one in found.unfinished)  # fmt: skip


class Drips(Model):
    """Streams for ever, a piece a second."""

    async def stream(self, asked: Asked, answer: Answering) -> None:
        await answer.begin()
        for _ in range(100):
            answer.spend(SECOND)
            await answer.piece(event({"choices": [{"delta": {"content": "x"}}]}))
            if answer.clock.us >= self.ends_us:
                answer.clock.expire()
                await asyncio.sleep(3_600)

    ends_us = 0


class NotedClock(LockstepClock):
    """Keeps what it was asked to bound."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds: list[int] = []

    def timeout(self, delay_us: int) -> Any:
        self.bounds.append(delay_us)
        return super().timeout(delay_us)


async def test_an_answer_is_waited_for_no_longer_than_the_probe_may_last() -> None:
    clock, server = NotedClock(), Drips()
    server.ends_us = clock.us + 5 * SECOND
    found = await probed(server, Plan(warm=5, most=1), limits=Limits(seconds=5), clock=clock)
    assert clock.us - found.began_us <= 6 * SECOND
    # The first request may take the five seconds that there are, though one answer alone could take sixty.
    assert 5 * SECOND in clock.bounds
    assert found.firsts == []
    assert "the 5 s of --seconds are over" in " ".join(found.unfinished)
    assert max(clock.bounds[1:]) <= 10 * SECOND


async def test_a_rest_that_the_time_does_not_allow_is_left_out_and_said_so() -> None:
    clock = LockstepClock()
    found = await probed(Model(), Plan(warm=1, most=1, idle_s=600), limits=Limits(seconds=300), clock=clock)
    assert 600 * SECOND not in clock.slept
    assert found.after_idle == []
    assert found.unfinished == ["There was no rest of 600 s: --seconds doesn't leave that long."]
    assert found.load.levels


async def test_a_wait_that_a_server_asks_for_ends_with_the_probe() -> None:
    class Busy(Model):
        def problem(self, asked: Asked) -> tuple[int, Any] | None:
            return 429, {"error": {"message": "later"}}

    clock, server = LockstepClock(), Busy(headers={})
    found = await probed(server, Plan(warm=1, most=1), limits=Limits(seconds=2), clock=clock)
    assert clock.us - found.began_us <= 2 * SECOND


def test_a_stream_of_empty_lines_is_read_in_time_that_grows_with_its_bytes() -> None:
    reader = EventReader()
    events = reader.feed(b"data: {}\n\n" * 200_000 + b"\r" * 1_000_000 + b"data: [DONE]", 7)
    assert len(events) == 200_000
    assert reader.is_cut_off()
    assert reader.feed(b"\r", 8) == []
    assert [one.data for one in reader.feed(b"\n\r", 9)] == ["[DONE]"]


async def test_headers_that_a_server_makes_up_fill_no_report() -> None:
    class Chatty(Model):
        async def plain(self, asked: Asked, answer: Answering) -> None:
            names = {f"x_route_{len(self.asked)}_{at}": "v" for at in range(20)}
            await answer.whole(200, self.answer_to(asked.json), **names)

    found = await probed(Chatty(), Plan(warm=1, most=1))
    assert found.chat is not None
    assert len(found.chat.routing_headers) == 40
    for text in (to_markdown(found, None), to_json(found, None), to_html(found, None)):
        assert len(text) < 60_000
