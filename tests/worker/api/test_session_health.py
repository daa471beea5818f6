"""What /health says of sessions, and that the description of it knows all of that."""

from __future__ import annotations

from typing import Any

from tests.worker.api.application_kit import Application, application
from tests.worker.api.test_openapi import check_answer


async def health(scr: Application) -> dict[str, Any]:
    whole = (await scr.client.get("http://localhost/openapi.json")).json()
    answer = await scr.client.get("http://localhost/health")
    check_answer(whole, "GET", "/health", answer)
    found: dict[str, Any] = answer.json()
    return found


async def test_health_tells_of_routes_that_are_refused_and_of_a_spool_that_takes_nothing() -> None:
    async with application(HARPOON_SURFACES="sessions") as scr:
        assert (await health(scr))["status"] == "healthy"
        scr.services.session_metrics.routes_problem = "routes.yaml:1:1: it names a file of this machine"
        found = await health(scr)
        assert (found["status"], found["routes_refused"]) == ("degraded", True)
        assert "routes.yaml" not in str(found)
    async with application(HARPOON_SURFACES="sessions") as scr:
        scr.services.spool.problem = "the spool's file was removed"  # type: ignore[union-attr]
        found = await health(scr)
        assert (found["status"], found["destinations_reachable"]) == ("unhealthy", None)
        body = '{"session_id": "s", "usage": {"total_tokens": 1}}'
        answer = await scr.client.post("http://localhost/api/session-completion/events", content=body)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
