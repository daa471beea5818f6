"""Over HTTP: what an answer tells of its pool decides where the next request goes, and can be looked up and proven."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator.pace import Pacer
from gateway.simulator.request import JsonObject
from tests.worker.api.application_kit import Application, application, ask
from tests.worker.decision_kit import hasher
from worker.canon.certificate import verify_certificate

BUSY = "mode=temporal;quantum_ms=30000;switch_ms=1500;neighbours=3;busy_ppm=900000"
CALM = "mode=temporal;quantum_ms=30000;switch_ms=1500;turn_ms=900;neighbours=3;busy_ppm=20000"
SHARED = "simulator/llama-3.1-8b-instruct@shared-4x"


class Telling:
    """Pools that answer at once, and say of themselves what they are told to say."""

    def __init__(self, said: str) -> None:
        self.said = said

    def at(self, pool: str | None) -> Pacer | None:
        return None

    def tells(self, pool: str | None) -> str:
        return self.said if pool == "shared-4x" else ""

    def overview(self) -> list[JsonObject]:
        return []


async def served_by(harness: Application, **fields: Any) -> str:
    answer = await harness.client.post("/chat/completions", json=ask(**fields))
    assert answer.status_code == 200, answer.text
    await harness.none_open()
    return answer.headers["x-harpoon-route"]


async def explained(harness: Application, **fields: Any) -> dict[str, Any]:
    answer = await harness.client.post("http://localhost/v2/route", json=ask(**fields))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shared(found: dict[str, Any]) -> dict[str, Any]:
    (candidate,) = [one for one in found["candidates"] if one["route"] == SHARED]
    return candidate


@pytest.mark.parametrize("stream", [False, True])
async def test_a_pool_that_says_it_is_busy_loses_the_next_request(stream: bool) -> None:
    async with application(pacing=Telling(BUSY), HARPOON_SIMULATOR="on") as harness:
        assert await served_by(harness, stream=stream) == SHARED
        assert (await served_by(harness, stream=stream)).endswith("@private-1x")
        found = await explained(harness)
        assert shared(found)["verdict"] == "admitted"
        assert shared(found)["pool_wait"]["neighbours"] == 3
        assert shared(found)["estimate_sources"]["ttv_us"]["source"] == "pool"
        assert shared(found)["difference"]["time_us"] > 60_000_000
        assert "pool_wait" not in next(one for one in found["candidates"] if one["route"].endswith("@private-1x"))


async def test_a_pool_that_says_nothing_keeps_them() -> None:
    async with application(pacing=Telling(""), HARPOON_SIMULATOR="on") as harness:
        assert [await served_by(harness) for _ in range(3)] == [SHARED] * 3
        assert "pool_wait" not in shared(await explained(harness))
    async with application(pacing=Telling("mode=temporal;busy"), HARPOON_SIMULATOR="on") as harness:
        assert [await served_by(harness) for _ in range(3)] == [SHARED] * 3


async def test_a_deadline_that_holds_on_average_alone_is_said_to_be_in_danger() -> None:
    async with application(pacing=Telling(CALM), HARPOON_SIMULATOR="on") as harness:
        assert await served_by(harness) == SHARED
        hurried = await explained(harness, covenant="30s timeout")
        assert shared(hurried)["denials"] == []
        assert shared(hurried)["pool_wait"]["may_be_late"]
        assert shared(hurried)["pool_wait"]["worst_ttv_us"] > 30_000_000 > shared(hurried)["ttv_us"]
        patient = await explained(harness, covenant="within 5 minutes")
        assert not shared(patient)["pool_wait"]["may_be_late"]


async def test_a_decision_that_rests_on_a_reading_shows_and_proves_it() -> None:
    async with application(pacing=Telling(BUSY), HARPOON_SIMULATOR="on") as harness:
        await served_by(harness)
        answer = await harness.client.post("/chat/completions", json=ask())
        name = answer.headers["x-harpoon-decision-id"]
        decision = (await harness.client.get(f"/decisions/{name}")).json()
        assert decision["inputs"]["pools"][SHARED] == "temporal 30000000 1500000 30000000 3 900000"
        certificate = (await harness.client.get(f"/decisions/{name}/certificate")).json()
        verify_certificate(certificate, hasher())
        assert certificate["decision_digest"] == decision["decision_digest"]
