"""The report as Markdown, JSON and a page: the same findings, whole or partial, and the key in none of them."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from gateway.probe.exchange import NOT_JSON
from gateway.probe.page import to_html
from gateway.probe.run import Found, Plan
from gateway.probe.sections import notes_of
from gateway.probe.written import to_json, to_markdown
from tests.gateway.probe.probe_kit import KEY, Answering, Asked, Model, probed, refused

BASELINE = ("openai/gpt-4o", 2_500_000, 10_000_000)
SVG = "{http://www.w3.org/2000/svg}"


def forms(found: Found) -> tuple[str, str, str]:
    return to_markdown(found, BASELINE), to_json(found, BASELINE), to_html(found, BASELINE)


def page(text: str) -> ElementTree.Element:
    """The page as XML, in which nothing comes from elsewhere."""
    assert "<script" not in text
    assert "src=" not in text
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


async def test_every_form_has_every_question_and_item() -> None:
    found = await probed(Model(), Plan(warm=3, most=2, idle_s=5))
    markdown, text, html = forms(found)
    plain = json.loads(text)
    assert plain["object"] == "probe"
    assert plain["simulated"] is False
    for question in plain["questions"]:
        assert question["question"] in markdown
    for item in plain["compatibility"]:
        assert f"| {item['id']} |" in markdown
        assert item["id"] in html
    assert plain["warm"]["first_token_us"]["p50"] == {"n": 3, "value": 50_000, "low": None, "high": None}
    assert plain["first_after_rest"][0]["first_token_us"] == 50_000
    assert [level["concurrency"] for level in plain["load"]["levels"]] == [1, 2]
    # First tokens, arrivals, whole answers and throughput under load.
    assert len(page(html).findall(f".//{SVG}svg")) == 4


async def test_the_pilot_has_its_targets_in_every_form() -> None:
    plan = Plan(models=("a", "b", "c"), warm=0, most=1, phases=(6,))
    markdown, text, html = forms(await probed(Model(models=("a", "b", "c")), plan))
    assert "| success rate | at least 99.9 % | 100 % (54.07 % to 100 %) | 6 | not enough data |" in markdown
    targets = json.loads(text)["pilot"]["targets"]
    assert [target["name"] for target in targets] == ["success rate", "average latency", "saving against the baseline"]
    assert "not enough data" in "".join(page(html).itertext())


async def test_a_partial_probe_is_a_report_all_the_same() -> None:
    found = await probed(Model(), Plan(warm=0, most=1))
    found.is_interrupted = True
    bare = Found(found.plan, found.limits, found.began_us, found.endpoint, found.surface, found.chat, found.models)
    for one in (found, bare):
        markdown, text, html = forms(one)
        assert "not seen" in markdown
        assert json.loads(text)["object"] == "probe"
        page(html)
    assert "The probe was interrupted" in to_markdown(found, BASELINE)


async def test_what_is_simulated_is_said_before_any_figure() -> None:
    found = await probed(Model(headers={"x_harpoon_simulated": "1"}))
    markdown, text, html = forms(found)
    assert markdown.startswith(f"# Probe of {found.endpoint.base} (simulated)\n\n**This endpoint says of itself")  # type: ignore[union-attr]  # it was looked at
    assert json.loads(text)["simulated"] is True
    assert '<p class="note">This endpoint says of itself' in html
    for heading in ("Warm requests", "Streaming", "Load", "First requests"):
        assert f"## {heading} (simulated)" in markdown


class Gossip(Model):
    """Repeats the key wherever it can."""

    def problem(self, asked: Asked) -> tuple[int, object] | None:
        refusal = super().problem(asked)
        told = f"your key is {KEY}"
        return None if refusal is None else (400, refused(told, told) | {"error": told})

    async def stream(self, asked: Asked, answer: Answering) -> None:
        self.headers = {"x_ratelimit_key": KEY, "x_pool": KEY, "retry_after": KEY}
        self.done = b'data: {"error": {"message": "the key %b is used up"}}\n\n' % KEY.encode()
        await super().stream(asked, answer)


async def test_the_key_is_in_no_form_even_if_the_server_repeats_it() -> None:
    found = await probed(Gossip(), key=KEY)
    for text in (*forms(found), repr(found)):
        assert KEY not in text
        assert KEY[:12] not in text
    assert "[key]" in to_markdown(found, BASELINE)


@pytest.mark.parametrize("name", ["<b>m</b>", "m|m", "m&m"])
async def test_names_that_others_chose_are_shown_as_they_are(name: str) -> None:
    found = await probed(Model(models=(name,)), Plan(warm=1, most=1))
    markdown, text, html = forms(found)
    assert name.replace("|", "\\|").replace("<", "\\<") in markdown
    assert json.loads(text)["models"]["listed"] == [name]
    assert name in "".join(page(html).itertext())
    assert notes_of(found) == []


def test_no_json_value_is_taken_for_the_absence_of_one() -> None:
    assert NOT_JSON not in (None, False, 0, "", [], {})
