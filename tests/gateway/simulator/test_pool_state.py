"""What the simulator's answers say of their pool: of the demo pools always, of a pod only where that is asked for."""

from __future__ import annotations

import json

import pytest

from gateway.simulator.demo_pools import NEIGHBOURS, DemoPools
from gateway.simulator.platform.clock import VirtualClock
from tests.gateway.simulator.platform.platform_kit import chat, world
from tests.gateway.simulator.simulator_kit import chat_body, make_simulator
from worker.routing.pool_readings import HEADER, parse_told
from worker.routing.pool_waits import SPATIAL, TEMPORAL, waits_us


def test_the_demo_pools_tell_of_their_teams() -> None:
    pools = DemoPools(VirtualClock())
    private, four, eight = (parse_told(pools.tells(name)) for name in ("private-1x", "shared-4x", "shared-8x"))
    assert private is not None
    assert four is not None
    assert eight is not None
    assert (private.neighbours, private.busy_ppm) == (0, 0)
    assert waits_us(private, 10**6) == (0, 0)
    assert (four.mode, four.neighbours) == (SPATIAL, 2)
    assert (eight.mode, eight.neighbours, eight.quantum_us) == (TEMPORAL, 4, 2_000_000)
    for reading, least, most in ((four, 100_000, 450_000), (eight, 80_000, 450_000)):
        assert least < reading.busy_ppm < most
    assert 500_000 < eight.turn_us < 2_000_000  # half a second of it is the hold
    assert [pools.tells(name) for name in (None, "", "shared-9x")] == ["", "", ""]


def test_pools_without_teams_say_so_and_a_faster_clock_shortens_turns() -> None:
    idle = parse_told(DemoPools(VirtualClock(), neighbours=()).tells("shared-8x"))
    assert idle is not None
    assert (idle.neighbours, idle.busy_ppm) == (0, 0)
    fast = parse_told(DemoPools(VirtualClock(), neighbours=NEIGHBOURS, speed=10).tells("shared-8x"))
    assert fast is not None
    assert fast.quantum_us == 200_000


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_a_pool_has_the_header_and_one_of_none_has_not(stream: bool) -> None:
    clock = VirtualClock(jumps=True)
    simulator = make_simulator(pacing=DemoPools(clock))
    body = json.dumps(chat_body("Hello", stream=stream)).encode()
    for pool in ("shared-4x", None):
        reply = await simulator.reply("POST", "/v1/chat/completions", {"x-harpoon-pool": pool}.get, body)
        assert reply.status == 200
        assert (HEADER in dict(reply.headers)) == (pool is not None)
        if reply.events is not None:
            await reply.events.aclose()


@pytest.mark.parametrize("tells", [True, False])
async def test_a_pod_tells_only_where_that_is_asked_for_as_no_real_one_does(tells: bool) -> None:
    async with world(tells_pool_state=tells) as w:
        hold = await w.subscribed(pool=2)
        base = await w.exposed(hold)
        answer = await w.client.post(f"{base}/v1/chat/completions", json=chat())
        assert answer.status_code == 200
        assert (HEADER in answer.headers) == tells
        if tells:
            reading = parse_told(answer.headers[HEADER])
            assert reading is not None
            assert reading.mode == SPATIAL
            assert reading.neighbours == len(hold.subscription.cards[0].tenants) - 1
