"""`harpoon ask`: one streamed answer from a running Harpoon, then what it cost and why it went where it went."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

_TIMEOUT = httpx.Timeout(10.0, read=310.0)
#: How often the decision is asked for while its settlement is still under way.
_SETTLED_TRIES = 20
_SETTLED_PAUSE_S = 0.05


class AskFailed(Exception):
    """Why there is no answer, in words for a person."""


def ask_and_print(console: Console, url: str, token: str, model: str, question: str, covenant: str) -> None:
    """Stream the answer to `console`, then print the table. Raises: AskFailed."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if covenant:
        try:
            body["covenant"] = json.loads(covenant)
        except ValueError as problem:
            raise AskFailed("--covenant is not JSON; write it like '{\"budget_usd\": 0.01}'") from problem
    headers = {"authorization": f"Bearer {token}"} if token else {}
    base = url.rstrip("/")
    try:
        with httpx.Client(timeout=_TIMEOUT, headers=headers) as client:
            began = time.monotonic()
            with client.stream("POST", f"{base}/chat/completions", json=body) as response:
                if response.status_code != 200:
                    raise AskFailed(_problem(response.read(), response.status_code))
                found = dict(response.headers)
                if "x-harpoon-decision-id" not in found:
                    raise AskFailed(f"what answers at {base} is not Harpoon")
                first = _print_stream(console, response.iter_lines(), began)
            took = time.monotonic() - began
            decision = _settled(client, base, found["x-harpoon-decision-id"])
    except httpx.ConnectError as problem:
        raise AskFailed(f"nothing answers at {base}; start it with `harpoon serve`, or say --url") from problem
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise AskFailed(f"the connection to {base} failed: {problem}") from problem
    console.print(_table(found, decision, first, took))


def _problem(body: bytes, status: int) -> str:
    try:
        error = json.loads(body)["error"]
        lines = [error["message"], *(f"  {reason}" for reason in error.get("reasons", []))]
        return "\n".join(lines)
    except (ValueError, KeyError, TypeError):
        return f"the server answered {status} with something that is not Harpoon's"


def _print_stream(console: Console, lines: Iterator[str], began: float) -> float:
    """Print the text as it comes; returns seconds to the first of it. Raises: AskFailed for an error in the stream."""
    first = 0.0
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            console.print()
            raise AskFailed(f"the answer broke off: {chunk['error']['message']}")
        for choice in chunk["choices"]:
            text = choice["delta"].get("content") or ""
            if text and not first:
                first = time.monotonic() - began
            console.print(text, end="", markup=False, soft_wrap=True)
    console.print("\n")
    return first


def _settled(client: httpx.Client, base: str, decision_id: str) -> dict[str, Any]:
    decision: dict[str, Any] = {}
    for _ in range(_SETTLED_TRIES):
        answer = client.get(f"{base}/decisions/{decision_id}")
        if answer.status_code != 200:
            return {}
        decision = answer.json()
        if decision["state"] != "open":
            break
        time.sleep(_SETTLED_PAUSE_S)
    return decision


def _table(headers: Mapping[str, str], decision: dict[str, Any], first_s: float, took_s: float) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    route = headers.get("x-harpoon-route", "?")
    simulated = "  (simulated: no model behind it)" if headers.get("x-harpoon-simulated") else ""
    table.add_row("route", route + simulated)
    outcome = decision.get("outcome") or {}
    tokens = f"  ({outcome.get('input_tokens', '?')} tokens in, {outcome.get('output_tokens', '?')} out)"
    table.add_row("cost", f"${decision.get('cost_usd', '?')}{tokens}")
    table.add_row("time", f"{took_s:.2f} s, first words after {first_s:.2f} s")
    table.add_row("why", _why(headers, decision))
    table.add_row("decision", headers.get("x-harpoon-decision-id", "?"))
    return table


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
