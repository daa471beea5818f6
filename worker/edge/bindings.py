"""Names and reaches what wrangler.toml binds to the Worker.

It decides how a tenant's Durable Object is addressed and called: one object per tenant, named after it; requests and
answers are JSON text, the only thing that crosses an object's boundary.
"""

from __future__ import annotations

from typing import Any

from pyodide.ffi import JsException

from worker.errors import StateError


def read_variable(env: Any, name: str, default: str = "") -> str:
    """A variable or secret of wrangler.toml, or `default` when it isn't set."""
    value = getattr(raw_environment(env), name, None)
    return value if isinstance(value, str) else default


def raw_environment(env: Any) -> Any:
    """The JS environment behind the SDK's wrapper, which converts every argument and result."""
    return getattr(env, "_env", env)


def raw_storage(ctx: Any) -> Any:
    """The JS storage of a Durable Object behind the SDK's wrappers, which would convert every value."""
    return getattr(ctx, "_ctx", ctx).storage


class MediatorStub:
    """A tenant's mediator in its Durable Object. Every method takes and returns JSON text. Raises: StateError."""

    def __init__(self, env: Any, tenant: str) -> None:
        self._stub = raw_environment(env).MEDIATOR.getByName(tenant)

    async def admit(self, json_text: str) -> str:
        return await self._call("admit", json_text)

    async def advance(self, json_text: str) -> str:
        return await self._call("advance", json_text)

    async def settle(self, json_text: str) -> str:
        return await self._call("settle", json_text)

    async def awaited(self, json_text: str) -> str:
        return await self._call("awaited", json_text)

    async def read(self, json_text: str) -> str:
        return await self._call("read", json_text)

    async def certificate(self, json_text: str) -> str:
        return await self._call("certificate", json_text)

    async def create_covenant(self, json_text: str) -> str:
        return await self._call("create_covenant", json_text)

    async def read_covenant(self, json_text: str) -> str:
        return await self._call("read_covenant", json_text)

    async def list_covenants(self, json_text: str) -> str:
        return await self._call("list_covenants", json_text)

    async def explain(self, json_text: str) -> str:
        return await self._call("explain", json_text)

    async def decisions(self, json_text: str) -> str:
        return await self._call("decisions", json_text)

    async def follow(self, json_text: str) -> str:
        return await self._call("follow", json_text)

    async def observations(self, json_text: str) -> str:
        return await self._call("observations", json_text)

    async def authorise(self, json_text: str) -> str:
        return await self._call("authorise", json_text)

    async def administer(self, json_text: str) -> str:
        return await self._call("administer", json_text)

    async def canon(self, json_text: str) -> str:
        return await self._call("canon", json_text)

    async def ledger(self, json_text: str) -> str:
        return await self._call("ledger", json_text)

    async def sessions(self, json_text: str) -> str:
        return await self._call("sessions", json_text)

    async def _call(self, method: str, json_text: str) -> str:
        try:
            answer = await getattr(self._stub, method)(json_text)
        except JsException as exc:
            raise StateError(f"the tenant's state object failed in {method}") from exc
        if not isinstance(answer, str):
            raise StateError(f"the tenant's state object gave no text for {method}")
        return answer
