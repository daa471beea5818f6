"""The dashboard's API in real workerd: login, what is captured, one event of it, logging out."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.edge.conftest import PRODUCT_ENTRY
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import FAILURE_BOUND_S, settings, token

LOGIN = {"user": "ops", "password": "right horse battery"}


@pytest.fixture(scope="module")
def worker() -> Iterator[EdgeWorker]:
    variables = {
        **settings(["acme"], {}),
        "SCR_DASHBOARD_USER": LOGIN["user"],
        "SCR_DASHBOARD_PASSWORD": LOGIN["password"],
        "SCR_PARTITIONS": "2",
    }
    with EdgeWorker(PRODUCT_ENTRY, label="dashboard", variables=variables) as found:
        yield found


def test_from_login_to_logout(worker: EdgeWorker) -> None:
    with httpx.Client(base_url=worker.url, timeout=FAILURE_BOUND_S) as client:
        for path in ("/dashboard/data", "/dashboard/events/evt_0"):
            assert client.get(path).json()["error"]["code"] == "login_required"
        assert client.post("/dashboard/login", json={**LOGIN, "password": "wrong"}).status_code == 401
        answer = client.post("/dashboard/login", json=LOGIN)
        assert answer.status_code == 200, answer.text
        assert answer.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict")
        events = [{"event_id": f"evt_{at}", "session_id": f"s{at}", "usage": {"total_tokens": at}} for at in range(5)]
        reporting = {"authorization": f"Bearer {token('acme')}"}
        assert client.post("/api/session-completion/events", json=events, headers=reporting).status_code == 200
        answer = client.get("/dashboard/data")
        assert answer.status_code == 200, worker.read_log()[-2_000:]
        seen = answer.json()
        assert sorted(one["session_id"] for one in seen["recent"]) == ["s0", "s1", "s2", "s3", "s4"]
        assert (seen["access"], sum(seen["per_minute"]), seen["figures"]["events_captured"]) == ("login", 5, 5)
        found = client.get("/dashboard/events/evt_3", params={"tenant": "acme"}).json()
        assert (found["event"]["usage"]["total_tokens"], found["tenant"]) == (3, "acme")
        letter = {"destination": "billing", "event_id": "evt_3", "tenant": "acme"}
        assert client.post("/dashboard/replay", json=letter).json() == {"replayed": 0}
        client.post("/dashboard/logout", json={})
        assert client.get("/dashboard/data").status_code == 401
