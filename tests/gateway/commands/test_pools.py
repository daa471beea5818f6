"""`harpoon pools simulate`: a table, a recommendation, a page; and what it says to options that make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.gateway.commands.command_kit import invoke

TRAFFIC = ("--arrivals", "360/h", "--duration", "1h", "--tenants", "4", "--ratio", "1,4", "--quantum", "10,30")


def test_configurations_are_compared_and_the_cheapest_that_serves_all_is_recommended() -> None:
    result = invoke("pools", "simulate", *TRAFFIC)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["GPUs", "ratio", "quantum"]
    # Where a card isn't shared nobody takes turns, so its quantum is not varied.
    assert len([line for line in lines[1:] if line[:1] == "1"]) == 3
    assert "Recommended: 1 GPU, ratio 4, quantum 10 s" in result.stdout
    assert "requests found no slot" in result.stdout
    assert "outputs of a model" in result.stdout


def test_a_covenant_decides_what_is_recommended() -> None:
    alone = invoke("pools", "simulate", *TRAFFIC, "--gpus", "1,4", "--covenant", "high security", "--json")
    found = json.loads(alone.stdout)
    assert found["simulated"] is True
    assert found["recommended"] == {"gpus": 4, "sharing_ratio": 1, "quantum_us": 10_000_000, "share_mode": "auto"}
    assert {one["not_recommended_because"] for one in found["outcomes"]} >= {"the card is shared", None}
    late = invoke("pools", "simulate", *TRAFFIC, "--covenant", "within 1 second")
    assert "No configuration keeps 95 of 100 answers within 1000 ms." in late.stdout


def test_equal_seeds_print_equal_figures() -> None:
    one, again, other = (
        invoke("pools", "simulate", *TRAFFIC, "--json", "--seed", seed).stdout for seed in ("1", "1", "2")
    )
    assert one == again
    assert one != other


def test_a_page_is_written_with_a_picture_for_each_question(tmp_path: Path) -> None:
    page = tmp_path / "pools.html"
    result = invoke("pools", "simulate", *TRAFFIC, "--mode", "temporal", "--html", str(page))
    assert f"wrote {page}" in result.stdout
    text = page.read_text()
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    tree = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert len(tree.findall(".//{http://www.w3.org/2000/svg}svg")) == 3


def test_a_page_has_no_picture_of_waits_that_nobody_had(tmp_path: Path) -> None:
    page = tmp_path / "pools.html"
    invoke("pools", "simulate", *TRAFFIC, "--mode", "spatial", "--html", str(page))
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "In no configuration do more than 5 of 100 requests wait." in text


def test_a_trace_is_run_as_it_is(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(
        "\n".join(
            json.dumps({"at_ms": at, "tenant": "a", "work_ms": 1_000, "first_ms": 100}) for at in (0, 5_000, 9_000)
        )
    )
    result = invoke("pools", "simulate", "--trace", str(trace), "--ratio", "1", "--json")
    assert json.loads(result.stdout)["outcomes"][0]["latency"]["mean_us"] == 1_000_000


def test_a_constant_can_be_set_and_all_are_listed() -> None:
    slow = invoke("pools", "simulate", *TRAFFIC, "--mode", "temporal", "--json")
    quick = invoke("pools", "simulate", *TRAFFIC, "--mode", "temporal", "--json", "--set", "idle_hold_us=0")
    waits = [json.loads(one.stdout)["outcomes"][1]["wait"]["p95_us"] for one in (slow, quick)]
    assert waits[1] < waits[0]
    listed = invoke("pools", "parameters").stdout
    assert "idle_hold_us" in listed
    assert "nvshare" in listed
    assert {one["source"] for one in json.loads(invoke("pools", "parameters", "--json").stdout)} >= {"assumed"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--arrivals"),
        (("--arrivals", "600/h", "--trace", "x"), "--arrivals"),
        (("--arrivals", "many"), "10/s"),
        (("--arrivals", "1/d"), "one request an hour"),
        (("--arrivals", "1/h", "--work", "2"), "200ms"),
        (("--arrivals", "1/h", "--first", "3s"), "part of --work"),
        (("--arrivals", "1/h", "--duration", "9999999d"), "a year"),
        (("--arrivals", "1/h", "--ratio", "2;4"), "whole numbers"),
        (("--arrivals", "1/h", "--ratio", "11"), "1 to 10"),
        (("--arrivals", "1/h", "--quantum", "1"), "2 to 300"),
        (("--arrivals", "1/h", "--gpus", "0"), "GPUs"),
        (("--arrivals", "1/h", "--price", "cheap"), "dollars"),
        (("--arrivals", "1/h", "--set", "idle_hold_us"), "harpoon pools parameters"),
        (("--arrivals", "1/h", "--set", "nothing=1"), "there is no parameter 'nothing'"),
        (("--arrivals", "1/h", "--covenant", "soon and cheap, maybe $5 or $6"), "the covenant"),
        (("--trace", "no-such-file"), "can't be read"),
        (("--arrivals", "1/h", "--gpus", ",".join(str(n) for n in range(1, 100))), "at most 200"),
    ],
)
def test_options_that_make_no_sense_are_answered_in_a_sentence(options: tuple[str, ...], said: str) -> None:
    result = invoke("pools", "simulate", *options)
    assert result.exit_code == 2
    assert said in result.stderr
