"""`harpoon ask`: one streamed answer from a running Harpoon, then what it cost and why it went where it went."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from gateway.commands.options import HERE, Covenant, Json, Model, Token, Url, Words, covenant_value, text_of
from gateway.failure import NO, ClientFailed
from gateway.output import Working, write, write_fields, write_json, write_line

if TYPE_CHECKING:
    from gateway.client import Client

ask_cli = typer.Typer(add_completion=False)
#: How often the decision is asked for while its settlement is still under way.
_SETTLED_TRIES = 20
_SETTLED_PAUSE_S = 0.05


@ask_cli.command(
    epilog="Examples: `harpoon ask \"What is a vGPU?\" --covenant 'under 2 cents, within 10 seconds'`\n\n"
    "`git diff | harpoon ask - --model auto`"
)
def ask(
    question: Words = None,
    model: Model = "auto",
    covenant: Covenant = "",
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Ask a running Harpoon: the answer streams, then a table tells route, cost, time and why."""
    from gateway.client import Client

    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": text_of(question, 'harpoon ask "What is a vGPU?"')}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if covenant:
        body["covenant"] = covenant_value(covenant)
    parts: list[str] = []
    with Client(url, token) as client, Working("waiting for the first words") as working:
        began = time.monotonic()
        with client.stream("/v1/chat/completions", body) as response:
            headers = dict(response.headers)
            if "x-harpoon-decision-id" not in headers:
                raise ClientFailed(f"what answers at {client.base} is not Harpoon")
            first = 0.0
            for text in _texts(response.iter_lines()):
                working.stop()
                first = first or time.monotonic() - began
                parts.append(text)
                if not as_json:
                    write(text)
        took = time.monotonic() - began
        decision = _settled(client, headers["x-harpoon-decision-id"])
    if as_json:
        write_json(_plain("".join(parts), headers, decision, first, took))
        return
    write("\n\n")
    write_fields(_fields(headers, decision, first, took))


def _texts(lines: Iterator[str]) -> Iterator[str]:
    """The pieces of text in a stream of events. Raises: ClientFailed for an error in the stream."""
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        try:
            chunk = json.loads(line[6:])
            if "error" in chunk:
                write_line()
                raise ClientFailed(f"the answer broke off: {chunk['error']['message']}", NO)
            texts = [choice["delta"].get("content") or "" for choice in chunk["choices"]]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ClientFailed("the answer broke off: an event of it is none of OpenAI's", NO) from problem
        yield from [text for text in texts if text]


def _settled(client: Client, decision_id: str) -> dict[str, Any]:
    """The decision once it is settled; what is known of it if that takes long, nothing if it can't be read."""
    decision: dict[str, Any] = {}
    for _ in range(_SETTLED_TRIES):
        try:
            decision = client.get(f"/v1/decisions/{decision_id}")
        except ClientFailed:
            return {}
        if decision["state"] != "open":
            break
        time.sleep(_SETTLED_PAUSE_S)
    return decision


def _plain(
    answer: str, headers: Mapping[str, str], decision: dict[str, Any], first_s: float, took_s: float
) -> dict[str, Any]:
    return {
        "answer": answer,
        "route": headers.get("x-harpoon-route"),
        "simulated": "x-harpoon-simulated" in headers,
        "cost_usd": decision.get("cost_usd"),
        "seconds": round(took_s, 3),
        "first_words_after_seconds": round(first_s, 3),
        "why": _why(headers, decision),
        "decision": decision,
    }


def _fields(
    headers: Mapping[str, str], decision: dict[str, Any], first_s: float, took_s: float
) -> list[tuple[str, str]]:
    simulated = "  (simulated: no model behind it)" if headers.get("x-harpoon-simulated") else ""
    outcome = decision.get("outcome") or {}
    tokens = f"  ({outcome.get('input_tokens', '?')} tokens in, {outcome.get('output_tokens', '?')} out)"
    fields = [
        ("route", headers.get("x-harpoon-route", "?") + simulated),
        ("cost", f"${decision.get('cost_usd', '?')}{tokens}"),
        ("time", f"{took_s:.2f} s, first words after {first_s:.2f} s"),
        ("why", _why(headers, decision)),
        ("decision", headers.get("x-harpoon-decision-id", "?")),
    ]
    warnings = headers.get("x-harpoon-covenant-warnings")
    return [*fields, ("warning", warnings)] if warnings else fields


def _why(headers: Mapping[str, str], decision: dict[str, Any]) -> str:
    """The choice in a sentence: how hard, under which policy, against which runner-up."""
    candidates = {candidate["route"]: candidate for candidate in decision.get("candidates", [])}
    ranking = decision.get("ranking", [])
    words = f"{headers.get('x-harpoon-complexity', '?')} request, {headers.get('x-harpoon-policy', '?')}"
    if not ranking:
        return words
    denied = sum(1 for candidate in candidates.values() if candidate["denials"])
    words += f"; best of {len(ranking)} admissible routes ({denied} denied)"
    if len(ranking) > 1:
        best, second = candidates[ranking[0]], candidates[ranking[1]]
        ahead = (second["total_us"] - best["total_us"]) / 1_000_000
        words += f", {ahead:.2f} s of weighted time, cost and risk ahead of {ranking[1]}"
    return words
