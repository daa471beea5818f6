"""`harpoon route`: what would be decided for a request, why, and where the choice would turn; nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.decisions import STRANGE, policy_line, write_candidates
from gateway.commands.options import (
    HERE,
    Covenant,
    Json,
    Jsonl,
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
from gateway.output import Column, complain, write_fields, write_json, write_line, write_table

if TYPE_CHECKING:
    from worker.strict_json import JsonObject

route_cli = typer.Typer(add_completion=False)
#: Members of a batch line that are part of what is asked.
_ASKED = ("messages", "model", "covenant", "covenant_id", "max_tokens", "max_completion_tokens")
_FLIPS_SHOWN = 12

#: Gives the explanation of one body of POST /v2/route. Raises: CommandFailed.
Explain = Callable[[bytes], dict[str, Any]]


@route_cli.command(
    epilog="Example: `harpoon route \"Prove that there are infinitely many primes.\" --covenant 'under 1 cent'"
    " --offline`\n\n"
    "Batch: `harpoon route --jsonl requests.jsonl > routed.jsonl` reads `text` (and `covenant`, `model`) from each"
    " line and adds `route` and `explanation`."
)
def route(
    words: Words = None,
    model: Model = "auto",
    covenant: Covenant = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Decide here, by the settings of this machine, without any state.")
    ] = False,
    jsonl: Jsonl = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Explain which route a request would take: every candidate, the choice, and where it would turn.

    Nothing is sent to a model and nothing is held. Exit status: 0 a route is admitted, 1 none is.
    """
    limits = covenant_value(covenant) if covenant else None
    with _explaining(offline, url, token) as explain:
        if jsonl:
            from gateway.commands.batch import run_batch

            raise typer.Exit(run_batch(words, lambda line: _members(line, model, limits, explain), "routing"))
        text = question_of(words, 'harpoon route "What is a vGPU?"')
        found = explain(encoded(chat_body(model, user_message(text), limits)))
    if as_json:
        write_json(found)
    else:
        try:
            show(found)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise ClientFailed(STRANGE) from problem
    if found["selected"] is None:
        from gateway.client import reason_lines

        if not as_json:
            refusal = found["refusal"]
            complain("\n".join([refusal["message"], *reason_lines(refusal["message"], refusal["reasons"])]))
        raise typer.Exit(NO)


@contextmanager
def _explaining(offline: bool, url: str, token: str) -> Iterator[Explain]:
    if offline:
        from gateway.commands.offline import Offline

        yield Offline().explain
        return
    from gateway.client import Client

    with Client(url, token, "or decide here with --offline") as client:
        yield lambda body: client.post("/v2/route", body)


def _members(line: JsonObject, model: str, covenant: Any, explain: Explain) -> Mapping[str, str]:
    """A batch line's own members win over the command's options; a text is what `harpoon ask` makes of it."""
    from gateway.commands.batch import text_member

    messages = None if "messages" in line.values else user_message(text_member(line))
    given = chat_body(model, messages, covenant)
    asked = {name: encoded(value).decode("utf-8", "surrogatepass") for name, value in given.items()}
    if "covenant" in line.raw or "covenant_id" in line.raw:
        asked.pop("covenant", None)
    asked |= {name: line.raw[name] for name in _ASKED if name in line.raw}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in asked.items()) + "}"
    found = explain(body.encode("utf-8", "surrogatepass"))
    return {
        "route": json.dumps(found["selected"]),
        "explanation": json.dumps(found, ensure_ascii=False, separators=(",", ":")),
    }


def show(found: dict[str, Any]) -> None:
    """An explanation for a person."""
    from worker.money import usd_text

    judged, candidates, ranking = found["classification"], found["candidates"], found["ranking"]
    by_route = {candidate["route"]: candidate for candidate in candidates}
    write_candidates(candidates, ranking)
    write_line()
    fields = [
        (
            "request",
            f"{judged['complexity']} {judged['task']}, about {judged['expected_output_tokens']} tokens of answer"
            f" (score {usd_text(judged['p_small_fails_ppm'])})",
        ),
        ("policy", policy_line(found["policy"])),
        ("choice", found["selected"] or "none: every candidate is denied"),
        ("why", _why(ranking, by_route)),
        ("digest", found["decision_digest"]),
    ]
    write_fields(fields)
    rows = [_flip(flip) for flip in found["flips"][:_FLIPS_SHOWN]]
    if rows:
        write_line()
        columns = (Column("where it would turn"), Column("to"), Column("instead of"))
        write_table(columns, rows)


def _why(ranking: list[str], by_route: dict[str, Any]) -> str:
    """The choice against its runner-up, in the parts of the total (seconds of weighted time, cost and risk)."""
    if not ranking:
        return "see the verdicts"
    if len(ranking) == 1:
        return "the only admitted route"
    second = by_route[ranking[1]]
    ahead = (second["total_us"] - by_route[ranking[0]]["total_us"]) / 1_000_000
    parts = [
        f"{name.removesuffix('_us').replace('_', ' ')} {difference / 1_000_000:+.2f}"
        for name, difference in second.get("difference", {}).items()
        if difference
    ]
    told = f" ({', '.join(parts)})" if parts else ""
    return f"best of {len(ranking)} admitted: {ahead:.2f} s of weighted time, cost and risk ahead of {ranking[1]}{told}"


def _flip(flip: dict[str, Any]) -> tuple[str, str, str]:
    from worker.money import usd_text

    dimension, at = flip["dimension"], flip["at"]
    if at is None:
        place = f"no {dimension} limit" if dimension in ("budget", "deadline") else f"{dimension} not asked for"
    elif dimension == "budget":
        place = f"budget from ${usd_text(at)}"
    elif dimension == "deadline":
        place = f"deadline from {usd_text(at)} s"
    else:
        place = f"{dimension} {at}"
    return place, flip["selected"] or "none", flip["instead_of"] or "none"
