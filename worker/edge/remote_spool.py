"""The spool as the Worker and the tenants' objects see it: a port over all of its partitions' objects.

A session's events are in one partition, whichever tenant's they are; what is asked about all of them is asked of every
partition.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from pyodide.ffi import JsException

from worker.edge.bindings import raw_environment
from worker.edge.session_spool import refusal_from_plain
from worker.errors import StateError
from worker.sessions.completed import SessionCompleted
from worker.sessions.merged import merge_figures, merge_overviews, merge_recent, split
from worker.sessions.overview import MOST_DEAD_LETTERS, MOST_RECENT
from worker.sessions.partition import partition_names
from worker.sessions.spool_capture import row_of
from worker.sessions.spool_port import EventConflict, Named, Receipt


def has_sessions(env: Any) -> bool:
    """Whether wrangler.toml binds the spool's objects."""
    return getattr(raw_environment(env), "SESSIONS", None) is not None


class RemoteSpool:
    """`worker.sessions.spool_port.SpoolPort` over `partitions` objects. Raises: StateError."""

    def __init__(self, env: Any, partitions: int) -> None:
        self._sessions = raw_environment(env).SESSIONS
        self._partitions = partitions
        self._names = partition_names(partitions)

    async def capture(self, tenant: str, events: Sequence[SessionCompleted], now_us: int) -> Receipt:
        """See SpoolPort.capture. A batch for several partitions is tried in all of them before any of them keeps it.

        Each keeps its part by itself; so where one fails then, a part may be kept, and the retry brings the rest.
        """
        rows = [row_of(tenant, event) for event in events]
        parts = split(self._partitions, [row.key for row in rows])
        fresh = 0
        for is_rehearsal in (True, False) if len(parts) > 1 else (False,):
            for name, places in parts.items():
                given = {"tenant": tenant, "rows": [list(rows[place]) for place in places], "now_us": now_us}
                try:
                    fresh += await self._ask(name, "capture", {**given, "is_rehearsal": is_rehearsal})
                except EventConflict as conflict:
                    raise EventConflict(conflict.message, param=_moved(conflict.param or "", places)) from None
        return Receipt(tuple([row.event_id for row in rows]), fresh)

    async def accept(self, tenant: str, texts: Sequence[tuple[str, str, str]], now_us: int) -> int:
        """See SpoolPort.accept."""
        fresh = 0
        for name, places in split(self._partitions, [key for _, key, _ in texts]).items():
            given = {"tenant": tenant, "texts": [list(texts[place]) for place in places], "now_us": now_us}
            fresh += await self._ask(name, "accept", given)
        return fresh

    async def recent(self, tenant: str | None, limit: int) -> list[dict[str, Any]]:
        """See SpoolPort.recent."""
        return merge_recent(await self._ask_all("recent", {"tenant": tenant, "limit": limit}), limit)

    async def find(self, tenant: str | None, event_id: str) -> dict[str, Any] | None:
        """See SpoolPort.find."""
        found = await self._ask_all("find", {"tenant": tenant, "event_id": event_id})
        there = merge_recent([[one] for one in found if one is not None], 1)
        return there[0] if there else None

    async def named(self, tenant: str, subject: str, name: str) -> list[Named]:
        """See SpoolPort.named."""
        parts = await self._ask_all("named", {"tenant": tenant, "subject": subject, "name": name})
        return [Named(*place) for part in parts for place in part]

    async def erase_person(self, tenant: str, place: Named) -> int:
        """See SpoolPort.erase_person; a partition knows its own events by the name of its spool."""
        return sum(await self._ask_all("erase_person", {"tenant": tenant, "place": list(place)}))

    async def figures(self, tenant: str | None, now_us: int) -> dict[str, Any]:
        """See SpoolPort.figures."""
        return merge_figures(await self._ask_all("figures", {"tenant": tenant, "now_us": now_us}))

    async def overview(self, now_us: int) -> dict[str, Any]:
        """See SpoolPort.overview."""
        return merge_overviews(await self._ask_all("overview", {"now_us": now_us}), MOST_RECENT, MOST_DEAD_LETTERS)

    async def replay(self, now_us: int, destination: str, event_id: str, tenant: str) -> int:
        """See SpoolPort.replay."""
        given = {"now_us": now_us, "destination": destination, "event_id": event_id, "tenant": tenant}
        return sum(await self._ask_all("replay", given))

    async def _ask_all(self, act: str, given: dict[str, Any]) -> list[Any]:
        return list(await asyncio.gather(*[self._ask(name, act, given) for name in self._names]))

    async def _ask(self, name: str, act: str, given: dict[str, Any]) -> Any:
        try:
            answer = await self._sessions.getByName(name).ask(json.dumps({"act": act, "given": given}))
        except JsException as exc:
            raise StateError(f"partition {name} of the spool failed in {act}") from exc
        said = json.loads(answer)
        if "refused" in said:
            raise refusal_from_plain(said["refused"])
        return said["found"]


def _moved(param: str, places: Sequence[int]) -> str:
    """The path of a field in a partition's events, as a path in all of them: `[0].event_id` is another's there."""
    number, _, rest = param.removeprefix("[").partition("]")
    return f"[{places[int(number)]}]{rest}" if number.isascii() and number.isdecimal() else param
