"""NATS JetStream: an event counts as delivered when the stream has acknowledged it. It needs the extra `nats`.

The stream itself drops what comes twice within its window (two minutes, if it is made here), by `Nats-Msg-Id`; later
duplicates carry the same id, by which consumers know them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.errors import SettingsError
from worker.ports import Clock
from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed, delivery_id
from worker.sessions.destinations.lanes import in_lanes

MESSAGE_ID: Final = "Nats-Msg-Id"
TENANT: Final = "Harpoon-Tenant"
_AT_ONCE: Final = 64
_WINDOW_S: Final = 120
#: More than the two headers ever have.
_HEADER_BYTES: Final = 512
#: JSStreamMessageExceedsMaximumErr of the server.
_TOO_LONG: Final = 10_054


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """Where to: the stream is made if nothing takes the subject yet. `timeout_s`: of connecting and of each ack."""

    url: str = field(repr=False)
    subject: str = "sessions.completed"
    stream: str = "SESSIONS"
    timeout_s: float = 10.0


class NatsStream:
    """A `Destination`. Raises: SettingsError where the extra isn't installed."""

    def __init__(self, settings: NatsSettings, clock: Clock) -> None:
        try:
            import nats
            import nats.errors
            import nats.js.errors
        except ImportError:
            raise SettingsError("a nats destination needs its package: pip install 'harpoon[nats]'") from None
        self._nats = nats
        self._settings = settings
        self._clock = clock
        self._client: Any = None
        self._jetstream: Any = None

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        try:
            await self._open()
        except (OSError, TimeoutError, self._nats.errors.Error) as problem:
            await self.close()
            return all_failed(batch, Failed(f"NATS can't be reached: {type(problem).__name__}", is_down=True))
        budget_us = int(2 * self._settings.timeout_s * 1_000_000)
        outcomes = await in_lanes(batch, self._publish, self._clock, _AT_ONCE, budget_us)
        if any(isinstance(one, Failed) and one.is_down for one in outcomes):
            await self.close()
        return outcomes

    async def close(self) -> None:
        """See `Destination.close`."""
        client, self._client, self._jetstream = self._client, None, None
        if client is not None:
            with contextlib.suppress(OSError, TimeoutError, self._nats.errors.Error):
                await client.close()

    async def _open(self) -> None:
        if self._client is not None and self._client.is_connected:
            return
        await self.close()
        settings = self._settings
        # By itself it would try for ever, which 0 attempts mean too; ours is the better schedule.
        async with asyncio.timeout(settings.timeout_s):
            self._client = await self._nats.connect(
                settings.url,
                connect_timeout=settings.timeout_s,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=_ignored,
            )
        self._jetstream = self._client.jetstream(timeout=settings.timeout_s)
        try:
            await self._jetstream.find_stream_name_by_subject(settings.subject)
        except self._nats.js.errors.NotFoundError:
            await self._jetstream.add_stream(
                name=settings.stream, subjects=[settings.subject], duplicate_window=_WINDOW_S
            )

    async def _publish(self, shaped: Shaped) -> Outcome:
        settings = self._settings
        # The server counts the headers too, and hangs up on what is too long.
        most_bytes = self._client.max_payload - _HEADER_BYTES
        if len(shaped.text) * 4 > most_bytes and len(shaped.text.encode()) > most_bytes:
            return Failed(f"it is longer than the server takes: {most_bytes} bytes", is_permanent=True)
        headers = {MESSAGE_ID: delivery_id(shaped), TENANT: shaped.tenant}
        try:
            await self._jetstream.publish(
                settings.subject, shaped.text.encode(), timeout=settings.timeout_s, headers=headers
            )
        except (OSError, TimeoutError, self._nats.errors.Error) as problem:
            if getattr(problem, "err_code", None) == _TOO_LONG:
                return Failed("it is longer than the stream takes", is_permanent=True)
            return Failed(f"NATS gave no acknowledgement: {type(problem).__name__}", is_down=True)
        return Fate.DELIVERED


async def _ignored(problem: Exception) -> None:
    """What goes wrong shows itself to whoever publishes."""
