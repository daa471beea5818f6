"""A file of pools, as it is read."""

from __future__ import annotations

from gateway.simulator.platform.neighbours import Neighbour
from gateway.simulator.platform.settings import PlatformSettings, read_setup
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.parameters import Parameters, PoolSpec
from tests.gateway.simulator.platform.platform_kit import world

FILE = """{
  "pools": [{"id": 5, "name": "mine", "gpus": 1, "sharing_ratio": 2, "quantum_us": 10000000}],
  "neighbours": [{"team": "other", "pool": 5, "per_hour": 60}],
  "parameters": {"provision_median_us": 1000000},
  "server": {"allocated_mb": 30000, "batch": 8},
  "models": ["a-model"],
  "spare_gpus": 1
}"""


async def test_a_file_makes_a_platform() -> None:
    found = read_setup(FILE)
    assert found == {
        "pools": (PoolSpec(5, "mine", 1, 2, 10_000_000),),
        "neighbours": (Neighbour("other", 5, 60),),
        "parameters": Parameters(provision_median_us=1_000_000),
        "server": Server(allocated_mb=30_000, batch=8),
        "models": ("a-model",),
        "spare_gpus": 1,
    }
    async with world(**found) as w:
        (pool,) = (await w.get("/gpuaas/available-pools")).json()
        assert (pool["id"], pool["available_vgpus"]) == (5, 1)
        assert (await w.client.get(f"{await w.exposed(await w.subscribed(5))}/v1/models")).json()["data"][0]["id"] == (
            "a-model"
        )


def test_pools_of_ones_own_have_no_neighbours_but_ones_own() -> None:
    assert read_setup('{"pools": [{"id": 1, "name": "a"}]}')["neighbours"] == ()
    assert "secret" not in repr(PlatformSettings())
