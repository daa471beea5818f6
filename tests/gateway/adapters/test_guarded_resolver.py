"""Names of tenants' URLs: a connection is made to the address that was checked, and to no other."""

from __future__ import annotations

import socket

import httpx
import pytest

from gateway.adapters.connection_pool import Address, Resolver
from gateway.adapters.guarded_resolver import GuardedResolver
from gateway.adapters.provider_transport import ProviderTransport
from worker.ports import NotSent


class Names:
    """A resolver that says what it is told, another thing each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[Address]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in self.answers.pop(0)]


async def test_public_addresses_are_handed_on() -> None:
    found = await GuardedResolver(Names(["8.8.8.8", "1.1.1.1"]))("example.com", 443)
    assert [address[4] for address in found] == [("8.8.8.8", 443), ("1.1.1.1", 443)]


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["fe80::1%eth0"]])
async def test_a_name_with_another_address_is_refused(addresses: list[str]) -> None:
    with pytest.raises(OSError, match=r"example\.com"):
        await GuardedResolver(Names(addresses))("example.com", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3"])
async def test_an_address_of_our_own_network_is_refused_without_a_look_up(host: str) -> None:
    with pytest.raises(OSError, match="public"):
        await GuardedResolver(Resolver(60))(host, 443)


async def test_a_name_that_changes_its_mind_does_not_get_a_private_connection() -> None:
    # First a public address, then this machine: a connection asks once, and this is the answer it gets.
    names = Names(["127.0.0.1"])
    transport = ProviderTransport(resolve=GuardedResolver(names))
    with pytest.raises(NotSent):
        await transport.handle_async_request(httpx.Request("GET", "http://rebinding.example.com/"))
    assert names.answers == []
    await transport.aclose()
