"""What stands around chat: models, prices, pools, metrics, tiers; and what is said where nothing stands."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.probe.answers import answers_of
from gateway.probe.endpoint import Endpoint
from gateway.probe.limits import Limits, Price, assumed_price
from gateway.probe.run import Found, NothingThere, Plan, price_of, worst_case_usd_micros
from tests.gateway.probe.probe_kit import Answering, Asked, Model, probed, verdicts


def answer(found: Found, word: str) -> tuple[str, str]:
    return next((one.short, one.because) for one in answers_of(found) if word in one.question)


async def test_where_nothing_is_told_nothing_is_concluded() -> None:
    found = await probed(Model())
    for word in ("prices", "tier", "pools", "rate limits", "load do"):
        assert answer(found, word)[0] == "not seen"
    assert answer(found, "about use") == ("partly", "token counts in answers, an id for each request")


async def test_models_prices_pools_metrics_and_limits_are_found() -> None:
    listed = {
        "object": "list",
        "data": [
            {"id": "m", "object": "model", "created": 1, "owned_by": "vllm",
             "pricing": {"prompt": "0.0000005", "completion": "1.5e-06"}},
            {"id": "free", "object": "model", "created": 1, "owned_by": "vllm"},
        ],
    }  # fmt: skip
    pages: dict[str, Any] = {
        "/metrics": (200, b"# TYPE vllm:num_requests_running gauge\n"),
        "/health": (200, b""),
        "/api/gpuaas/available-pools": (200, b"[]"),
    }
    model = Model(listed=listed, pages=pages, headers={"x_ratelimit_limit_requests": "60", "x_gpu_pool": "shared-4x"})
    found = await probed(model)
    assert found.surface is not None
    assert found.surface.kind == "vLLM"
    assert found.surface.prices == {"m": Price(500_000, 1_500_000, "listed by GET /models")}
    assert answer(found, "Which models") == ("2 listed", "asked: m; answered: m")
    assert answer(found, "prices")[0] == "yes"
    assert answer(found, "pools")[0] == "yes"
    assert answer(found, "rate limits") == ("yes", "x-ratelimit-limit-requests: 60")
    assert "/metrics for Prometheus" in answer(found, "about use")[1]
    assert found.chat is not None
    assert found.chat.routing_headers == {"x-gpu-pool": "shared-4x"}


async def test_a_list_of_models_in_another_form_is_read_and_told() -> None:
    found = await probed(Model(listed={"data": [{"id": "m"}, {"id": "m"}, {"id": "\x1b[2J"}, {"id": 7}, "x"]}))
    assert found.models == ("m",)
    assert found.surface is not None
    assert "object is missing, not list" in found.surface.listing_faults
    assert verdicts(found)["models.list"] == "broken"
    assert verdicts(found)["models.one"] == "holds"


async def test_v1_is_found_behind_a_bare_address() -> None:
    from gateway.adapters.provider_transport import ProviderTransport
    from gateway.probe.surface import find_base
    from tests.gateway.probe.probe_kit import LockstepClock, serving

    clock, transport = LockstepClock(), ProviderTransport()
    async with serving(Model(), clock) as base:
        found, listing = await find_base(Endpoint(base.removesuffix("/v1"), "", transport, clock, 1_000_000))
        assert (found.base, listing.status) == (base, 200)
        await transport.aclose()


async def test_without_models_one_has_to_be_named() -> None:
    with pytest.raises(NothingThere, match="--model"):
        await probed(Model(listed={"object": "list", "data": []}))
    found = await probed(Model(listed={"object": "list", "data": []}), Plan(models=("m",), warm=1, most=1))
    assert found.firsts[0].is_ok


class Tiered(Model):
    """Honours service_tier."""

    def answer_to(self, body: dict[str, Any]) -> dict[str, Any]:
        told = {"service_tier": body["service_tier"]} if "service_tier" in body else {}
        return {**super().answer_to(body), **told}


async def test_a_tier_that_a_request_chooses_is_seen() -> None:
    assert answer(await probed(Tiered()), "tier") == ("yes", "by service_tier (flex; priority): flex; priority")


class Routed(Model):
    """Tells the pool that a covenant led to, as Harpoon does."""

    async def __call__(self, asked: Asked, answering: Answering) -> None:
        private = asked.headers.get("x-harpoon-covenant") == "high security"
        self.headers = {"x_harpoon_route": f"hosted-ai/m@{'private-1x' if private else 'shared-8x'}"}
        await super().__call__(asked, answering)


async def test_a_pool_that_a_covenant_chooses_is_seen() -> None:
    short, because = answer(await probed(Routed()), "tier")
    assert short == "yes"
    assert because.endswith("hosted-ai/m@private-1x; hosted-ai/m@shared-8x")


async def test_what_says_that_it_is_simulated_is_called_so_and_costs_nothing() -> None:
    found = await probed(Model(headers={"x_harpoon_simulated": "1"}), price=Price(10**9, 10**9, "as given"))
    assert found.is_simulated
    assert found.chat is not None
    assert found.chat.simulated > 0
    assert found.chat.spending.cost_usd_micros == 0


async def test_a_price_is_the_given_one_else_none_else_the_listed_else_assumed() -> None:
    plain = await probed(Model())
    assert price_of(plain, Price(1, 2, "as given"), assumed_price()).output == 2
    assert price_of(plain, None, assumed_price()) == assumed_price()
    pages: dict[str, Any] = {"/health": (200, {"simulated": True})}
    simulated = await probed(Model(pages=pages))
    assert price_of(simulated, None, assumed_price()).input == 0


def test_the_estimate_beforehand_grows_with_the_plan_and_ends_at_the_limits() -> None:
    price = Price(1_000_000, 1_000_000, "as given")
    small = worst_case_usd_micros(Plan(warm=1, most=1), Limits(), 1, price)
    large = worst_case_usd_micros(Plan(warm=50, most=8), Limits(), 1, price)
    assert small < large <= 2 * Limits().tokens
    assert worst_case_usd_micros(Plan(), Limits(), 1, Price(0, 0, "nothing")) == 0
    # What is done by default stays below the default bound at the assumed price.
    assert worst_case_usd_micros(Plan(), Limits(), 1, assumed_price()) < Limits().cost_usd_micros
