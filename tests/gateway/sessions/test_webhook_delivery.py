"""Webhooks over real sockets: what each answer means, how keys change over, where none is sent."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.adapters.connection_pool import Resolver
from gateway.adapters.guarded_resolver import GuardedResolver
from gateway.adapters.host import SystemClock
from gateway.adapters.provider_transport import ProviderTransport
from tests.contracts.webhook_receiver import Receiver
from worker.sessions.destination import Failed, Fate, Outcome, Shaped
from worker.sessions.destinations.webhook import Webhook, WebhookSettings
from worker.sessions.webhook import WebhookSecret

SECOND = 1_000_000
OLD = "whsec_" + b64encode(b"the secret that goes, 32 bytes..").decode()
NEW = "whsec_" + b64encode(b"the secret that comes, 32 bytes.").decode()
Answer = Callable[[str, int], tuple[int, dict[str, str]]]


def event(number: int, key: str = "") -> Shaped:
    text = f'{{"event_id":"evt_{number}","timestamp":"2026-01-01T00:00:00Z"}}'
    return Shaped(f"evt_{number}", "acme", key or f"s{number}", 0, "", text)


@asynccontextmanager
async def hooked(
    answer: Answer | None = None, secrets: tuple[str, ...] = (OLD,), timeout_us: int = 5 * SECOND
) -> AsyncIterator[tuple[Webhook, Receiver]]:
    transport = ProviderTransport()
    with Receiver(secrets[0], answer) as receiver:
        signing = tuple([WebhookSecret.from_text(one) for one in secrets])
        yield Webhook(WebhookSettings(receiver.url, signing, timeout_us=timeout_us), transport, SystemClock()), receiver
        await transport.aclose()


async def outcome_of(status: int, headers: dict[str, str] | None = None) -> Outcome:
    async with hooked(lambda name, tries: (status, headers or {})) as (hook, _):
        return (await hook.deliver([event(1)]))[0]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_two_hundred_and_its_like_are_the_only_yes(status: int) -> None:
    assert await outcome_of(status) is Fate.DELIVERED


@pytest.mark.parametrize("status", [400, 402, 406, 409, 413, 415, 422, 451])
async def test_what_says_that_the_event_is_not_wanted_is_permanent(status: int) -> None:
    assert await outcome_of(status) == Failed(f"it answered {status}", is_permanent=True)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407])
async def test_a_wrong_key_or_address_is_no_events_fault(status: int) -> None:
    assert await outcome_of(status) == Failed(f"it answered {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504])
async def test_everything_else_is_tried_again_and_no_redirect_is_followed(status: int) -> None:
    assert await outcome_of(status, {"location": "http://127.0.0.1:1/"}) == Failed(f"it answered {status}")


async def test_retry_after_is_honoured_and_of_a_busy_receiver_it_holds_for_all() -> None:
    assert await outcome_of(500, {"retry-after": "7"}) == Failed("it answered 500", 7 * SECOND)
    assert await outcome_of(429, {"retry-after": "7"}) == Failed("it answered 429", 7 * SECOND, is_down=True)
    assert await outcome_of(503, {"retry-after": "soon"}) == Failed("it answered 503")
    assert await outcome_of(500, {"retry-after": "999999999"}) == Failed("it answered 500", 86_400 * SECOND)


async def test_gone_switches_the_destination_off() -> None:
    found = await outcome_of(410)
    assert isinstance(found, Failed)
    assert found.is_gone
    assert not found.is_permanent


async def test_an_event_that_fails_holds_back_its_key_and_no_other() -> None:
    def answer(name: str, tries: int) -> tuple[int, dict[str, str]]:
        return (500, {}) if name == "acme:evt_1" else (204, {})

    async with hooked(answer) as (hook, receiver):
        batch = [event(1, "a"), event(2, "a"), event(3, "b"), event(4, "b")]
        found = await hook.deliver(batch)
        assert list(found) == [Failed("it answered 500"), Fate.NOT_TRIED, Fate.DELIVERED, Fate.DELIVERED]
        assert [one.id for one in receiver.received] == ["acme:evt_3", "acme:evt_4"]


async def test_a_receiver_that_takes_nothing_is_not_shown_all_of_a_batch() -> None:
    async with hooked(lambda name, tries: (500, {})) as (hook, receiver):
        found = await hook.deliver([event(number) for number in range(50)])
        tried = sum(isinstance(one, Failed) for one in found)
        assert 3 <= tried <= 3 + 8
        assert len(receiver.tries) == tried


async def test_while_a_key_is_replaced_whoever_knows_either_is_content() -> None:
    for known in (OLD, NEW):
        both = (known, OLD if known == NEW else NEW)
        async with hooked(secrets=both) as (hook, receiver):
            assert list(await hook.deliver([event(1)])) == [Fate.DELIVERED]
            assert len(receiver.received[0].headers["webhook-signature"].split(" ")) == 2


async def test_every_attempt_carries_the_same_id_and_a_signature_of_its_own_time() -> None:
    async with hooked(lambda name, tries: (500 if tries == 1 else 204, {})) as (hook, receiver):
        assert isinstance((await hook.deliver([event(1)]))[0], Failed)
        assert list(await hook.deliver([event(1)])) == [Fate.DELIVERED]
        assert receiver.tries == {"acme:evt_1": 2}
        assert receiver.refused == 0


async def test_a_receiver_that_never_answers_is_given_up_on() -> None:
    transport = ProviderTransport()
    with Receiver(OLD) as receiver:
        receiver.take = lambda headers, body: _never()  # type: ignore[method-assign]
        settings = WebhookSettings(receiver.url, (WebhookSecret.from_text(OLD),), timeout_us=200_000)
        (found,) = await Webhook(settings, transport, SystemClock()).deliver([event(1)])
        assert found == Failed("no answer within 200 ms")
        await transport.aclose()


@pytest.mark.parametrize("ending", ["hangs", "breaks"])
async def test_a_yes_counts_whatever_becomes_of_the_connection_after_it(ending: str) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnever all of it")
        await writer.drain()
        if ending == "hangs":
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = ProviderTransport()
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    settings = WebhookSettings(address, (WebhookSecret.from_text(OLD),), timeout_us=300_000)
    assert list(await Webhook(settings, transport, SystemClock()).deliver([event(1)])) == [Fate.DELIVERED]
    over.set()
    await transport.aclose()
    server.close()


def _never() -> tuple[int, dict[str, str]]:
    import time

    time.sleep(1)
    return 204, {}


async def test_no_webhook_is_sent_into_the_own_network() -> None:
    with Receiver(OLD) as receiver:
        transport = ProviderTransport(resolve=GuardedResolver(Resolver(60)))
        settings = WebhookSettings(receiver.url.replace("127.0.0.1", "localhost"), (WebhookSecret.from_text(OLD),))
        (found,) = await Webhook(settings, transport, SystemClock()).deliver([event(1)])
        assert isinstance(found, Failed)
        assert found.is_down
        assert receiver.tries == {}
        await transport.aclose()


def test_no_secret_shows() -> None:
    settings = WebhookSettings(
        "https://example.com/", (WebhookSecret.from_text(OLD),), headers={"authorization": "hush"}
    )
    assert "hush" not in repr(settings)
    assert "secret" not in repr(settings)
