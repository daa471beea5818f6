"""Resolves the hosts of tenants' URLs: what it hands out was checked, and is what a connection is made to."""

from __future__ import annotations

from gateway.adapters.connection_pool import Address, Resolve
from worker.guard.urls import UrlRefused, choose_address


class GuardedResolver:
    """A `Resolve` that asks another one, and refuses a host as soon as one of its addresses is not public."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def __call__(self, host: str, port: int) -> list[Address]:
        """The addresses of a host. Raises: OSError, which the transport reports as a failed connection."""
        found = await self._resolve(host, port)
        try:
            choose_address(address[4][0] for address in found)
        except UrlRefused as problem:
            raise OSError(None, f"{host}: {problem.message}") from problem
        return found
