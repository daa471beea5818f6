"""A `harpoon serve` of its own process before a provider on a real socket, and what each client saw of the two."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import setup_clients
from tests.clients.provider import Provider, providing
from tests.serving import Serving, environment, serving

HERE = Path(__file__).parent
#: Each client is a tenant, so that what became of its requests can be told from the others'.
TENANTS = ("python", "node", "litellm", "tensorzero")
DRIVER_TIMEOUT_S = 300
#: What a client's script saw, by the name of its act.
Seen = Mapping[str, Any]


def token_of(tenant: str) -> str:
    return f"hk_{tenant}_s3cret"


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The only provider there is, in the place of OpenAI."""
    with providing() as server:
        yield server


@pytest.fixture(scope="session")
def harpoon(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """It neither retries nor falls back by itself: whatever is tried again here was tried again by the client."""
    settings = {
        "HARPOON_TOKENS": ",".join(map(token_of, TENANTS)),
        "HARPOON_MAX_RETRIES": "0",
        "HARPOON_MAX_FALLBACKS": "0",
        "OPENAI_API_KEY": "sk-of-the-operator",
        "OPENAI_BASE_URL": provider.url,
    }
    with serving(tmp_path_factory.mktemp("clients") / "state", **settings) as server:
        yield server


@pytest.fixture(scope="session")
def clients() -> setup_clients.Clients:
    return setup_clients.ensure()


@pytest.fixture(scope="session")
def drive(harpoon: Serving, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, list[str]], Seen]:
    """Run a client's script as its tenant; what it saw. It is told where to go by its environment alone."""

    def run(tenant: str, command: list[str]) -> Seen:
        told = {"HARPOON_V1": f"{harpoon.base}/v1", "HARPOON_CLIENT_TOKEN": token_of(tenant)}
        done = subprocess.run(
            command,
            env={**environment(), **told},
            cwd=tmp_path_factory.mktemp(tenant),
            capture_output=True,
            timeout=DRIVER_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        # A client may log on the same output after what it tells.
        lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
        seen: Seen = json.loads(lines[-1])
        return seen

    return run


@pytest.fixture
def decisions(harpoon: Serving) -> Callable[[str, str], list[dict[str, Any]]]:
    """A tenant's decisions on a request, as it would look them up by the request id that it was told."""

    def look(tenant: str, request_id: str = "") -> list[dict[str, Any]]:
        answer = httpx.get(
            f"{harpoon.base}/v1/decisions",
            params={"limit": "100", **({"request_id": request_id} if request_id else {})},
            headers={"authorization": f"Bearer {token_of(tenant)}"},
            trust_env=False,
        )
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    return look
