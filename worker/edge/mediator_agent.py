"""The Durable Object that holds one tenant's state, and what it hands to the mediator inside it.

It decides nothing about budgets or ledgers: it builds the ports over the object's storage, lets the composition root's
`build` make the mediator from them, and forwards each call. An object is one thread; the mediator lives as long as the
runtime keeps the object in memory, so everything that must last goes through the database.
"""

from __future__ import annotations

from typing import Protocol

from worker.edge.built_object import BuiltObject, ObjectHost

__all__ = ["MediatorObject", "ObjectHost", "TextMediator"]


class TextMediator(Protocol):
    """What lives in the object. Every call takes and returns JSON text."""

    async def admit(self, json_text: str) -> str: ...

    async def advance(self, json_text: str) -> str: ...

    async def settle(self, json_text: str) -> str: ...

    async def awaited(self, json_text: str) -> str: ...

    async def read(self, json_text: str) -> str: ...

    async def certificate(self, json_text: str) -> str: ...

    async def create_covenant(self, json_text: str) -> str: ...

    async def read_covenant(self, json_text: str) -> str: ...

    async def list_covenants(self, json_text: str) -> str: ...

    async def explain(self, json_text: str) -> str: ...

    async def decisions(self, json_text: str) -> str: ...

    async def follow(self, json_text: str) -> str: ...

    async def observations(self, json_text: str) -> str: ...

    async def authorise(self, json_text: str) -> str: ...

    async def administer(self, json_text: str) -> str: ...

    async def canon(self, json_text: str) -> str: ...

    async def ledger(self, json_text: str) -> str: ...

    async def sessions(self, json_text: str) -> str: ...

    async def alarm(self) -> None: ...


class MediatorObject(BuiltObject):
    """Base of `MediatorAgent`: a subclass in the entry module sets `build`."""

    @staticmethod
    async def build(host: ObjectHost) -> TextMediator:
        """Make the mediator of one object; called before its first call, and again if it failed."""
        raise NotImplementedError("the entry module's MediatorAgent sets `build`")

    async def admit(self, json_text: str) -> str:
        return await (await self._ready()).admit(json_text)

    async def advance(self, json_text: str) -> str:
        return await (await self._ready()).advance(json_text)

    async def settle(self, json_text: str) -> str:
        return await (await self._ready()).settle(json_text)

    async def awaited(self, json_text: str) -> str:
        return await (await self._ready()).awaited(json_text)

    async def read(self, json_text: str) -> str:
        return await (await self._ready()).read(json_text)

    async def certificate(self, json_text: str) -> str:
        return await (await self._ready()).certificate(json_text)

    async def create_covenant(self, json_text: str) -> str:
        return await (await self._ready()).create_covenant(json_text)

    async def read_covenant(self, json_text: str) -> str:
        return await (await self._ready()).read_covenant(json_text)

    async def list_covenants(self, json_text: str) -> str:
        return await (await self._ready()).list_covenants(json_text)

    async def explain(self, json_text: str) -> str:
        return await (await self._ready()).explain(json_text)

    async def decisions(self, json_text: str) -> str:
        return await (await self._ready()).decisions(json_text)

    async def follow(self, json_text: str) -> str:
        return await (await self._ready()).follow(json_text)

    async def observations(self, json_text: str) -> str:
        return await (await self._ready()).observations(json_text)

    async def authorise(self, json_text: str) -> str:
        return await (await self._ready()).authorise(json_text)

    async def administer(self, json_text: str) -> str:
        return await (await self._ready()).administer(json_text)

    async def canon(self, json_text: str) -> str:
        return await (await self._ready()).canon(json_text)

    async def ledger(self, json_text: str) -> str:
        return await (await self._ready()).ledger(json_text)

    async def sessions(self, json_text: str) -> str:
        return await (await self._ready()).sessions(json_text)
