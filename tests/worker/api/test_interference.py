"""/api/canon/non-interference: the seventh code over HTTP, by a commitment, by a decision, and by one action."""

from __future__ import annotations

from tests.worker.api.application_kit import Application, application, ask
from tests.worker.api.test_canon import ACTION, AGENTS, DECIDE, ITEMS, WHY_NOT, Caller
from tests.worker.canon.store_kit import DENIED, candidate, new_item, problem
from tests.worker.decision_kit import hasher
from worker.canon.certificate import verify_certificate
from worker.canon.codes import DENIAL_REASON_CODES, NON_INTERFERENCE_VIOLATION


async def test_the_seventh_code_is_reached_where_agents_share_something(harpoon: Application) -> None:
    me = Caller(harpoon)
    assert DENIED.keys() | {NON_INTERFERENCE_VIOLATION} == set(DENIAL_REASON_CODES)
    await me.raise_to_canon(new_item("gpu", kind="table", content={"resource": {"capacity": 1}}))
    work = {"id": "work", "work_us": 1_000, "uses": {"gpu": 1}}
    assert (await me.post(AGENTS, {"agentId": "victim", "action": work}))["committed"] is True
    denied = await me.post(AGENTS, {"agentId": "second", "action": work}, "k-1")
    assert await me.post(AGENTS, {"agentId": "second", "action": work}, "k-1") == denied
    assert (denied["outcome"], denied["denialTrace"]["codes"]) == ("DENY", [NON_INTERFERENCE_VIOLATION])
    found = await me.post(DECIDE, {**problem(candidate("a", resources=["gpu"]), candidate("b")), "agentId": "second"})
    assert (found["selected"], [one["reason_codes"] for one in found["denied"]]) == (
        "b",
        [[NON_INTERFERENCE_VIOLATION]],
    )
    verify_certificate(found["certificate"], hasher())
    digest = (await me.get(f"{ITEMS}/gpu"))["item"]["content_hash"]
    asked = {**ACTION, "intent": {"proposedAction": "deploy", "target": "gpu"}, "canonRefs": [f"gpu@{digest}"]}
    alone = await me.post(DECIDE, asked)
    assert (alone["outcome"], alone["denialTrace"]["failedInvariant"]) == ("DENY", "INV_NON_INTERFERENCE")
    assert alone["denialTrace"]["codes"] == [NON_INTERFERENCE_VIOLATION]
    assert (await me.post(DECIDE, {**asked, "agentId": "victim"}))["outcome"] == "ALLOW"
    kinds = [one["kind"] for one in (await me.get(WHY_NOT, tenantId="local"))["data"]]
    assert kinds == ["DECIDE", "DECIDE", "NON_INTERFERENCE"]
    assert (await me.get("/api/ledger/verify"))["ok"] is True
    assert [one["agentId"] for one in (await me.get(AGENTS))["commitments"]] == ["victim"]
    await me.get(AGENTS, 400, who="me")


async def test_a_model_request_goes_elsewhere_where_the_pool_is_full_of_others() -> None:
    tokens = [f"hk_{tenant}_0123456789abcdef" for tenant in ("acme", "other")]
    async with application(HARPOON_TOKENS=",".join(tokens)) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=bearer(tokens[0]))
        route = answer.headers["x-harpoon-route"]
    provider, pool = route.partition("/")[0], route.rpartition("@")[2]
    settings = {"HARPOON_TOKENS": ",".join(tokens), "HARPOON_POOL_CAPACITY": f"{provider}@{pool}=1"}
    async with application(**settings) as harpoon:
        for _ in range(2):
            answer = await harpoon.client.post("/chat/completions", json=ask(), headers=bearer(tokens[0]))
            assert answer.headers["x-harpoon-route"] == route
        # As if the last one were still being answered.
        await harpoon.rows("UPDATE decision SET expires_us = 9000000000000000")
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=bearer(tokens[1]))
        assert (answer.status_code, answer.headers["x-harpoon-route"] != route) == (200, True), answer.text
        name = answer.headers["x-harpoon-decision-id"]
        shown = (await harpoon.client.get(f"http://localhost/v1/decisions/{name}", headers=bearer(tokens[1]))).json()
        (denied,) = [one for one in shown["candidates"] if one["route"] == route]
        assert [denial["reason_code"] for denial in denied["denials"]] == [NON_INTERFERENCE_VIOLATION]
        told = await harpoon.client.get(f"http://localhost/v1/decisions/{name}/certificate", headers=bearer(tokens[1]))
        verify_certificate(told.json(), hasher())


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
