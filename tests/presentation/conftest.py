"""The pages on both of their hosts, before a provider that the tests play, and a reader in headless Chromium.

Playwright's own event loop lives as long as a module's tests: beyond that it would be in the way of asynchronous ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.edge.harness import EdgeWorker
from tests.kernel_build import built_kernel
from tests.presentation.payloads import PAYLOADS
from tests.presentation.sites import FAILURE_BOUND_MS, TOKEN, Reader, Site, launch, reading
from tests.presentation.talker import Talker, talking
from tests.serving import Serving, free_port, serving


@pytest.fixture(scope="session")
def talker() -> Iterator[Talker]:
    """The provider in the place of OpenAI."""
    with talking(PAYLOADS) as server:
        yield server


def settings_of(talker: Talker) -> dict[str, str]:
    """Both hosts: the simulator as on the first day, the played provider, and one where nobody listens."""
    return {
        "HARPOON_SIMULATOR": "on",
        "OPENAI_BASE_URL": talker.url,
        "GROQ_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "HARPOON_MAX_RETRIES": "0",
        "HARPOON_ESTIMATES": "catalogue",
    }


@pytest.fixture(scope="session")
def gateway(talker: Talker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The gateway as a newcomer runs it: to this machine alone, without a token."""
    built_kernel()
    settings = {**settings_of(talker), "HARPOON_SIMULATOR_SPEED": "1000"}
    with serving(tmp_path_factory.mktemp("pages") / "state", **settings) as server:
        yield server


@pytest.fixture(scope="session")
def worker(gateway: Serving, talker: Talker) -> Iterator[EdgeWorker]:
    """The real Worker, which asks for a token."""
    variables = {**settings_of(talker), "HARPOON_TOKENS": TOKEN, "GATEWAY_URL": gateway.base}
    with EdgeWorker(label="shown", variables=variables) as running:
        yield running


@pytest.fixture(scope="session", params=["gateway", "worker"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each host in turn."""
    if request.param == "gateway":
        server: Serving = request.getfixturevalue("gateway")
        return Site("gateway", server.base)
    running: EdgeWorker = request.getfixturevalue("worker")
    return Site("worker", running.url, TOKEN)


@pytest.fixture(scope="session")
def gateway_site(gateway: Serving) -> Site:
    """The gateway alone, for what doesn't depend on the host."""
    return Site("gateway", gateway.base)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=FAILURE_BOUND_MS)
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()


Read = Callable[..., Reader]


@pytest.fixture
def read(browser: Browser) -> Iterator[Read]:
    """Open a reader of a site; at the end nothing may have gone wrong in it that the test did not allow."""
    contexts: list[Any] = []

    def start(site: Site, **options: Any) -> Reader:
        opened = reading(browser, site, **options)
        contexts.append(opened)
        reader = opened.__enter__()
        return reader

    yield start
    for opened in contexts:
        opened.__exit__(None, None, None)
