"""Resolves names of tenants' URLs for aiohttp: what it hands out was checked, and is what aiohttp connects to.

aiohttp asks no resolver for a host that is an address, so the URL itself must have passed `check_url` before.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from worker.guard.urls import UrlRefused, choose_address


class GuardedResolver(AbstractResolver):
    """Asks another resolver, and refuses a name as soon as one of its addresses is not public."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises: OSError, which aiohttp reports as a failed connection."""
        found = await self._resolver.resolve(host, port, family)
        try:
            choose_address(one["host"] for one in found)
        except UrlRefused as problem:
            raise OSError(None, f"{host}: {problem.message}") from problem
        return found

    async def close(self) -> None:
        await self._resolver.close()
