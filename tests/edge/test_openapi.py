"""The description holds for the real Worker too."""

from __future__ import annotations

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import FAILURE_BOUND_S, token
from tests.openapi_fuzz import BASE, fuzz
from tests.worker.sessions.session_kit import SHORT

#: Of every operation: what differs between the hosts differs in nearly every answer.
EXAMPLES_EACH = 8


def test_nothing_that_is_sent_meets_an_answer_that_is_not_described(plain_worker: EdgeWorker) -> None:
    headers = {"authorization": f"Bearer {token('plain')}"}
    with httpx.Client(base_url=plain_worker.url, headers=headers, timeout=FAILURE_BOUND_S) as client:

        def send(method: str, url: str, given: dict[bytes, bytes], content: bytes) -> httpx.Response:
            own = {name: text for name, text in given.items() if name.lower() != b"authorization"}
            return client.request(method, plain_worker.url + url.removeprefix(BASE), headers=own, content=content)

        document = client.get("/openapi.json").json()
        covenant = client.post("/v2/covenant", json={"title": "Known"}).json()["covenant_id"]
        decision = client.post("/run", json={"text": "Hi"}).json()["decision_id"]
        event = client.post("/api/session-completion/events", json=SHORT).json()["event_id"]
        known = {"model": "auto", "model_id": "auto", "covenant_id": covenant, "decision_id": decision}
        known |= {"event_id": event, "item_id": "catalogue", "itemId": "catalogue", "tenantId": "plain"}
        seen = fuzz(document, send, EXAMPLES_EACH, known)
    for operation, statuses in seen.items():
        # Without an administrator's token /admin is not there, and without a login the dashboard is off; who is logged
        # in nowhere can still log out.
        is_off = " /dashboard/" in operation and not operation.endswith("/logout")
        reached = {404} if " /admin/" in operation else {403} if is_off else {200, 201, 204, 501}
        assert statuses & reached, (operation, statuses)
