"""The presentation's pure functions, in Node: keys, samples, clauses, the formula, calculators and pictures."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.presentation.browser import FAILURE_BOUND_S

HERE = Path(__file__).parent
SLIDES = HERE.parents[1] / "presentation" / "slides"


def ask(*calls: tuple[str, str, list[Any]]) -> list[Any]:
    """What the modules answer, one after the other."""
    asked = json.dumps([{"module": module, "call": call, "args": args} for module, call, args in calls])
    done = subprocess.run(
        ["node", HERE / "slides_answers.mjs", SLIDES.as_uri()],
        input=asked.encode(),
        capture_output=True,
        timeout=FAILURE_BOUND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answers: list[Any] = json.loads(done.stdout)
    return answers


def test_keys_lead_through_the_sections() -> None:
    expected = {
        ("ArrowRight", 0): {"section": 1},
        ("PageDown", 11): {"section": 11},
        ("ArrowLeft", 0): {"section": 0},
        ("PageUp", 5): {"section": 4},
        ("1", 7): {"section": 0},
        ("0", 7): {"section": 9},
        ("?", 0): {"command": "help"},
        ("N", 0): {"command": "script"},
        ("s", 0): {"command": "split"},
        ("x", 0): None,
        ("Tab", 0): None,
        ("ArrowDown", 3): None,
    }
    answers = ask(*[("navigation.js", "meaningOf", [key, current, 12]) for key, current in expected])
    assert answers == list(expected.values())
    assert ask(("navigation.js", "meaningOf", ["9", 0, 3])) == [None]


def test_the_section_shown_is_the_last_one_above_the_line() -> None:
    tops = [-900, -100, 300, 1200]
    answers = ask(
        ("navigation.js", "sectionAt", [tops, 280, False]),
        ("navigation.js", "sectionAt", [tops, 301, False]),
        ("navigation.js", "sectionAt", [tops, 280, True]),
        ("navigation.js", "sectionAt", [[50, 100], 0, False]),
        ("navigation.js", "progressOf", [500, 2000, 1000]),
        ("navigation.js", "progressOf", [9, 700, 1000]),
    )
    assert answers == [1, 2, 3, 0, 0.5, 1]


def options() -> dict[str, Any]:
    found: dict[str, Any] = ask(("samples.js", "OPTIONS", []))[0]
    return found


@pytest.mark.parametrize("name", ["direct", "gateway", "pools"])
def test_a_sample_is_the_request_that_is_sent(name: str) -> None:
    option = options()[name]
    curl, python = ask(
        ("samples.js", "curlOf", [option, "http://gateway"]), ("samples.js", "pythonOf", [option, "http://gateway"])
    )
    words = shlex.split(curl.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == option["body"]
    headers = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
    assert headers[1:] == [f"{key}: {value}" for key, value in option["headers"].items()]
    assert "http://gateway/v1/chat/completions" in words
    assert sent_by(python) == option["body"]
    # Where a token is wanted, a sample has a place for it, and never the token itself.
    closed = ask(*[("samples.js", call, [option, "http://gateway", True]) for call in ("curlOf", "pythonOf")])
    assert "authorization: Bearer <your token>" in shlex.split(closed[0].replace("\\\n", " "))
    assert 'api_key="<your token>"' in closed[1]
    assert sent_by(closed[1]) == option["body"]


def sent_by(code: str) -> dict[str, Any]:
    """The body that OpenAI's package would send, by a stand-in that keeps what it is called with."""
    called: dict[str, Any] = {}

    class Completions:
        def create(self, **members: Any) -> None:
            called.update(members)

    class OpenAI:
        def __init__(self, base_url: str, api_key: str) -> None:
            assert httpx.URL(base_url).path == "/v1"
            self.chat = self
            self.completions = Completions()

    source = code.replace("from openai import OpenAI", "").replace("true", "True")
    exec(compile(source, "sample", "exec"), {"OpenAI": OpenAI})
    extra = called.pop("extra_body", {})
    called.pop("extra_headers", None)
    return {**called, **extra}


def test_quotes_in_a_sample_stay_quotes() -> None:
    option = {"body": {"model": "auto", "messages": [{"role": "user", "content": 'it\'s "so" $HOME'}]}, "headers": {}}
    (curl,) = ask(("samples.js", "curlOf", [option, "http://gateway"]))
    words = shlex.split(curl.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == option["body"]


def test_clauses_cut_the_text_where_they_stand() -> None:
    text = "💶 $2 budget, high security"
    clauses = [{"start": 2, "end": 4}, {"start": 13, "end": 26}, {"start": 2, "end": 11}]
    (pieces,) = ask(("covenant.js", "cutAtClauses", [text, clauses]))
    assert "".join([piece["text"] for piece in pieces]) == text
    assert [(piece["text"], piece["clauses"]) for piece in pieces] == [
        ("💶 ", []),
        ("$2", [0, 2]),
        (" budget", [2]),
        (", ", []),
        ("high security", [1]),
    ]


def test_chips_say_what_a_policy_says() -> None:
    policy = {
        "budget_usd": 2,
        "budget_scope": "per_request",
        "deadline_s": 30,
        "quality": "high",
        "priority": "max_security",
        "residency": ["EU"],
        "residency_exclude": [],
        "requirements": ["no_logging"],
    }
    (chips,) = ask(("covenant.js", "chipsOf", [policy]))
    assert chips[:2] == [["budget", "$2 per request"], ["deadline", "30 s"]]
    assert ["requires", "no logging"] in chips


def test_terms_are_those_of_the_worked_example() -> None:
    # docs/routing.md, "The winner, term by term".
    weights = {"cost_us_per_usd_micro": 60_000, "risk_us_per_ppm": 1, "improbability_us_per_micronat": 20}
    ours = {"ttv_us": 843_600, "cost_usd_micros": 6, "risk_ppm": 40_000, "success_ppm": 972_500}
    groq = {"ttv_us": 268_800, "cost_usd_micros": 7, "risk_ppm": 30_000, "success_ppm": 972_500}
    first, other = ask(
        ("formula.js", "termsOf", [ours, weights, 120_000_000, 1_000_000]),
        ("formula.js", "termsOf", [groq, weights, 120_000_000, 6_000_000]),
    )
    assert first["total_us"] == 1_801_300
    assert other["tier_penalty_us"] == 3_444_000
    assert other["total_us"] == 4_720_500


def test_improbability_is_the_cores() -> None:
    from worker.canon.fixed_point import neg_ln_micronats

    chances = [1, 2, 499_375, 500_000, 972_500, 999_999, 1_000_000]
    answers = ask(*[("formula.js", "micronats", [ppm]) for ppm in chances])
    assert answers == [neg_ln_micronats(ppm) for ppm in chances]


def test_milliseconds_are_written_exactly() -> None:
    times = {0: "0.000", 7: "0.007", 1_801_300: "1,801.300", 120_000_000: "120,000.000", -1_500: "-1.500"}
    assert ask(*[("formula.js", "ms", [us]) for us in times]) == list(times.values())


def test_calculators_follow_their_formulas() -> None:
    cost = {
        "requests": 1_000,
        "tokens_in": 1_000,
        "tokens_out": 500,
        "base_in": 2,
        "base_out": 8,
        "pool_in": 1,
        "pool_out": 2,
        "pool_share": 50,
        "running": 1,
    }
    pool = {"slot_list": 1, "slot_law": 1, "occupancy": 100, "card_cost": 0.4}
    found, one, law, kept = ask(
        ("calculator.js", "costOf", [cost]),
        ("calculator.js", "poolOf", [pool, 4]),
        ("calculator.js", "poolOf", [{**pool, "slot_law": 0}, 4]),
        ("calculator.js", "retained", [100, 50]),
    )
    assert found == {"before": 6, "after": 5, "saved": 1, "saved_percent": pytest.approx(100 / 6), "roi": 1}
    assert one == {"slot": 0.25, "revenue": 1, "margin": pytest.approx(0.6)}
    assert law["revenue"] == 4
    assert kept == 87.5


def test_the_pictures_fit_their_width() -> None:
    for width in (328, 700, 1_200):
        layers, boxes = ask(("architecture.js", "LAYERS", []), ("topology.js", "place", [sample_boxes(), width, 1]))
        (placed,) = ask(("architecture.js", "layOut", [layers, width, 1]))
        for layer in placed["layers"]:
            assert all(chip["x"] + chip["width"] <= width for chip in layer["chips"])
            assert all(chip["y"] + 30 <= layer["y"] + layer["height"] for chip in layer["chips"])
        assert all(box["x"] >= 0 and box["x"] + box["wide"] <= width for box in boxes)


def sample_boxes() -> list[dict[str, Any]]:
    return [{"row": 0, "text": "a"}, *[{"row": 1, "text": "b", "note": "c"} for _ in range(4)]]


def test_topologies_are_drawn_with_everybody_in_them() -> None:
    plain = json.loads((SLIDES / "exposure.json").read_text("utf-8"))
    for name, topology in plain["topologies"].items():
        (graph,) = ask(("topology.js", "graphOf", [name, topology]))
        texts = [box["text"] for box in graph["boxes"]]
        assert {party["party"] for party in topology["parties"]} <= set(texts)
        assert len(graph["arrows"]) == 1 + 2 * len(topology["destinations"]) + len(topology["passes_on"])
        assert all(None not in arrow for arrow in graph["arrows"])


def test_axes_end_above_the_greatest_value() -> None:
    for most in (0.3, 1, 7, 58.9, 61.8, 100, 2_703):
        (ticks,) = ask(("overcommit.js", "ticksTo", [most]))
        assert ticks[0] == 0
        assert ticks[-1] >= most
        assert len(ticks) <= 8
        assert not math.isclose(ticks[-2], most) or ticks[-1] > most


def test_events_are_split_wherever_the_stream_is_cut() -> None:
    text = 'data: {"a":1}\n\n: keep-alive\n\ndata: [DONE]\n\n'
    for cut in range(len(text) + 1):
        (first,) = ask(("api.js", "splitEvents", [text[:cut]])) if cut in (0, 5, 20, len(text)) else ({},)
        if first:
            (second,) = ask(("api.js", "splitEvents", [first["rest"] + text[cut:]]))
            assert first["data"] + second["data"] == ['{"a":1}', "[DONE]"]


def test_candidates_of_the_first_screen_are_in_order() -> None:
    def candidate(route: str, total: int | None, *codes: str, subject: str = "x") -> dict[str, Any]:
        denials = [{"reason_code": code, "subject": subject} for code in codes]
        return {"route": route, "denials": denials, **({"total_us": total} if total is not None else {})}

    explanation = {
        "selected": "p/b@x",
        "ranking": ["p/b@x", "p/a@x"],
        "candidates": [
            candidate("p/a@x", 2_000_000),
            candidate("p/b@x", 1_000_000),
            candidate("p/c@x", None, "RISK_BOUND_EXCEEDED"),
            candidate("q/d@x", None, "INVARIANT_VIOLATION", subject="PROVIDER_CONFIGURED"),
        ],
    }
    (lines,) = ask(("hero.js", "linesOf", [explanation]))
    assert [line["name"] for line in lines] == ["b@x", "a@x", "c@x"]
    assert lines[0]["isSelected"]
    assert lines[0]["share"] == 0.5
    assert lines[2]["text"] == "RISK_BOUND_EXCEEDED"
    assert lines[2]["isDenied"]


def test_a_split_leaves_room_for_both() -> None:
    assert ask(*[("setups.js", "clampShare", [percent]) for percent in (-5, 20.4, 50, 99)]) == [20, 20, 50, 80]
