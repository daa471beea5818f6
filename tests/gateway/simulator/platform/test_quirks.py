"""Each quirk, on and off: a table of what a client sees, and that none of them disturbs another."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from gateway.simulator.platform.quirks import (
    NAMES,
    Dice,
    QuirkError,
    Quirks,
    in_service,
    only,
    quirk_notes,
    quirks_from_text,
)
from tests.gateway.simulator.platform.platform_kit import SECOND, TEAM, World, world

PERIOD = "2026-01-01T00:00/2026-01-02T00:00"


async def subscribe(w: World, pool: int = 2) -> tuple[int, bytes, int]:
    began = w.now_us
    answer = await w.post("/gpuaas/pool/subscribe", pool_id=pool, vgpus=1)
    return answer.status_code, answer.content, (w.now_us - began) // SECOND


async def empty_subscribe(w: World) -> bool:
    status, body, _ = await subscribe(w)
    assert status == 200
    assert w.platform.held_by(TEAM, 2) is not None
    return body == b""


async def slow_subscribe(w: World) -> bool:
    status, _, seconds = await subscribe(w)
    assert status == 200
    return seconds >= 16


async def late_rows(w: World) -> bool:
    await subscribe(w)
    shown = await w.rows()
    w.wait(21)
    assert len(await w.rows()) == 1
    return not shown


async def resubscribe_409(w: World) -> bool:
    await subscribe(w)
    status, body, _ = await subscribe(w)
    if status == 200:
        assert json.loads(body) == {"subscription_id": 7}
    return status == 409


async def stuck_unsubscribing(w: World) -> bool:
    await subscribe(w)
    hold = w.platform.held_by(TEAM, 2)
    assert hold is not None
    await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=2)
    w.wait(300)
    is_stuck = bool(await w.rows())
    w.wait(601)
    assert await w.rows() == []
    return is_stuck


async def pod_failures(w: World) -> bool:
    await subscribe(w)
    w.wait(599)
    await w.rows()
    w.wait(600)
    (row,) = await w.rows()
    assert row["status"] == "subscribed"
    return bool(row["pods"][0]["pod_status"] == "Failed")


async def pending_pods(w: World) -> bool:
    await subscribe(w)
    w.wait(599)
    statuses = [row["pods"][0]["pod_status"] for row in await w.rows()]
    w.wait(5)
    assert len(await w.rows()) == (statuses != ["Pending"])
    return statuses == ["Pending"]


async def leaking_rows(w: World) -> bool:
    await subscribe(w)
    teams = {row["team_id"] for row in await w.rows()}
    assert TEAM in teams
    return len(teams) > 1


async def ids_as_strings(w: World) -> bool:
    _, body, _ = await subscribe(w)
    return isinstance(json.loads(body)["subscription_id"], str)


async def numbers_as_strings(w: World) -> bool:
    await subscribe(w)
    bill = (await w.get(f"/team-billing/summary/{TEAM}/{PERIOD}")).json()
    assert str(bill["total_cost"]) == "0.0825"
    return isinstance(bill["total_cost"], str)


async def list_shapes(w: World) -> bool:
    shapes = set()
    for _ in range(30):
        value = (await w.get("/gpuaas/pool-subscription")).json()
        shapes.add("bare" if isinstance(value, list) else "items" if "items" in value else "data")
    assert "items" in shapes
    return shapes == {"bare", "items", "data"}


async def empty_lists(w: World) -> bool:
    bodies = {(await w.get("/gpuaas/connection-info")).content for _ in range(12)}
    assert bodies <= {b"", b"null", b"[]"}
    return bodies == {b"", b"null"}


async def error_in_200(w: World) -> bool:
    for pool in (1, 2, 3):
        w.platform.bar(TEAM, pool)
    answer = await w.get("/gpuaas/available-pools")
    assert answer.json()["code"] == 12370004
    return answer.status_code == 200


async def odd_statuses(w: World) -> bool:
    for pool in (2, 3):
        w.platform.bar(TEAM, pool)
    statuses = {(await subscribe(w, pool))[0] for pool in (2, 3) for _ in range(8)}
    return statuses != {500}


async def error_shapes(w: World) -> bool:
    bodies = [(await subscribe(w, 99))[1] for _ in range(12)]
    plain = [body for body in bodies if not body.startswith(b"{")]
    short = [body for body in bodies if body.startswith(b'{"error"')]
    return bool(plain and short)


async def slow_available_pools(w: World) -> bool:
    began = w.now_us
    await w.get("/gpuaas/available-pools")
    return w.now_us - began >= 15 * SECOND


async def expose_and_stop(w: World) -> bytes:
    hold = await w.subscribed()
    body = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id, "pod_action": "stop"}
    answer = await w.post("/pods/action", **body)
    assert answer.status_code == 200
    assert (await w.rows())[0]["pods"][0]["pod_status"] == "stopped"
    return answer.content


async def empty_success(w: World) -> bool:
    return await expose_and_stop(w) == b""


async def plain_ok(w: World) -> bool:
    return await expose_and_stop(w) == b"OK"


async def bare_string_ids(w: World) -> bool:
    options = {"pool_id": 2, "vgpus": 1}
    value = (await w.post("/service/i/create-instance", name="mine", pod_opts=options)).json()
    identity = value if isinstance(value, str) else value["id"]
    assert identity.startswith("i-")
    return isinstance(value, str)


async def silent_admin_delete(w: World) -> bool:
    admin = await w.signed_in()
    uuids = [uuid for uuid, pool in w.platform.cards.items() if pool == 1]
    await w.client.post("/gpuaas/pool/1/remove_gpus", json={"gpu_uuids": uuids}, headers=admin)
    answer = await w.client.delete("/gpuaas/pool/1/delete", headers=admin)
    assert (answer.status_code, answer.content) == (200, b"")
    return (await w.client.get("/gpuaas/pool/1", headers=admin)).status_code == 200


async def slot_rows(w: World) -> bool:
    pool = (await w.client.get("/gpuaas/pool/2", headers=await w.signed_in())).json()
    return len(pool["gpus"]) == 2 * pool["sharing_ratio"]


async def wrong_404(w: World) -> bool:
    options = {"pool_id": 2, "vgpus": 1}
    identity = (await w.post("/service/i/create-instance", name="mine", pod_opts=options)).json()["id"]
    return (await w.get(f"/instance/{identity}")).status_code == 404


async def field_names(w: World) -> bool:
    return "id" in (await w.get("/gpuaas/all-pools")).json()[0]


async def status_words(w: World) -> bool:
    await w.subscribed()
    words = {(await w.rows())[0]["status"] for _ in range(12)}
    return words == {"active", "running"}


async def misleading_401(w: World) -> bool:
    answer = await w.client.get("/gpuaas/all-pools", headers={"x-api-key": "wrong"})
    assert answer.status_code == 401
    return answer.json() == {"error": "missing Authorization header"}


async def busy_503(w: World) -> bool:
    answer = await w.get("/gpuaas/all-pools")
    return (answer.status_code, answer.headers["content-type"]) == (503, "text/plain")


LOOKS: dict[str, Callable[[World], Awaitable[bool]]] = {
    look.__name__: look
    for look in (
        empty_subscribe, slow_subscribe, late_rows, resubscribe_409, stuck_unsubscribing, pod_failures, pending_pods,
        leaking_rows, ids_as_strings, numbers_as_strings, list_shapes, empty_lists, error_in_200, odd_statuses,
        error_shapes, slow_available_pools, empty_success, plain_ok, bare_string_ids, silent_admin_delete, slot_rows,
        wrong_404, field_names, status_words, misleading_401, busy_503,
    )
}  # fmt: skip


def test_every_quirk_is_looked_at() -> None:
    assert set(LOOKS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_a_quirk_shows_when_it_is_on_and_only_then(name: str) -> None:
    async with world(name) as w:
        assert await LOOKS[name](w)
    async with world() as w:
        assert not await LOOKS[name](w)


def test_quirks_are_read_from_text_and_nonsense_is_refused() -> None:
    assert quirks_from_text("none") == Quirks()
    assert quirks_from_text("all") == in_service()
    assert quirks_from_text("leaking_rows, slow_subscribe=30") == Quirks(leaking_rows=100, slow_subscribe=30)
    for wrong in ("", "rows", "leaking_rows=x", "leaking_rows=101", "leaking_rows=-1", "all,none", "leaking_rows="):
        with pytest.raises(QuirkError):
            quirks_from_text(wrong)
    with pytest.raises(QuirkError):
        Quirks(leaking_rows=True)
    assert [name for name, *_ in quirk_notes()] == list(NAMES)


def test_one_quirk_more_changes_nothing_about_the_others() -> None:
    one, both = Dice(only("late_rows", percent=40), 5), Dice(only("late_rows", "plain_ok", percent=40), 5)
    seen = []
    for _ in range(200):
        both.shows("plain_ok")
        seen.append((one.shows("late_rows"), both.shows("late_rows")))
    assert all(first == second for first, second in seen)
    assert 50 < sum([first for first, _ in seen]) < 110


async def test_with_every_quirk_at_once_the_panel_still_answers() -> None:
    async with world(*NAMES) as w:
        for name in ("wrong_404", "busy_503"):
            object.__setattr__(w.platform.dice.quirks, name, 0)
        assert (await w.post("/gpuaas/pool/subscribe", pool_id=2, vgpus=1)).status_code == 200
        for _ in range(20):
            assert (await w.get("/gpuaas/pool-subscription")).status_code == 200
