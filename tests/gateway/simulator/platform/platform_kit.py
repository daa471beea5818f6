"""A platform on a real socket in virtual time, with a client that knows the way through it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.simulator.platform.app import PlatformApp, create_platform
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.quirks import Quirks, only
from gateway.simulator.platform.records import Hold
from gateway.simulator.platform.server import PlatformServer
from gateway.simulator.platform.settings import DEFAULT_KEY, DEFAULT_TEAM, PlatformSettings

SECOND = 1_000_000
TEAM = DEFAULT_TEAM
MODEL = "llama-3.1-8b-instruct"
ADMIN = {"username": "admin", "password": "sim-admin-not-a-secret"}


@dataclass(slots=True)
class World:
    """A platform, its server and a client of the user panel."""

    app: PlatformApp
    server: PlatformServer
    client: httpx.AsyncClient

    @property
    def platform(self) -> Platform:
        return self.app.platform

    @property
    def now_us(self) -> int:
        """The platform's time now."""
        self.platform.pump.catch_up()
        return self.platform.now_us

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params={"team_id": TEAM, **query})

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.post(path, json={"team_id": TEAM, **body})

    async def subscribed(self, pool: int = 2, **body: Any) -> Hold:
        """A subscription whose pod serves."""
        answer = await self.post("/gpuaas/pool/subscribe", pool_id=pool, vgpus=1, **body)
        assert answer.status_code == 200, answer.text
        hold = self.platform.held_by(TEAM, pool)
        assert hold is not None
        self.wait(700)
        return hold

    async def exposed(self, hold: Hold) -> str:
        """The root URL of a hold's pod."""
        body = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id, "port": 8000}
        answer = await self.post(
            "/pods/expose-service", **body, service_name="vllm", protocol="TCP", service_type="http"
        )
        assert answer.status_code == 200, answer.text
        found = self.platform.exposures_of(hold)[0]
        return f"http://127.0.0.1:{found.node_port}"

    async def rows(self) -> list[dict[str, Any]]:
        """The team's subscriptions as the panel lists them."""
        found: list[dict[str, Any]] = (await self.get("/gpuaas/pool-subscription")).json()["items"]
        return found

    async def signed_in(self) -> dict[str, str]:
        """Headers of an admin."""
        token = (await self.client.post("/login", json=ADMIN)).json()["token"]
        return {"authorization": f"Bearer {token}"}

    def wait(self, seconds: int) -> None:
        self.platform.clock.advance(seconds * SECOND)  # type: ignore[attr-defined]
        self.platform.pump.catch_up()


@contextlib.asynccontextmanager
async def world(*quirks: str, **changes: Any) -> AsyncIterator[World]:
    """A running platform with those quirks always on and no others. Args: changes: of PlatformSettings."""
    shown = only(*quirks) if quirks else Quirks()
    settings = PlatformSettings(**{"quirks": shown, **changes})
    async with (
        PlatformServer(create_platform(settings)) as server,
        httpx.AsyncClient(base_url=f"{server.url}/api", headers={"x-api-key": DEFAULT_KEY}, trust_env=False) as client,
    ):
        yield World(server.app, server, client)


def chat(text: str = "What is a vGPU?", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}
