"""`harpoon ask`: one streamed answer from a running Harpoon, then what it cost and why it went where it went."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from gateway.commands.options import (
    HERE,
    Covenant,
    Json,
    Model,
    Token,
    Url,
    Words,
    chat_body,
    covenant_value,
    encoded,
    question_of,
    user_message,
)
from gateway.failure import NO, ClientFailed
from gateway.output import Working, complain, write, write_fields, write_json, write_line

if TYPE_CHECKING:
    from gateway.client import Client

ask_cli = typer.Typer(add_completion=False)
#: How often the decision is asked for while its settlement is still under way.
_SETTLED_TRIES = 20
_SETTLED_PAUSE_S = 0.05
CUT = "length"
GONE = "unknown: the decision could not be read any more"


@dataclass(slots=True)
class _Heard:
    """What came of a stream: the pieces of its text, and why it ended; seconds since it was asked for."""

    parts: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    first_s: float = 0.0
    took_s: float = 0.0


@ask_cli.command(
    epilog="Examples: `harpoon ask \"What is a vGPU?\" --covenant 'under 2 cents, within 10 seconds'`\n\n"
    "`git diff | harpoon ask - --model auto`\n\n"
    'Under a stored covenant: `harpoon ask "What is a vGPU?" --covenant cov-0a1b2c3d` (see `harpoon covenants`)'
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

    text = question_of(question, 'harpoon ask "What is a vGPU?"')
    body = encoded(chat_body(model, user_message(text), covenant_value(covenant) if covenant else None))
    heard = _Heard()
    with Client(url, token) as client, Working("waiting for the first words") as working:
        began = time.monotonic()
        with client.stream("/v1/chat/completions", body) as response:
            headers = dict(response.headers)
            if "x-harpoon-decision-id" not in headers:
                raise ClientFailed(f"what answers at {client.base} is not Harpoon")
            for piece in _texts(response.iter_lines(), heard):
                working.stop()
                heard.first_s = heard.first_s or time.monotonic() - began
                heard.parts.append(piece)
                if not as_json:
                    write(piece)
        heard.took_s = time.monotonic() - began
        decision = _settled(client, headers["x-harpoon-decision-id"])
    if as_json:
        write_json(_plain(heard, headers, decision))
    else:
        write("\n\n")
        write_fields(_fields(heard, headers, decision))
    if heard.finish_reason == CUT:
        complain(f"note: {cut_text(decision)}")


def _texts(lines: Iterator[str], heard: _Heard) -> Iterator[str]:
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
            ended = [choice["finish_reason"] for choice in chunk["choices"] if choice.get("finish_reason")]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ClientFailed("the answer broke off: an event of it is none of OpenAI's", NO) from problem
        heard.finish_reason = str(ended[0]) if ended else heard.finish_reason
        yield from [text for text in texts if text]


def _settled(client: Client, decision_id: str) -> dict[str, Any]:
    """The decision once it is settled; what is known of it if that takes long, nothing if it can't be read."""
    decision: dict[str, Any] = {}
    for _ in range(_SETTLED_TRIES):
        try:
            decision = client.get(f"/v1/decisions/{decision_id}")
        except ClientFailed:
            return decision
        if decision["state"] != "open":
            break
        time.sleep(_SETTLED_PAUSE_S)
    return decision


def cut_text(decision: Mapping[str, Any]) -> str:
    """Why an answer ended before its end, by the limit that its route had: what the money buys, or the model's own."""
    outcome = decision.get("outcome") or {}
    tokens = outcome.get("output_tokens")
    after = f"the answer is cut after {tokens} tokens" if tokens else "the answer is cut"
    route = outcome.get("route") or decision.get("selected")
    chosen = next((one for one in decision.get("candidates", []) if one["route"] == route), None)
    if chosen is None:
        return after
    if _is_bought(chosen, decision["inputs"]):
        return f"{after}: that is what the budget buys"
    return f"{after}: that is the model's limit"


def _is_bought(chosen: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    """Whether not one more token of output was affordable: less is left than one costs."""
    worst, tokens = chosen.get("worst_case_usd_micros", 0), chosen.get("output_limit_tokens", 0)
    policy = inputs["policy"]
    left = [cap - spent - reserved for _, cap, spent, reserved in inputs["accounts"] if cap is not None]
    if policy["budget_usd_micros"] is not None and policy["budget_scope"] in (None, "total", "per_request"):
        left.append(policy["budget_usd_micros"])
    # A token costs no more than its share of the worst case, rounded up.
    return bool(left and worst and tokens) and min(left) - worst <= -(-worst // tokens)


def _plain(heard: _Heard, headers: Mapping[str, str], decision: dict[str, Any]) -> dict[str, Any]:
    return {
        "answer": "".join(heard.parts),
        "finish_reason": heard.finish_reason,
        "route": headers.get("x-harpoon-route"),
        "simulated": "x-harpoon-simulated" in headers,
        "cost_usd": decision.get("cost_usd"),
        "seconds": round(heard.took_s, 3),
        "first_words_after_seconds": round(heard.first_s, 3),
        "why": _why(headers, decision),
        "decision": decision,
    }


def _fields(heard: _Heard, headers: Mapping[str, str], decision: dict[str, Any]) -> list[tuple[str, str]]:
    simulated = "  (simulated: no model behind it)" if headers.get("x-harpoon-simulated") else ""
    outcome = decision.get("outcome")
    cost = GONE
    if decision and outcome:
        tokens = f"({outcome['input_tokens']} tokens in, {outcome['output_tokens']} out)"
        cost = f"${decision['cost_usd']}  {tokens}"
    elif decision:
        cost = "not settled yet: `harpoon decisions ID` tells it later"
    fields = [
        ("route", headers.get("x-harpoon-route", "?") + simulated),
        ("cost", cost),
        ("time", f"{heard.took_s:.2f} s, first words after {heard.first_s:.2f} s"),
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
    best_of = f"best of {len(ranking)} admitted routes" if len(ranking) > 1 else "the only admitted route"
    words += f"; {best_of} ({denied} denied)"
    if len(ranking) > 1:
        best, second = candidates[ranking[0]], candidates[ranking[1]]
        ahead = (second["total_us"] - best["total_us"]) / 1_000_000
        words += f", {ahead:.2f} s of weighted time, cost and risk ahead of {ranking[1]}"
    return words
