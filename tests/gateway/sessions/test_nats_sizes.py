"""NATS for real: an event that is too long for the server or for the stream holds up no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.adapters.host import SystemClock
from gateway.sessions.nats_stream import NatsSettings, NatsStream
from tests.contracts.debian_servers import Nats
from worker.sessions.destination import Failed, Fate, Outcome, Shaped

MAX_PAYLOAD = 1_048_576


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    with Nats() as found:
        yield found


def event(number: int, size: int) -> Shaped:
    return Shaped(f"evt_{number}", "t" * 63, f"s{number}", 0, "", "x" * size)


def is_permanent(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and outcome.is_permanent


@pytest.mark.parametrize("size", [MAX_PAYLOAD + 1, MAX_PAYLOAD, MAX_PAYLOAD - 100, MAX_PAYLOAD - 511])
async def test_what_is_too_long_for_the_server_is_given_up_alone(server: Nats, size: int) -> None:
    destination = NatsStream(NatsSettings(server.url, "sizes", "sizes", timeout_s=5), SystemClock())
    found = await destination.deliver([event(size, size), event(size + 1, MAX_PAYLOAD - 512)])
    assert is_permanent(found[0])
    assert found[1] is Fate.DELIVERED
    await destination.close()


async def test_what_is_too_long_for_the_stream_is_given_up_alone(server: Nats) -> None:
    import nats

    client = await nats.connect(server.url)
    await client.jetstream().add_stream(name="short", subjects=["short"], max_msg_size=1_000)
    await client.close()
    destination = NatsStream(NatsSettings(server.url, "short", "short", timeout_s=5), SystemClock())
    found = await destination.deliver([event(1, 2_000), event(2, 100)])
    assert is_permanent(found[0])
    assert found[1] is Fate.DELIVERED
    await destination.close()
