"""The pilot: three models in turn, 100 requests, then 1,000; its targets beside what was measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gateway.probe.chat import Timed
from gateway.probe.limits import Limits, Price
from gateway.probe.pilot import LIMITS, PHASES, goals_of, task_of
from gateway.probe.prompts import MIXTURE
from gateway.probe.run import Plan, pilot_plan
from gateway.probe.sections import sections_of
from tests.gateway.probe.probe_kit import Answering, Asked, Model, chunk, event, probed, refused

SMALL = Plan(models=("a", "b", "c"), warm=0, most=1, phases=(6, 30))
ROOM = Limits(requests=500, tokens=10**6, seconds=10**6)


def timed(total_us: int, *, failure: str = "", cost: int = 10) -> Timed:
    return Timed("m", 0, 1, total_us, (1, 2), 100, 50, failure, 200, "", False, cost)


async def test_phases_follow_each_other_over_the_models_in_turn() -> None:
    found = await probed(Model(models=("a", "b", "c", "d")), SMALL, limits=ROOM)
    assert found.pilot is not None
    assert [len(phase.timed) for phase in found.pilot.phases] == [6, 30]
    assert Counter(one.model for one in found.pilot.timed) == {"a": 12, "b": 12, "c": 12}
    titles = [section.title for section in sections_of(found, ("openai/gpt-4o", 1, 1))]
    assert titles[:3] == ["Open questions", "Pilot: targets", "Pilot: by model"]


async def test_of_models_that_are_listed_the_first_three_that_chat_are_taken() -> None:
    class Mixed(Model):
        def problem(self, asked: Asked) -> tuple[int, object] | None:
            embeds = b"embedder" in asked.body
            return (400, refused("it only embeds", "bad_model")) if embeds else super().problem(asked)

    plan = Plan(warm=0, most=1, phases=(3,))
    found = await probed(Mixed(models=("auto", "a", "embedder", "b", "c", "d", "e", "f")), plan, limits=ROOM)
    assert found.pilot is not None
    assert found.pilot.models == ("a", "b", "c")
    assert [one.model for one in found.firsts] == ["a", "embedder", "b", "c"]


async def test_the_second_phase_is_left_out_after_a_bad_first() -> None:
    @dataclass
    class Failing(Model):
        count: int = 0

        async def stream(self, asked: Asked, answer: Answering) -> None:
            self.count += 1
            if self.count > 6:
                await answer.whole(503, refused("overloaded", "overloaded"))
                return
            await answer.begin()
            await answer.piece(event(chunk("w")) + self.done)
            await answer.end()

    found = await probed(Failing(models=("a", "b", "c")), SMALL, limits=ROOM)
    assert found.pilot is not None
    assert [len(phase.timed) for phase in found.pilot.phases] == [6]
    assert found.pilot.left_out == "only 1 of the first 6 requests were answered"


def test_the_plan_is_the_products_pilot() -> None:
    plan = pilot_plan((), 8)
    assert plan.phases == PHASES == (100, 1_000)
    assert LIMITS.requests >= sum(PHASES) + 30
    tasks = [task_of(("a", "b", "c"), number) for number in range(sum(PHASES))]
    assert len({text for _, text in tasks}) == len(tasks)
    assert {text.split(". ", 1)[1] for _, text in tasks} == {prompt.text for prompt in MIXTURE}
    assert len(MIXTURE) == 24  # as docs/probe.md says
    # Every model gets every prompt.
    assert len({(model, text.split(". ", 1)[1]) for model, text in tasks}) == 3 * len(MIXTURE)


def test_the_tokens_suffice_for_the_pilots_longest_prompts() -> None:
    longest = max(len(prompt.text) for prompt in MIXTURE)
    assert longest < 600


def test_a_target_is_met_missed_or_not_judged() -> None:
    few = goals_of([timed(400_000)] * 20, None, is_priced=False)
    assert [(goal.name, goal.verdict) for goal in few] == [
        ("success rate", "not enough data"),
        ("average latency", "not enough data"),
    ]
    good = goals_of([timed(400_000)] * 1_000, (10_000_000, 10_000_000), is_priced=True)
    assert [goal.verdict for goal in good] == ["met", "met", "met"]
    assert good[0].measured.low == 996_317
    bad = goals_of([timed(1_400_000)] * 990 + [timed(1, failure="HTTP 500")] * 10, (1, 1), is_priced=True)
    assert [goal.verdict for goal in bad] == ["not met", "not met", "not enough data"]


async def test_a_saving_is_worked_out_only_from_prices_that_were_told() -> None:
    found = await probed(Model(models=("a", "b", "c")), SMALL, limits=ROOM, price=Price(1, 1, "assumed", is_told=False))
    section = next(one for one in sections_of(found, ("openai/gpt-4o", 1, 1)) if one.title == "Pilot: targets")
    assert section.table is not None
    assert [row[0] for row in section.table.rows] == ["success rate", "average latency"]
    assert "nobody told a price" in section.sentences[-1]
