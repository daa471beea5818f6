"""What a stranger met, kept as it was mended: every refusal says what to do, and no answer looks better than it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.ask import GONE, cut_text
from gateway.commands.health import duration_text
from gateway.settings import LATER_SETTINGS
from tests.contracts.misbehaving_server import Server, replies
from tests.gateway.commands.command_kit import invoke, run, told
from tests.serving import Serving, serving

QUESTION = (
    "Summarise: the building is old. It was insured in 1901. Nobody lives there. The roof is new. The cellar is wet."
)
TOKEN = "hk_acme_s3cret"


def test_a_covenant_that_is_an_object_is_read_as_one() -> None:
    result = invoke("covenant", '{"budget_usd": 0.00001, "priority": "max_security"}')
    assert result.exit_code == 0
    assert "0.00001" in result.stdout
    assert "pool  private-1x" in result.stdout
    answer = json.loads(invoke("covenant", "--json", '{"budget_usd": 2}').stdout)
    assert (answer["policy"]["budget_usd"], answer["served"], answer["clauses"]) == (2, True, [])
    told(invoke("covenant", '{"budget_usd": "much"}'), 1, "budget")
    told(invoke("covenant", '{"budget_usd": 2'), 2, "looks like JSON but is not")
    told(invoke("covenant", "[]"), 1, "covenant")


def test_a_covenants_id_is_known_to_its_server_only(harpoon: Serving) -> None:
    told(invoke("covenant", "cov-0a1b2c3d"), 2, "cov-0a1b2c3d", "stored covenant", "--url", "harpoon covenants show")
    told(invoke("covenant", "cov-0a1b2c3d", "--url", harpoon.base), 2, "no covenant of yours", "harpoon covenants list")


def test_stored_covenants_are_made_listed_shown_and_spent(harpoon: Serving) -> None:
    url = ("--url", harpoon.base)
    made = invoke("covenants", "create", "at most $0.000003 in total", "--title", "Tiny", *url)
    assert made.exit_code == 0, made.output
    covenant_id = next(word for word in made.stdout.split() if word.startswith("cov-"))
    for shown in (invoke("covenants", "show", covenant_id, *url), invoke("covenant", covenant_id, *url)):
        assert "left" in shown.stdout
        assert "$0.000003 of $0.000003" in shown.stdout
    assert f"{covenant_id}  active" in invoke("covenants", "list", *url).stdout
    assert json.loads(invoke("covenants", "show", covenant_id, "--json", *url).stdout)["title"] == "Tiny"
    refused = invoke("ask", QUESTION * 20, "--covenant", covenant_id, *url)
    told(refused, 1, f"the stored covenant {covenant_id} has $0.000003 left", "COST_BOUND_EXCEEDED: covenant")
    as_object = invoke("covenants", "create", '{"budget_usd": 1}', *url)
    assert as_object.exit_code == 0
    assert "use it: harpoon ask" in as_object.stdout
    told(invoke("covenants", "create", "in a few minutes", *url), 1, "few minutes")
    told(invoke("covenants", "create", *url), 2, "what text?")


def test_an_empty_list_is_words(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as server:
        assert "no covenant is stored yet" in invoke("covenants", "list", "--url", server.base).stdout
        assert "no decision fits that" in invoke("decisions", "--state", "open", "--url", server.base).stdout


def test_an_answer_that_is_cut_says_so(harpoon: Serving) -> None:
    url = ("--url", harpoon.base)
    long = "Write in upper case: " + "the old building stood near the river. " * 60
    for micros in range(50, 150, 5):
        covenant = f'{{"budget_usd": {micros / 1_000_000:.6f}}}'
        result = invoke("ask", long, "--covenant", covenant, "--json", *url)
        if result.exit_code == 0:
            break
    assert json.loads(result.stdout)["finish_reason"] == "length"
    tokens = json.loads(result.stdout)["decision"]["outcome"]["output_tokens"]
    assert result.stderr == f"harpoon: note: the answer is cut after {tokens} tokens: that is what the budget buys\n"
    whole = invoke("ask", QUESTION, "--json", *url)
    assert (json.loads(whole.stdout)["finish_reason"], whole.stderr) == ("stop", "")


def decision(worst: int, tokens: int, cap: int | None, budget: int | None) -> dict[str, Any]:
    return {
        "outcome": {"output_tokens": 69, "route": "a"},
        "candidates": [{"route": "a", "worst_case_usd_micros": worst, "output_limit_tokens": tokens}],
        "inputs": {
            "accounts": [["tenant", cap, 0, 0]],
            "policy": {"budget_usd_micros": budget, "budget_scope": None},
        },
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (decision(20, 69, None, 20), "cut after 69 tokens: that is what the budget buys"),
        (decision(20, 69, 20, None), "what the budget buys"),
        (decision(592, 8_192, None, 20_000), "that is the model's limit"),
        (decision(592, 8_192, None, None), "that is the model's limit"),
        (decision(0, 8_192, None, 0), "that is the model's limit"),
        ({}, "the answer is cut"),
    ],
)
def test_what_cut_an_answer_is_told(found: dict[str, Any], words: str) -> None:
    assert words in cut_text(found)


def test_route_explains_exactly_what_ask_sends(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_ESTIMATES="catalogue") as server:
        for arguments in (
            [],
            ["--covenant", "under 2 cents, max security"],
            ["--model", "qwen", "--covenant", '{"budget_usd": 1}'],
        ):
            given = ["Grüße, what is a vGPU?", *arguments, "--json", "--url", server.base]
            explained = json.loads(invoke("route", *given).stdout)
            asked = json.loads(invoke("ask", *given).stdout)["decision"]
            assert explained["decision_digest"] == asked["decision_digest"]
            assert [one.get("worst_case_usd_micros") for one in explained["candidates"]] == [
                one.get("worst_case_usd_micros") for one in asked["candidates"]
            ]
        batch = json.dumps({"text": "Grüße, what is a vGPU?"}) + "\n"
        (line,) = invoke("route", "--jsonl", "--url", server.base, stdin=batch).stdout.splitlines()
        asked = json.loads(invoke("ask", "Grüße, what is a vGPU?", "--json", "--url", server.base).stdout)["decision"]
        assert json.loads(line)["explanation"]["decision_digest"] == asked["decision_digest"]


def test_a_refusal_is_a_sentence_and_no_reason_is_said_twice(harpoon: Serving) -> None:
    for command in ("ask", "route"):
        result = invoke(command, QUESTION, "--covenant", "within 10 ms", "--url", harpoon.base)
        told(
            result,
            1,
            "the fastest route needs 0.",
            "the covenant allows 0.01 s (INVARIANT_VIOLATION: POLICY_DEADLINE, ",
        )
        assert result.stderr.count("POLICY_DEADLINE") == 1
        assert "the safest route has a risk of" in result.stderr
        assert "[" not in result.stderr


def test_the_server_is_found_where_it_was_started(harpoon: Serving) -> None:
    result = invoke("ask", "hi", SERVICE_PORT=str(harpoon.port))
    assert result.exit_code == 0, result.output
    assert invoke("ask", "hi", "--url", f"127.0.0.1:{harpoon.port}").exit_code == 0
    line = next(line for line in harpoon.log.splitlines() if line.startswith("  ask "))
    assert line.split(maxsplit=1)[1] == f'HARPOON_URL={harpoon.base} harpoon ask "What is a vGPU?"'


def test_with_tokens_the_greeting_and_the_refusal_say_how_to_show_one(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_TOKENS=TOKEN) as server:
        line = next(line for line in server.log.splitlines() if line.startswith("  try "))
        assert "-H 'authorization: Bearer hk_<tenant>_<secret>'" in line
        assert "--token 'hk_<tenant>_<secret>'" in server.log
        assert TOKEN not in server.log
        told(invoke("ask", "hi", "--url", server.base), 2, "--token or HARPOON_TOKEN")
        told(invoke("health", "--detailed", "--url", server.base), 2, "--token or HARPOON_TOKEN")


async def test_a_decision_that_can_not_be_read_any_more_is_said() -> None:
    events = b'data: {"choices":[{"delta":{"content":"Well."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\nx-harpoon-decision-id: dec_1\r\n"
    head += b"content-type: text/event-stream\r\n\r\n"
    async with Server(replies(head + events)) as server:
        result = await asyncio.to_thread(invoke, "ask", "hi", "--url", f"http://127.0.0.1:{server.port}")
    assert result.exit_code == 0
    assert f"cost      {GONE}" in result.stdout
    assert "$?" not in result.stdout


FAILING = b'{"error":{"message":"The model `x` does not exist","type":"invalid_request_error"}}'


async def test_a_failing_provider_gives_its_reason(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 404 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(FAILING) + FAILING
    async with Server(replies(answer)) as provider:
        with serving(tmp_path / "state", NATIVE_BASE_URL=f"http://127.0.0.1:{provider.port}/v1") as server:
            url = ("--url", server.base)
            told(await asyncio.to_thread(invoke, "ask", "hush", *url), 1, "(HTTP 404: The model `x` does not exist)")
            listed = json.loads((await asyncio.to_thread(invoke, "decisions", "--json", *url)).stdout)
            shown = (await asyncio.to_thread(invoke, "decisions", listed[0]["id"], *url)).stdout
            log = server.log
    attempts = shown.partition("attempt")[2]
    assert "404" in attempts
    assert "status" in attempts
    assert "tried" in shown
    assert "selected" not in shown
    assert '"level":"warning"' in log
    assert "HTTP 404" in log
    assert "NATIVE_BASE_URL" in log
    assert "hush" not in log


def test_a_decision_is_shown_with_all_that_it_rests_on(harpoon: Serving) -> None:
    url = ("--url", harpoon.base)
    assert invoke("ask", QUESTION, "--covenant", "under $2, within 30 s, high quality", *url).exit_code == 0
    (newest,) = json.loads(invoke("decisions", "--limit", "1", "--json", *url).stdout)
    shown = invoke("decisions", newest["id"], *url).stdout
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "at most $2, within 30 s, high quality" in rows["policy"]
    assert "in," in rows["tokens"]
    assert "selected" in shown
    before = json.loads(invoke("decisions", "--before", newest["id"], "--json", *url).stdout)
    assert newest["id"] not in {one["id"] for one in before}
    denied = json.loads(invoke("decisions", "--state", "denied", "--json", *url).stdout)
    assert {one["state"] for one in denied} <= {"denied"}
    told(invoke("decisions", "--state", "gone", *url), 2, "gone")


def test_an_unknown_model_is_named_with_what_lists_them(harpoon: Serving) -> None:
    told(invoke("ask", "hi", "--model", "gpt4", "--url", harpoon.base), 2, '"gpt4"', "harpoon models")


@pytest.mark.parametrize("command", ["ask", "route"])
def test_an_empty_question_is_not_sent(command: str) -> None:
    told(invoke(command, "", "--url", "http://127.0.0.1:1"), 2, "the text is empty")
    told(invoke(command, " \n", "--url", "http://127.0.0.1:1"), 2, "the text is empty")


def test_help_has_a_short_name_and_flags_have_no_type() -> None:
    assert invoke("-h").output == invoke("--help").output
    for command in ("ask", "serve", "covenants", "decisions"):
        text = invoke(command, "-h").output
        assert text == invoke(command, "--help").output
        assert "<bool>" not in text
    assert "<bool>" not in invoke("-h").output
    assert "<bool>" not in invoke("config", "show", "-h").output


async def test_detailed_health_is_a_table_with_what_a_provider_does_not_list(tmp_path: Path) -> None:
    models = b'{"data":[{"id":"something"}]}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(models) + models
    async with Server(replies(answer)) as provider:
        with serving(tmp_path / "state", NATIVE_BASE_URL=f"http://127.0.0.1:{provider.port}/v1") as server:
            result = await asyncio.to_thread(invoke, "health", "--detailed", "--url", server.base)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any(
        line.split()[:2] == ["native", "up"] and "reached (HTTP 200)" in line and "UTC" in line for line in lines
    )
    assert any(line.startswith("note  native does not list ") for line in lines)
    assert "_us" not in result.stdout


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (90_061, "1 d 1 h")]
)
def test_a_time_is_readable(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


def test_settings_that_nothing_reads_are_marked() -> None:
    lines = {line.split()[0]: line for line in invoke("settings").stdout.splitlines()}
    marked = {name for name, line in lines.items() if "(not used yet)" in line}
    assert marked == {setting.name for setting in LATER_SETTINGS}


def test_the_configuration_files_form_is_in_the_help() -> None:
    text = " ".join(invoke("config", "--help").output.split())
    for words in ("service", "openai", "api_key", "HARPOON_CONFIG", "~/.orchestrator/config.yaml"):
        assert words in text


def test_a_batch_of_covenants_says_which_are_refused() -> None:
    lines = '{"text":"under $2"}\n{"text":"in a few minutes"}\n{"text":"at most $0.00001"}\n'
    result = run("covenant", "--jsonl", stdin=lines)
    assert result.returncode == 0
    good, refused, small = [json.loads(line) for line in result.stdout.splitlines()]
    assert "refusal" not in {*good, *small}
    assert "few minutes" in refused["refusal"]
    assert refused["parsed"]["flags"] == ["ambiguous_time"]
    assert '"budget_usd": 0.00001' in result.stdout
    lenient = run("covenant", "--jsonl", "--lenient", stdin=lines)
    assert "refusal" not in lenient.stdout
