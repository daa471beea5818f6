"""A probe's findings as sections of sentences and tables: worded once, so that all forms say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.probe.answers import answers_of, cadences, first_tokens, shared_silences, silence_text, streamed_of
from gateway.probe.cadence import pauses_of, pieces_of
from gateway.probe.chat import Timed
from gateway.probe.items import Verdict
from gateway.probe.pilot import Goal, goals_of
from gateway.probe.run import Found
from gateway.probe.statistics import Estimate, percentile, rate
from gateway.report.sections import NONE, Section, Table, count, dollars, milliseconds, percent

#: A figure in words; None = there is none.
Told = Callable[[int | None], str]
_HEADS = ("", "n", "median", "95 % interval", "p95", "95 % interval")


def title_of(found: Found) -> str:
    """What the report is headed with."""
    assert found.endpoint is not None, "there is no report before the first look"
    return f"Probe of {found.endpoint.base}{' (simulated)' if found.is_simulated else ''}"


def notes_of(found: Found) -> list[str]:
    """What has to be known before any figure is read."""
    assert found.surface is not None, "there is no report before the first look"
    notes = []
    if found.is_simulated:
        chat = found.chat
        share = f" ({chat.simulated} of {chat.answered} answers say so)" if chat is not None and chat.answered else ""
        notes.append(
            f"This endpoint says of itself that it is simulated{share}: no model and no GPU was behind it. What is said"
            " of its API holds; its times and tokens say nothing about any provider."
        )
    if found.is_interrupted:
        notes.append("The probe was interrupted: what follows is what was known by then.")
    return notes + found.unfinished


def sections_of(found: Found, baseline: tuple[str, int, int] | None) -> list[Section]:
    """Everything, in the order in which it is read. baseline: its name and price, for the pilot."""
    mark = " (simulated)" if found.is_simulated else ""
    made = [_questions(found), _pilot(found, baseline, mark), _by_model(found, mark), _compatibility(found)]
    made += [_first(found, mark), _warm(found, mark), _streaming(found, mark), _load(found, mark)]
    return [one for one in (*made, _headers(found), _taken(found)) if one is not None]


def method() -> tuple[str, ...]:
    """How the figures were made."""
    return (
        "Times run on this machine's clock from the sending of a request, the network between included. Percentiles are"
        " measured values (nearest rank); their 95 % intervals are the order statistics around them, - where n is too"
        " small for a bound. Rates have Clopper and Pearson's interval, averages a bootstrap one (1,000 resamples, a"
        " fixed seed). First requests are single measurements.",
        "A first token is the first piece of text or the first tool call. Tokens are what the endpoint counted; tokens"
        " a second are those after the first over the time from the first piece to the last.",
    )


def _questions(found: Found) -> Section:
    rows = tuple((one.question, one.short, one.because) for one in answers_of(found))
    return Section("Open questions", (), Table(("question", "answer", "because"), rows, is_numeric=False))


def _compatibility(found: Found) -> Section | None:
    if not found.items:
        return None
    verdicts = [one.verdict for one in found.items]
    told = ", ".join(f"{one} {verdicts.count(one)}" for one in Verdict if one in verdicts)
    rows = tuple((one.id, one.says, one.need.value, one.verdict.value, "; ".join(one.faults)) for one in found.items)
    return Section(
        "OpenAI compatibility, item by item",
        (f"{len(rows)} items: {told}. One request each: an item says what this request saw.",),
        Table(("item", "what is asked", "need", "verdict", "what was seen"), rows, is_numeric=False),
    )


def _first(found: Found, mark: str) -> Section | None:
    if not found.firsts:
        return None
    rows = [_single("first", one) for one in found.firsts]
    rows += [_single(f"first after {found.plan.idle_s} s of rest", one) for one in found.after_idle]
    return Section(
        f"First requests{mark}",
        ("One measurement each. Others may have used a model a moment before, so a first request need not be cold.",),
        Table(("model", "request", "first token", "whole answer", "tokens", "ended"), tuple(rows), is_numeric=False),
        "first",
    )


def _single(name: str, timed: Timed) -> tuple[str, ...]:
    tokens = NONE if timed.tokens is None else count(timed.tokens)
    ended = timed.failure or "answered"
    return (timed.model, name, milliseconds(timed.first_us), milliseconds(timed.total_us), tokens, ended)


def _warm(found: Found, mark: str) -> Section | None:
    if not found.warm:
        return None
    failed = [one for one in found.warm if not one.is_ok]
    sentences = [f"{len(found.warm)} requests to {found.warm[0].model}, one after the other."]
    if failed:
        sentences.append(f"{len(failed)} of them failed: {', '.join(sorted({one.failure for one in failed}))}.")
    return Section(f"Warm requests{mark}", tuple(sentences), Table(_HEADS, _spreads(found.warm)), "warm")


def _spreads(timed: Sequence[Timed]) -> tuple[tuple[str, ...], ...]:
    answered = [one for one in timed if one.is_ok]
    rates = [one.tokens_per_s_milli for one in answered if one.tokens_per_s_milli is not None]
    return (
        _spread("first token", first_tokens(timed), milliseconds),
        _spread("whole answer", [one.total_us for one in answered], milliseconds),
        # Slow is bad here: the tail that matters is the low one.
        (
            "tokens a second (p5 for p95)",
            count(len(rates)),
            *_two(percentile(rates, 50), thousandths),
            *_two(percentile(rates, 5), thousandths),
        ),
    )


def _spread(name: str, values: Sequence[int], told: Told) -> tuple[str, ...]:
    return (name, count(len(values)), *_two(percentile(values, 50), told), *_two(percentile(values, 95), told))


def _two(found: Estimate, told: Told) -> tuple[str, str]:
    return told(found.value), interval(found, told)


def interval(found: Estimate, told: Told) -> str:
    """An interval in words; a side without a bound is a dash."""
    return NONE if found.low is None and found.high is None else f"{told(found.low)} to {told(found.high)}"


def thousandths(milli: int | None) -> str:
    """Thousandths with one decimal, rounded down."""
    return NONE if milli is None else f"{milli // 1_000:,}.{milli % 1_000 // 100}"


def _streaming(found: Found, mark: str) -> Section | None:
    timed = streamed_of(found)
    if not timed:
        return None
    counts = cadences(timed)
    told = ", ".join(f"{counts[one]} {one.value}" for one in sorted(counts, key=lambda one: -counts[one]))
    pieces = [pieces_of(one.pieces_us) for one in timed]
    gaps = [one.usual_gap_us for one in pieces if one.moments > 1]
    rows = (
        ("pieces of an answer", count(percentile([one.pieces for one in pieces], 50).value or 0)),
        ("moments at which they came", count(percentile([one.moments for one in pieces], 50).value or 0)),
        ("time between moments", milliseconds(percentile(gaps, 50).value)),
        ("longest time between two pieces", milliseconds(max(one.longest_gap_us for one in pieces))),
        ("answers that paused", count(sum(bool(pauses_of(one.pieces_us)) for one in timed))),
    )
    rule = "An answer is streamed if its pieces came at many moments, buffered if nearly all came together at its end."
    return Section(
        f"Streaming{mark}",
        (f"Of {len(timed)} answers: {told}. {rule}",),
        Table(("median over answers", ""), rows),
        "streaming",
    )


def _load(found: Found, mark: str) -> Section | None:
    load = found.load
    if not load.levels:
        return None
    sentences = [f"It went no higher because {load.stopped}."] if load.stopped else []
    if load.alone is not None:
        sentences.append(f"A lone request after the failures: {load.alone.failure or 'answered'}.")
    sentences += [f"{silence_text(one)[0].upper()}{silence_text(one)[1:]}." for one in shared_silences(found)[:3]]
    rows = []
    for level in load.levels:
        answered = [one.total_us for one in level.answered]
        firsts = first_tokens(level.timed)
        rows.append(
            (
                f"{level.concurrency} at once" + ("" if level.ended_us else ", unfinished"),
                count(len(level.timed)),
                count(len(level.failed)),
                milliseconds(percentile(firsts, 50).value),
                milliseconds(percentile(answered, 50).value),
                interval(percentile(answered, 50), milliseconds),
                milliseconds(percentile(answered, 95).value),
                thousandths(level.tokens_per_s_milli),
            )
        )
    heads = ("", "requests", "failed", "first token p50", "whole p50", "95 % interval", "whole p95", "tokens/s in all")
    return Section(f"Load{mark}", tuple(sentences), Table(heads, tuple(rows)), "load")


def _headers(found: Found) -> Section | None:
    chat = found.chat
    seen = {**chat.headers_seen, **chat.routing_headers} if chat is not None else {}
    if not seen:
        return None
    rows = tuple(sorted(seen.items()))
    return Section(
        "Headers about limits and routes", ("As last seen.",), Table(("header", "value"), rows, is_numeric=False)
    )


def _pilot(found: Found, baseline: tuple[str, int, int] | None, mark: str) -> Section | None:
    pilot = found.pilot
    if pilot is None or not pilot.timed:
        return None
    price = found.chat.spending.price if found.chat is not None else None
    is_priced = price is not None and price.is_told and not found.is_simulated
    goals = goals_of(pilot.timed, baseline[1:] if baseline else None, is_priced=is_priced)
    done = ", then ".join(f"{len(phase.timed):,} of {phase.planned:,}" for phase in pilot.phases)
    sentences = [
        f"{done} requests over {len(pilot.models)} models in turn, {pilot.concurrency} at once. The targets are the"
        " product's own; beside each stands what was measured here."
    ]
    if pilot.left_out:
        sentences.append(f"The second phase was left out: {pilot.left_out}.")
    if baseline and is_priced:
        sentences.append(f"Baseline: the list price of {baseline[0]} for the same tokens.")
    else:
        why = "simulated tokens cost nothing" if found.is_simulated else "nobody told a price"
        sentences.append(f"No saving is worked out: {why}.")
    table = Table(
        ("target", "wanted", "measured", "n", "verdict"), tuple(_goal(one) for one in goals), is_numeric=False
    )
    return Section(f"Pilot: targets{mark}", tuple(sentences), table)


def _goal(goal: Goal) -> tuple[str, ...]:
    told = percent if goal.unit == "ppm" else milliseconds
    bounds = interval(goal.measured, told)
    measured = told(goal.measured.value) + (f" ({bounds})" if bounds != NONE else "")
    return (goal.name, goal.wanted, measured, count(goal.measured.n), goal.verdict)


def _by_model(found: Found, mark: str) -> Section | None:
    if found.pilot is None or not found.pilot.timed:
        return None
    rows = []
    for model in found.pilot.models:
        timed = [one for one in found.pilot.timed if one.model == model]
        answered = [one.total_us for one in timed if one.is_ok]
        share = rate(len(answered), len(timed))
        rates = [one.tokens_per_s_milli for one in timed if one.tokens_per_s_milli is not None]
        rows.append(
            (
                model,
                count(len(timed)),
                f"{percent(share.value)} ({interval(share, percent)})",
                milliseconds(percentile(first_tokens(timed), 50).value),
                milliseconds(percentile(answered, 50).value),
                milliseconds(percentile(answered, 95).value),
                thousandths(percentile(rates, 50).value),
                dollars(sum(one.cost_usd_micros for one in timed)),
            )
        )
    heads = ("model", "n", "answered", "first token p50", "whole p50", "whole p95", "tokens/s p50", "reckoned cost")
    return Section(f"Pilot: by model{mark}", (), Table(heads, tuple(rows)), "models")


def _taken(found: Found) -> Section | None:
    chat = found.chat
    if chat is None:
        return None
    spent, limits = chat.spending, found.limits
    seconds = (chat.endpoint.clock.monotonic_us() - found.began_us) // 1_000_000
    rows = (
        ("chat requests", count(spent.requests), count(limits.requests)),
        ("tokens, in and out", count(spent.tokens_in + spent.tokens_out), count(limits.tokens)),
        ("seconds", count(seconds), count(limits.seconds)),
        ("cost, reckoned", dollars(spent.cost_usd_micros), dollars(limits.cost_usd_micros)),
    )
    price = spent.price
    return Section(
        "What the probe took",
        (
            f"Price: {dollars(price.input)} in and {dollars(price.output)} out for a million tokens ({price.source}). A"
            " request whose tokens nobody told counts as its worst case.",
        ),
        Table(("", "taken", "limit"), rows),
    )
