"""The fallback policy, driven through every sequence of outcomes: what may be sent again, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import pytest

from worker.routing.catalogue import Route, compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.upstream import attempts
from worker.upstream.attempts import AttemptLimits, Ended, Reserve, Send, Wait, attempt_flow

_BY_ID = compile_catalogue(DEFAULT_CATALOGUE).by_id
A = _BY_ID["hosted-ai/llama-3.1-8b-instruct@shared-4x"]
A2 = _BY_ID["hosted-ai/llama-3.1-8b-instruct@private-1x"]
B = _BY_ID["openai/gpt-4o-mini@serverless"]

OK = Ended(attempts.OK, unbilled=False)
REJECTED = Ended(attempts.REJECTED, unbilled=True)
CONNECT = Ended(attempts.CONNECT, unbilled=True)
STATUS = Ended(attempts.STATUS, unbilled=True)
#: The provider says that it wants to be left alone for so long, or for good.
SHORTLY, LATER, ABSENT = (Ended(attempts.STATUS, True, wait_us) for wait_us in (5_000_000, 5_000_001, None))
KEY_REFUSED = Ended(attempts.KEY_REFUSED, unbilled=True)
BROKEN = Ended(attempts.BROKEN, unbilled=False)
TIMEOUT = Ended(attempts.TIMEOUT, unbilled=False)
MALFORMED = Ended(attempts.MALFORMED, unbilled=False)
OUTCOMES = (OK, REJECTED, CONNECT, STATUS, ABSENT, BROKEN, KEY_REFUSED)

Step = tuple[str, Route, Ended | bool]


def drive(
    routes: list[Route],
    limits: AttemptLimits,
    outcomes: tuple[Ended, ...],
    grants: tuple[bool, ...],
    has_time: bool = True,
) -> tuple[list[Step], Ended]:
    """The steps taken and the end; outcomes and grants are given in turn, the last one again and again."""
    flow = attempt_flow(routes, limits)
    steps: list[Step] = []
    sends = reserves = waits = 0
    step = next(flow)
    try:
        while True:
            assert len(steps) < 50, "the flow does not end"
            if isinstance(step, Send):
                answer: Ended | bool = outcomes[min(sends, len(outcomes) - 1)]
                sends += 1
                steps.append(("send", step.route, answer))
            elif isinstance(step, Wait):
                waits += 1
                assert step.retry == waits - 1
                answer = has_time
                steps.append(("wait", routes[0], answer))
            else:
                answer = grants[min(reserves, len(grants) - 1)]
                reserves += 1
                last = [ended for kind, _, ended in steps if kind == "send"][-1]
                assert isinstance(last, Ended)
                assert step.unbilled is last.unbilled
                steps.append(("reserve", step.route, answer))
            step = flow.send(answer)
    except StopIteration as stop:
        return steps, stop.value


def every_run() -> Iterator[tuple[list[Route], AttemptLimits, list[Step], Ended]]:
    """All outcome sequences up to four, for one to three routes, all limits up to two, and budgets granted or not."""
    for routes in ([A], [A, B], [A, A2, B]):
        for retries, fallbacks in product(range(3), range(3)):
            limits = AttemptLimits(retries, fallbacks)
            for outcomes in product(OUTCOMES, repeat=4):
                for grants in product((True, False), repeat=2 if fallbacks and len(routes) > 1 else 0):
                    yield routes, limits, *drive(routes, limits, outcomes, grants or (True,))


def sends_of(steps: list[Step]) -> list[tuple[Route, Ended]]:
    return [(route, ended) for kind, route, ended in steps if kind == "send" and isinstance(ended, Ended)]


def test_the_laws_of_every_run() -> None:
    runs = 0
    for routes, limits, steps, end in every_run():
        runs += 1
        sends = sends_of(steps)
        assert sends[0][0] is routes[0]
        assert sends[-1][1] is end
        # Never more than the limits allow.
        assert len(sends) <= 1 + limits.max_retries + limits.max_fallbacks
        changes = sum(before[0] is not after[0] for before, after in pairwise(sends))
        assert changes <= limits.max_fallbacks
        assert len(sends) - 1 - changes <= limits.max_retries
        # Nothing after an answer or a refusal, and nothing is reserved for then either.
        finals = [at for at, (kind, _, ended) in enumerate(steps) if kind == "send" and ended in (OK, REJECTED)]
        assert finals in ([], [len(steps) - 1])
        # A route that may have charged for a failure is never called again.
        burnt: set[str] = set()
        for route, ended in sends:
            assert route.id not in burnt
            if not ended.unbilled:
                burnt.add(route.id)
        # The same route is called again only after a wait, and only if that can be of use.
        calls = [(at, *step[1:]) for at, step in enumerate(steps) if step[0] == "send"]
        for (first, before, ended), (second, after, _) in pairwise(calls):
            if before is after:
                assert "wait" in [kind for kind, *_ in steps[first:second]]
                assert ended not in (ABSENT, KEY_REFUSED)
        _holds_money_for_every_send(steps)
    assert runs > 50_000


def _holds_money_for_every_send(steps: list[Step]) -> None:
    """Admission holds for the first route; a hop moves that to another route, and a refused hop gives it up."""
    held: Route | None = steps[0][1]
    for kind, route, answer in steps:
        if kind == "reserve":
            held = route if answer is True else None
        elif kind == "send":
            assert held is route, "sent without a reservation"


def test_all_routes_are_in_the_ranking_and_each_is_left_at_most_once() -> None:
    for routes, _, steps, _ in every_run():
        order = [route.id for route, _ in sends_of(steps)]
        assert set(order) <= {route.id for route in routes}
        left = [before for before, after in pairwise(order) if before != after]
        assert len(left) == len(set(left))


def walk(
    routes: list[Route],
    *outcomes: Ended,
    grants: tuple[bool, ...] = (True,),
    limits: AttemptLimits | None = None,
    has_time: bool = True,
) -> list[str]:
    """The run as words: the route for a send, `+` or `-` and the route for a reservation granted or refused.

    A wait is `~`, and `!` if there was no time for it.
    """
    names = {A.id: "A", A2.id: "A2", B.id: "B"}
    steps, _ = drive(routes, limits or AttemptLimits(), outcomes, grants, has_time)
    words = {("send", True): "", ("reserve", True): "+", ("reserve", False): "-"}
    return [
        ("~" if answer else "!") if kind == "wait" else words[kind, bool(answer)] + names[route.id]
        for kind, route, answer in steps
    ]


STORIES: list[tuple[str, list[Route], tuple[Ended, ...], tuple[bool, ...], list[str]]] = [
    ("the first route answers", [A, B], (OK,), (True,), ["A"]),
    ("the request is refused", [A, B], (REJECTED,), (True,), ["A"]),
    ("what never arrived is sent again", [A, B], (CONNECT, OK), (True,), ["A", "~", "A"]),
    ("a host that stays down is left", [A, B], (CONNECT, CONNECT, OK), (True,), ["A", "~", "A", "+B", "B"]),
    ("and so are the other routes of that provider", [A, A2, B], (CONNECT,), (True,), ["A", "~", "A", "+B", "B"]),
    ("unless there are no others", [A, A2], (CONNECT, CONNECT, OK), (True,), ["A", "~", "A", "+A2", "A2"]),
    ("a refused key says nothing of another provider", [A, A2, B], (KEY_REFUSED, OK), (True,), ["A", "+B", "B"]),
    ("an overloaded pool is left for the next pool", [A, A2, B], (STATUS, OK), (True,), ["A", "+A2", "A2"]),
    ("a broken answer is not asked for twice", [A], (BROKEN, OK), (True,), ["A"]),
    ("nor a malformed one", [A], (MALFORMED, OK), (True,), ["A"]),
    ("nor one that never came", [A], (TIMEOUT, OK), (True,), ["A"]),
    ("but another route may be", [A, B], (BROKEN, OK), (True,), ["A", "+B", "B"]),
    ("alone, an overloaded route is asked again", [A], (STATUS, OK), (True,), ["A", "~", "A"]),
    ("a refused key is not tried again", [A], (KEY_REFUSED, OK), (True,), ["A"]),
    ("a hop that is too dear is not made", [A, B], (BROKEN,), (False,), ["A", "-B"]),
    ("what was given up is reserved again first", [A, B], (STATUS, OK), (False, True), ["A", "-B", "~", "+A", "A"]),
    ("a provider that wants a moment gets it", [A], (SHORTLY, OK), (True,), ["A", "~", "A"]),
    ("one that wants more is not asked again", [A], (LATER, OK), (True,), ["A"]),
    ("nor one that has no such model", [A], (ABSENT, OK), (True,), ["A"]),
    ("another route is asked at once all the same", [A, B], (LATER, OK), (True,), ["A", "+B", "B"]),
    ("or not sent at all", [A, B], (STATUS, OK), (False, False), ["A", "-B", "~", "-A"]),
]


@pytest.mark.parametrize(
    ("routes", "outcomes", "grants", "words"), [s[1:] for s in STORIES], ids=[s[0] for s in STORIES]
)
def test_the_stories(
    routes: list[Route], outcomes: tuple[Ended, ...], grants: tuple[bool, ...], words: list[str]
) -> None:
    assert walk(routes, *outcomes, grants=grants) == words


def test_without_retries_and_fallbacks_one_attempt_is_all() -> None:
    for outcome in OUTCOMES:
        assert walk([A, A2, B], outcome, limits=AttemptLimits(0, 0)) == ["A"]


HURRIES = [
    ("a hop needs no wait", [A, B], (CONNECT, OK), ["A", "!", "+B", "B"]),
    ("nothing is tried once more", [A], (STATUS, OK), ["A", "!"]),
    ("and nothing is asked of what never arrived either", [A], (CONNECT, OK), ["A", "!"]),
]


@pytest.mark.parametrize(("routes", "outcomes", "words"), [h[1:] for h in HURRIES], ids=[h[0] for h in HURRIES])
def test_without_time_to_wait(routes: list[Route], outcomes: tuple[Ended, ...], words: list[str]) -> None:
    assert walk(routes, *outcomes, has_time=False) == words


def test_every_retry_waits_for_longer() -> None:
    flow = attempt_flow([A], AttemptLimits(max_retries=3))
    seen: list[Send | Reserve | Wait] = [next(flow)]
    while sum(isinstance(step, Send) for step in seen) < 4:
        seen.append(flow.send(SHORTLY if isinstance(seen[-1], Send) else True))
    with pytest.raises(StopIteration):
        flow.send(SHORTLY)
    assert seen == [Send(A), *[step for retry in range(3) for step in (Wait(retry, 5_000_000), Send(A))]]


def test_a_request_for_a_reservation_is_answered_with_yes_or_no() -> None:
    flow = attempt_flow([A, B], AttemptLimits())
    assert next(flow) == Send(A)
    assert flow.send(BROKEN) == Reserve(B, unbilled=False)
    with pytest.raises(StopIteration) as stop:
        flow.send(False)
    assert stop.value.value == BROKEN
