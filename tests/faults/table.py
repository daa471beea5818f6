"""The fault table: what a provider does, what the client sees of it, what is billed. Tests and docs read it alike."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults import plays
from tests.faults.upstream import Play

PLAIN, STREAMED = "plain", "streamed"
BOTH = (PLAIN, STREAMED)

#: What is billed.
NOTHING, ANSWER, WORST, SEEN, WORST_AND_ANSWER = "nothing", "answer", "worst", "seen", "worst and answer"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the client sees and what is billed. `code`: of an error; with status 200 it comes as an event in the stream.

    `route`: whose answer it is: the failing attempt's (`same`) or that of the next route.
    """

    status: int
    billed: str
    code: str = ""
    route: str = "same"


NEXT = Ending(200, ANSWER, route="next")
NEXT_AFTER_WORST = Ending(200, WORST_AND_ANSWER, route="next")
DOWN = Ending(503, NOTHING, "all_routes_down")
DOWN_AFTER_WORST = Ending(503, WORST, "all_routes_down")
REJECTED = Ending(400, NOTHING, "provider_rejected")
WELL = Ending(200, ANSWER)
COUNTED = Ending(200, SEEN)
BROKE = Ending(200, SEEN, "stream_broken")
LOST = Ending(200, SEEN, "all_routes_down")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `play` None = nobody listens.

    `followed`: how it ends where another route is left, `last`: where none is. `cause`: of the attempt, in the record;
    `tries`: how often the last route is called; `tokens`: output tokens that came through before it broke.
    """

    name: str
    play: Play | None
    forms: tuple[str, ...]
    followed: Ending
    last: Ending
    cause: str
    tries: int = 1
    tokens: int = 0


def _free(name: str, play: Play | None, cause: str = "status", tries: int = 2) -> Fault:
    """It surely cost nothing."""
    return Fault(name, play, BOTH, NEXT, DOWN, cause, tries)


def _costly(name: str, play: Play, cause: str, forms: tuple[str, ...] = BOTH) -> Fault:
    """It may have cost something, and nothing came of it."""
    return Fault(name, play, forms, NEXT_AFTER_WORST, DOWN_AFTER_WORST, cause)


def _broken(name: str, play: Play, ending: Ending, cause: str = "broken") -> Fault:
    """It broke when the client had the first part already."""
    return Fault(name, play, (STREAMED,), ending, ending, cause, tokens=2)


FAULTS = (
    _free("refuses the connection", None, "connect"),
    _costly("hangs before the headers", plays.hangs, "timeout"),
    _costly("hangs after the headers, before an event or within a body", plays.hangs_after_the_headers, "timeout"),
    _costly("sends comments for ever and no event", plays.comments_for_ever, "timeout", (STREAMED,)),
    _broken("hangs inside the stream", plays.hangs_inside_the_stream, LOST, "timeout"),
    _free("429 without `retry-after`", plays.refuses(429)),
    _free("429 with `retry-after: 1`", plays.refuses(429, "retry-after: 1\r\n")),
    _free("429 with `retry-after: 30`", plays.refuses(429, "retry-after: 30\r\n"), tries=1),
    _free("500", plays.refuses(500)),
    _free("503", plays.refuses(503)),
    _free("401, our key is refused", plays.refuses(401), "key_refused", tries=1),
    Fault("400, the request is refused", plays.refuses(400), BOTH, REJECTED, REJECTED, "rejected"),
    _costly("malformed JSON, in a stream as its first event", plays.sends_malformed_json, "malformed"),
    _broken("malformed JSON inside the stream", plays.sends_malformed_json_inside_the_stream, BROKE),
    Fault("an error as the first event", plays.opens_with_an_error, (STREAMED,), NEXT, DOWN, "status", 2),
    _broken("an error event inside the stream", plays.reports_an_error_inside_the_stream, BROKE),
    _costly("the stream ends before its first event", plays.ends_before_the_first_event, "broken", (STREAMED,)),
    _broken("the stream ends before the answer does", plays.ends_inside_the_stream, BROKE),
    _broken("closes the connection inside the stream", plays.closes_inside_the_stream, LOST),
    _broken("resets the connection inside the stream", plays.resets_inside_the_stream, LOST),
    Fault("no usage and no `[DONE]`", plays.ends_without_done, (STREAMED,), COUNTED, COUNTED, "ok", tokens=5),
    _costly("closes after reading the request", plays.closes_after_reading, "broken"),
    _costly("resets after reading the request", plays.resets_after_reading, "broken"),
    _costly("closes inside a plain answer", plays.closes_inside_the_answer, "broken", (PLAIN,)),
    _costly("the wrong content type", plays.has_the_wrong_content_type, "malformed"),
    _costly("100 MB in one answer or event", plays.answers_100_mb, "malformed"),
    Fault("a number instead of a string in `content`", plays.says_a_number(42), BOTH, WELL, WELL, "ok"),
    Fault("an answer without ids, times or usage", plays.leaves_things_out, BOTH, COUNTED, COUNTED, "ok", tokens=2),
)
