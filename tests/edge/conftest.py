"""The Workers that the edge tests talk to, one for each configuration, and the gateway beside them.

Tools that can't be installed fail the tests, with what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.harness import EdgeWorker, free_port
from tests.edge.hosts import PROOF_MODULES, held_settings, settings, shared_settings
from tests.serving import serving

HERE = Path(__file__).resolve().parent
PRODUCT_ENTRY = HERE.parents[1] / "worker" / "entry.py"


@pytest.fixture(scope="session")
def proof_worker() -> Iterator[EdgeWorker]:
    """The Worker of proof_entry.py; its variable PROOF is `a b:c`."""
    with EdgeWorker(
        HERE / "proof_entry.py", added=PROOF_MODULES, label="proof", variables={"PROOF": "a b:c"}
    ) as worker:
        yield worker


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a `harpoon serve` whose simulator answers for every provider of both hosts."""
    state = tmp_path_factory.mktemp("gateway") / "state"
    with serving(state, **shared_settings("http://simulator.internal/v1")) as server:
        yield server.base


@pytest.fixture(scope="session")
def product_worker(gateway: str) -> Iterator[EdgeWorker]:
    """The product's Worker, told the same as the gateway."""
    variables = {**shared_settings(f"{gateway}/simulator/v1"), "GATEWAY_URL": gateway}
    with EdgeWorker(label="product", variables=variables) as worker:
        yield worker


@pytest.fixture(scope="session")
def plain_worker(gateway: str) -> Iterator[EdgeWorker]:
    """The product's Worker as it is deployed first: one token, and nothing but the gateway's simulator to ask."""
    variables = {**settings(["plain"], {}), "GATEWAY_URL": gateway}
    with EdgeWorker(label="plain", variables=variables) as worker:
        yield worker


@pytest.fixture(scope="session")
def upstream_port() -> int:
    """Where the tests' own upstream listens, when one does."""
    return free_port()


@pytest.fixture(scope="session")
def audited_worker(upstream_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeWorker]:
    """The product's Worker, audited in every transaction, with the upstream at `upstream_port` as its only provider."""
    product = tmp_path_factory.mktemp("entry") / "product_entry.py"
    shutil.copy(PRODUCT_ENTRY, product)
    variables = held_settings(f"http://127.0.0.1:{upstream_port}/v1")
    entry = HERE / "audit_entry.py"
    with EdgeWorker(entry, added=[product], label="audited", variables=variables) as worker:
        yield worker
