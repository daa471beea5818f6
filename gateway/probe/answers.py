"""The open questions about a GPU platform's endpoint, each answered from what was found, or said to be unanswered.

Nothing is concluded from silence: what was not seen at the places that were looked at is called not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.probe.cadence import Cadence, Silence, cadence_of
from gateway.probe.chat import Timed
from gateway.probe.items import Verdict, broken_required
from gateway.probe.run import Found
from gateway.probe.statistics import percentile
from gateway.probe.surface import POOLS_PATH
from gateway.report.sections import milliseconds

NOT_SEEN = "not seen"
#: A first request counts as slower from so many more microseconds on, and for sure beside so many warm ones.
COLD_US, LEAST_WARM = 100_000, 9


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the answer in a word or a figure, and what it rests on."""

    question: str
    short: str
    because: str


def answers_of(found: Found) -> list[Answer]:
    """Every question, in the order in which a client asks them."""
    return [
        _compatible(found),
        _models(found),
        _prices(found),
        _cold(found),
        _concurrency(found),
        _load(found),
        _streaming(found),
        _tier(found),
        _pools(found),
        _rate_limits(found),
        _analytics(found),
    ]


def _compatible(found: Found) -> Answer:
    question = "Does it speak OpenAI's API?"
    looked = [one for one in found.items if one.verdict is not Verdict.unseen]
    if not looked:
        return Answer(question, NOT_SEEN, "no item of the API could be looked at")
    broken = broken_required(found.items)
    absent = sum(one.verdict is Verdict.absent for one in looked)
    rest = f"; {absent} optional features are not offered" if absent else ""
    if not broken:
        return Answer(question, "yes", f"every required item that was looked at holds ({len(looked)} items){rest}")
    required = sum(one.need == "required" for one in looked)
    named = ", ".join(one.id for one in broken[:5]) + (" and more" if len(broken) > 5 else "")
    return Answer(question, f"{len(broken)} of {required} required items don't hold", f"{named}{rest}")


def _models(found: Found) -> Answer:
    assert found.surface is not None, "there is no report before the first look"
    listed = found.surface.models
    answered = [one.model for one in found.firsts if one.is_ok]
    short = f"{len(listed)} listed" if listed else "none listed"
    asked = ", ".join(one.model for one in found.firsts) or "none"
    because = f"asked: {asked}; answered: {', '.join(answered) or 'none'}"
    return Answer("Which models does it offer?", short, because)


def _prices(found: Found) -> Answer:
    assert found.surface is not None, "there is no report before the first look"
    question = "Does it tell its prices?"
    if found.surface.prices:
        return Answer(question, "yes", f"GET /models lists prices of {len(found.surface.prices)} models")
    if found.chat is not None and found.chat.told_cost:
        return Answer(question, "per answer", "answers tell what they were charged")
    return Answer(question, NOT_SEEN, "neither the list of models nor an answer names a price")


def _cold(found: Found) -> Answer:
    question = "Is the first request slower than the next?"
    warm = first_tokens(found.warm)
    firsts = [one for one in (*found.firsts, *found.after_idle) if one.first_us is not None and one.is_ok]
    model = found.warm[0].model if found.warm else ""
    same = [one for one in firsts if one.model == model]
    if not warm or not same:
        return Answer(question, NOT_SEEN, "there are no first and warm requests to compare")
    median = percentile(warm, 50).value or 1
    slowest = max(one.first_us or 0 for one in same)
    times = slowest * 10 // median
    is_more = slowest > max(warm) and times >= 20 and slowest - median >= COLD_US
    if is_more:
        short = f"yes, {times // 10}.{times % 10} times" if len(warm) >= LEAST_WARM else "it seems so"
    else:
        short = "hardly"
    because = (
        f"first token of a first request after {milliseconds(slowest)}, of the warm ones after {milliseconds(median)}"
        f" (median, n = {len(warm)}; slowest {milliseconds(max(warm))}); one measurement, which chance alone would make"
        f" the slowest in 1 of {len(warm) + 1} probes; whether it was truly cold, only the operator knows"
    )
    return Answer(question, short, because)


def _concurrency(found: Found) -> Answer:
    question = "How many requests at once does it serve?"
    load = found.load
    if not load.levels:
        return Answer(question, NOT_SEEN, "no requests were sent at once")
    if not load.refused_at:
        return Answer(question, f"at least {load.served_at}", load.stopped or "the limits of the probe ended it")
    failed = next(level for level in load.levels if level.concurrency == load.refused_at).failed
    kinds = ", ".join(f"{kind} {times} times" for kind, times in Counter(one.failure for one in failed).most_common())
    if load.alone is None:
        alone = ""
    elif load.alone.is_ok:
        alone = "; a lone request after that was answered, as with a limit on requests at once"
    else:
        alone = f"; a lone request after that failed too ({load.alone.failure}), as with a limit by the minute"
    return Answer(question, f"{load.served_at or 'none'}; not {load.refused_at}",
                  f"at {load.refused_at} at once: {kinds}{alone}")  # fmt: skip


def _load(found: Found) -> Answer:
    question = "What does load do to it?"
    whole = [level for level in found.load.levels if level.ended_us and level.median_us is not None]
    if len(whole) < 2:
        return Answer(question, NOT_SEEN, "fewer than two levels of load ended")
    first, last = whole[0], max(whole, key=lambda level: level.concurrency)
    times = (last.median_us or 0) * 10 // max(first.median_us or 1, 1)
    silences = shared_silences(found)
    hint = f"; {silence_text(silences[0])}" if silences else "; no silence that answers under way shared"
    return Answer(question, f"{times // 10}.{times % 10} times as long at {last.concurrency} at once",
                  f"median of whole answers {milliseconds(first.median_us)} alone, {milliseconds(last.median_us)} at"
                  f" {last.concurrency} at once{hint}")  # fmt: skip


def _streaming(found: Found) -> Answer:
    question = "Does it really stream?"
    counts = cadences(streamed_of(found))
    n = sum(counts.values())
    if not n:
        return Answer(question, NOT_SEEN, "no streamed answer came")
    most, times = max(counts.items(), key=lambda one: (one[1], one[0]))
    shorts = {Cadence.streamed: "yes", Cadence.buffered: "no: buffered", Cadence.bursts: "in bursts"}
    why = {
        Cadence.streamed: "pieces came at different moments",
        Cadence.buffered: "nothing came for most of the time, then everything together",
        Cadence.bursts: "many pieces came together, several times",
        Cadence.unclear: "the answers were too short or too quick to tell",
    }
    return Answer(question, shorts.get(most, "can't be told"), f"{times} of {n} answers: {why[most]}")


def _tier(found: Found) -> Answer:
    question = "Can a request choose its tier or pool?"
    if found.tiers is None:
        return Answer(question, NOT_SEEN, "it was not asked for")
    if found.tiers.is_chosen:
        return Answer(question, "yes", f"by {found.tiers.asked}: {'; '.join(found.tiers.seen)}")
    seen = [one for one in found.tiers.seen if one]
    told = f"told {seen[0]} both times" if len(seen) > 1 else "told nothing of it"
    return Answer(question, NOT_SEEN, f"asked by {found.tiers.asked}, {told}")


def _pools(found: Found) -> Answer:
    assert found.surface is not None, "there is no report before the first look"
    question = "Is there an API for the pools that are free?"
    state = found.surface.pools_state
    if state == "yes":
        return Answer(question, "yes", f"{POOLS_PATH} answers JSON")
    if state == "refused":
        return Answer(
            question, "refused", f"{POOLS_PATH} answers HTTP {found.surface.pools.status}: it wants another key"
        )
    return Answer(question, NOT_SEEN, f"{POOLS_PATH}: {found.surface.pools.outcome()}; a panel may have another host")


def _rate_limits(found: Found) -> Answer:
    question = "Does it tell its rate limits?"
    seen = found.chat.headers_seen if found.chat is not None else {}
    if not seen:
        return Answer(question, NOT_SEEN, "no answer had a header about them")
    return Answer(question, "yes", ", ".join(f"{name}: {value}" for name, value in sorted(seen.items())))


def _analytics(found: Found) -> Answer:
    assert found.surface is not None, "there is no report before the first look"
    parts = []
    if any(one.tokens is not None for one in found.firsts):
        parts.append("token counts in answers")
    if any(one.id == "header.x-request-id" and one.verdict is Verdict.holds for one in found.items):
        parts.append("an id for each request")
    if found.surface.has_metrics:
        parts.append("/metrics for Prometheus")
    if found.surface.health.is_ok:
        parts.append("/health")
    return Answer(
        "What does it tell about use?", "partly" if parts else NOT_SEEN, ", ".join(parts) or "nothing was seen"
    )


def first_tokens(timed: Sequence[Timed]) -> list[int]:
    """The times of first tokens of what was answered."""
    return [one.first_us for one in timed if one.is_ok and one.first_us is not None]


def streamed_of(found: Found) -> list[Timed]:
    """The answers by which streaming is judged: those that had no company, else the pilot's."""
    alone = [one for one in (*found.firsts, *found.warm, *found.after_idle) if one.is_ok]
    return alone if found.pilot is None else [*alone, *[one for one in found.pilot.timed if one.is_ok]]


def cadences(timed: Sequence[Timed]) -> dict[Cadence, int]:
    """How many answers came in which way."""
    return dict(Counter(cadence_of(one.pieces_us, one.total_us) for one in timed))


def shared_silences(found: Found) -> list[Silence]:
    """The silences that answers under way together shared, longest first."""
    all_of_them = [silence for level in found.load.levels for silence in level.silences]
    return sorted(all_of_them, key=lambda one: -one.length_us)


def silence_text(silence: Silence) -> str:
    """A shared silence in words, and what may be behind it."""
    return (
        f"{silence.streams} answers under way were silent together for {milliseconds(silence.length_us)}: a card that"
        " takes turns with others looks like this, and so does a server that was held up"
    )
