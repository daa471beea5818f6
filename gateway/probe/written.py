"""The forms of a probe's report: Markdown for people, JSON for programs; the HTML page is in `page`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from gateway.probe.answers import answers_of, cadences, streamed_of
from gateway.probe.chat import Timed
from gateway.probe.measure import Level
from gateway.probe.pilot import Pilot, goals_of
from gateway.probe.run import Found
from gateway.probe.sections import method, notes_of, sections_of, title_of
from gateway.probe.statistics import Estimate, percentile, rate
from gateway.report.sections import Table


def to_markdown(found: Found, baseline: tuple[str, int, int] | None) -> str:
    """The report's text."""
    lines = [f"# {title_of(found)}", "", *[line for note in notes_of(found) for line in (f"**{_plain(note)}**", "")]]
    for section in sections_of(found, baseline):
        lines += [f"## {section.title}", "", *_apart(section.sentences)]
        if section.table is not None:
            lines += [*_table(section.table), ""]
    return "\n".join([*lines, "## How it was measured", "", *_apart(method())])


def _apart(sentences: tuple[str, ...] | list[str]) -> list[str]:
    return [line for sentence in sentences for line in (_plain(sentence), "")]


def _table(table: Table) -> list[str]:
    side = "---:" if table.is_numeric else "---"
    rows = [table.heads, ("---", *[side for _ in table.heads[1:]]), *table.rows]
    return ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]


def _plain(cell: str) -> str:
    """A text that stays one: what a server said becomes no column, no HTML and no link or picture."""
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("](", "]\\(").replace("`", "\\`")


def to_json(found: Found, baseline: tuple[str, int, int] | None) -> str:
    """The report as JSON: times in microseconds, rates in parts per million, money in micro-dollars."""
    return json.dumps(to_plain(found, baseline), indent=2, ensure_ascii=False) + "\n"


def to_plain(found: Found, baseline: tuple[str, int, int] | None) -> dict[str, Any]:
    """The report as JSON values."""
    assert found.endpoint is not None, "there is no report before the first look"
    assert found.surface is not None, "there is no report before the first look"
    return {
        "object": "probe",
        "endpoint": found.endpoint.base,
        "kind": found.surface.kind or None,
        "simulated": found.is_simulated,
        "interrupted": found.is_interrupted,
        "unfinished": found.unfinished,
        "questions": [asdict(one) for one in answers_of(found)],
        "models": {"listed": list(found.surface.models), "asked": list(found.models)},
        "compatibility": [asdict(one) for one in found.items],
        "first": [_timed(one) for one in found.firsts],
        "first_after_rest": [_timed(one) for one in found.after_idle],
        "warm": _spread(found.warm),
        "streaming": {kind.value: times for kind, times in cadences(streamed_of(found)).items()},
        "load": {
            "levels": [_level(level) for level in found.load.levels],
            "served_at": found.load.served_at,
            "refused_at": found.load.refused_at or None,
            "alone_after": _timed(found.load.alone) if found.load.alone else None,
            "stopped": found.load.stopped or None,
        },
        "headers": {**found.chat.headers_seen, **found.chat.routing_headers} if found.chat else {},
        "pilot": _pilot(found, found.pilot, baseline) if found.pilot else None,
        "taken": _taken(found),
    }  # fmt: skip


def _timed(one: Timed) -> dict[str, Any]:
    return {
        "model": one.model,
        "first_token_us": one.first_us,
        "whole_us": one.total_us,
        "pieces": len(one.pieces_us),
        "tokens": one.tokens,
        "tokens_per_s_milli": one.tokens_per_s_milli,
        "failure": one.failure or None,
        "simulated": one.is_simulated,
    }


def _spread(timed: list[Timed]) -> dict[str, Any]:
    answered = [one for one in timed if one.is_ok]
    firsts = [one.first_us for one in answered if one.first_us is not None]
    rates = [one.tokens_per_s_milli for one in answered if one.tokens_per_s_milli is not None]
    failures: dict[str, int] = {}
    for one in timed:
        if one.failure:
            failures[one.failure] = failures.get(one.failure, 0) + 1
    return {
        "n": len(timed),
        "answered_ppm": asdict(rate(len(answered), len(timed))),
        "failures": failures,
        "first_token_us": _percentiles(firsts, (50, 95, 99)),
        "whole_us": _percentiles([one.total_us for one in answered], (50, 95, 99)),
        "tokens_per_s_milli": _percentiles(rates, (5, 50)),
    }


def _percentiles(values: list[int], percents: tuple[int, ...]) -> dict[str, Any]:
    return {f"p{percent}": _estimate(percentile(values, percent)) for percent in percents}


def _estimate(found: Estimate) -> dict[str, Any]:
    return asdict(found)


def _level(level: Level) -> dict[str, Any]:
    return {
        "concurrency": level.concurrency,
        "finished": bool(level.ended_us),
        **_spread(level.timed),
        "answers_per_hour": level.per_hour if level.ended_us else None,
        "tokens_per_s_milli_in_all": level.tokens_per_s_milli if level.ended_us else None,
        "shared_silences": [{"length_us": one.length_us, "streams": one.streams} for one in level.silences],
    }


def _pilot(found: Found, pilot: Pilot, baseline: tuple[str, int, int] | None) -> dict[str, Any]:
    price = found.chat.spending.price if found.chat is not None else None
    is_priced = price is not None and price.is_told and not found.is_simulated
    return {
        "phases": [{"planned": phase.planned, **_spread(phase.timed)} for phase in pilot.phases],
        "left_out": pilot.left_out or None,
        "baseline": baseline[0] if baseline and is_priced else None,
        "targets": [
            asdict(one) for one in goals_of(pilot.timed, baseline[1:] if baseline else None, is_priced=is_priced)
        ],
        "models": {model: _spread([one for one in pilot.timed if one.model == model]) for model in pilot.models},
    }


def _taken(found: Found) -> dict[str, Any] | None:
    if found.chat is None:
        return None
    spent = found.chat.spending
    return {
        "requests": spent.requests,
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "cost_usd_micros": spent.cost_usd_micros,
        "price": asdict(spent.price),
        "limits": asdict(found.limits),
    }
