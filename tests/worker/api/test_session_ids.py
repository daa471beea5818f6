"""The ids that a reporter may not give its events: those that sessions of the gateway itself will have."""

from __future__ import annotations

import pytest

from tests.worker.api.application_kit import Application, application
from tests.worker.api.test_sessions import bearer, post, recent_ids, refusal, scr
from tests.worker.sessions.session_kit import FULL, SHORT, changed

__all__ = ["scr"]

OWN_IDS = [f"evt_{'0f' * 16}_1", f"evt_{'0f' * 16}_12_corrected", "evt_entry_7"]


@pytest.mark.parametrize("own", OWN_IDS)
async def test_nobody_reports_under_an_id_that_a_session_of_ours_may_have(scr: Application, own: str) -> None:
    """Whoever saw its decision in the answer's headers could have it billed as something else before it ends."""
    assert await refusal(await post(scr, changed("event_id", own))) == (422, "invalid_event", "event_id")
    batch = [FULL, changed("event_id", own)]
    assert await refusal(await post(scr, batch)) == (422, "invalid_event", "[1].event_id")
    envelope = {"ce-specversion": "1.0", "ce-type": "session.completed", "ce-source": "/x", "ce-id": own}
    answer = await post(scr, SHORT, {**bearer(), **envelope, "content-type": "application/json"})
    assert answer.status_code == 422
    assert await recent_ids(scr) == []


async def test_gateways_report_their_own_sessions_to_one_that_has_none() -> None:
    async with application(HARPOON_SURFACES="sessions") as scr:
        answers = [await post(scr, changed("event_id", own), {"x": "y"}) for own in OWN_IDS]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
