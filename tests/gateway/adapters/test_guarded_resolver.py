"""Names of tenants' URLs: aiohttp connects to the address that was checked, and to no other."""

from __future__ import annotations

import socket
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.adapters.guarded_resolver import GuardedResolver


class Names(AbstractResolver):
    """A resolver that says what it is told, another thing each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        self.answers = []


async def test_public_addresses_are_handed_on() -> None:
    resolver = GuardedResolver(Names(["8.8.8.8", "1.1.1.1"]))
    assert [one["host"] for one in await resolver.resolve("example.com", 443)] == ["8.8.8.8", "1.1.1.1"]
    await resolver.close()


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["fe80::1%eth0"]])
async def test_a_name_with_another_address_is_refused(addresses: list[str]) -> None:
    with pytest.raises(OSError, match=r"example\.com"):
        await GuardedResolver(Names(addresses)).resolve("example.com", 443)


async def test_a_name_that_changes_its_mind_does_not_get_a_private_connection() -> None:
    # First a public address, then this machine: aiohttp asks once for a connection, and this is the answer it gets.
    names = Names(["127.0.0.1"])
    make: Callable[[], aiohttp.TCPConnector] = lambda: aiohttp.TCPConnector(  # noqa: E731
        resolver=GuardedResolver(names), use_dns_cache=False
    )
    async with aiohttp.ClientSession(connector=make()) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://rebinding.example.com/")
    assert names.answers == []
