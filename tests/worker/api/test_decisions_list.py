"""GET /v1/decisions: the tenant's decisions, newest first, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.api.application_kit import Application, application, ask


async def listed(harpoon: Application, query: str = "", **headers: str) -> dict[str, Any]:
    answer = await harpoon.client.get(f"decisions{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert page["object"] == "list"
    return page


async def test_pages_hold_every_decision_once_newest_first(harpoon: Application) -> None:
    made = []
    for number in range(7):
        covenant = {"residency": ["US"]} if number == 3 else {}
        answer = await harpoon.client.post("chat/completions", json=ask(covenant=covenant))
        made.insert(0, answer.headers["x-harpoon-decision-id"])
    await harpoon.none_open()
    assert [one["id"] for one in (await listed(harpoon))["data"]] == made
    for size in (1, 2, 3, 6, 7, 8):
        seen: list[dict[str, Any]] = []
        more = True
        while more:
            before = f"&before={seen[-1]['id']}" if seen else ""
            page = await listed(harpoon, f"?limit={size}{before}")
            seen += page["data"]
            more = page["has_more"]
            assert len(page["data"]) == size or not more
        assert [one["id"] for one in seen] == made
    for one in seen:
        assert one == (await harpoon.client.get(f"decisions/{one['id']}")).json()
    assert [one["state"] for one in seen].count("denied") == 1


async def test_the_decision_of_a_request(harpoon: Application) -> None:
    answers = [await harpoon.client.post("chat/completions", json=ask()) for _ in range(3)]
    wanted = answers[1].headers["x-request-id"]
    page = await listed(harpoon, f"?request_id={wanted}")
    assert [one["id"] for one in page["data"]] == [answers[1].headers["x-harpoon-decision-id"]]
    assert not page["has_more"]
    assert (await listed(harpoon, "?request_id=req_00"))["data"] == []


async def test_an_empty_list(harpoon: Application) -> None:
    assert await listed(harpoon) == {"object": "list", "data": [], "has_more": False}


async def test_a_tenant_sees_its_own() -> None:
    tokens = {name: f"Bearer hk_{name}_secret" for name in ("alpha", "beta")}
    async with application(HARPOON_TOKENS="hk_alpha_secret,hk_beta_secret") as harpoon:
        made = {}
        for name, token in tokens.items():
            answer = await harpoon.client.post("chat/completions", json=ask(), headers={"authorization": token})
            made[name] = answer.headers
        for name, token in tokens.items():
            page = await listed(harpoon, authorization=token)
            assert [one["id"] for one in page["data"]] == [made[name]["x-harpoon-decision-id"]]
        other = await listed(harpoon, f"?request_id={made['beta']['x-request-id']}", authorization=tokens["alpha"])
        assert other["data"] == []
        assert (await harpoon.client.get("decisions")).status_code == 401


BAD = [
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=", "limit"),
    ("limit=1.0", "limit"),
    ("limit=-1", "limit"),
    ("limit=%D9%A3", "limit"),
    ("limit=" + "1" * 20, "limit"),
    ("limit=1&limit=2", "limit"),
    ("before=", "before"),
    ("before=req_1", "before"),
    ("before=dec_%00", "before"),
    ("before=dec_" + "0" * 70, "before"),
    ("request_id=dec_1", "request_id"),
    ("offset=3", "offset"),
    ("%FF=1", None),
    ("&".join(f"a{number}=1" for number in range(40)), None),
]


@pytest.mark.parametrize(("query", "param"), BAD)
async def test_what_can_not_be_read(harpoon: Application, query: str, param: str | None) -> None:
    answer = await harpoon.client.get(f"decisions?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
