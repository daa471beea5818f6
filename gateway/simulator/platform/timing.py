"""Answers as fast as the pool model makes them: one request on one pod, from the first token to the last."""

from __future__ import annotations

from gateway.simulator.pace import PodGone
from gateway.simulator.platform.pump import Pump, end_of
from gateway.simulator.platform.speeds import Work, work_of
from gateway.simulator.pools.card import Tenant


class PodTiming:
    """One answer of `tokens` tokens. It is begun by being made."""

    def __init__(self, pump: Pump, tenant: Tenant, work: Work, tokens: int) -> None:
        self._pump = pump
        self._work = work
        self._tokens = tokens
        self._end: int | None = None
        self.task = pump.submit(tenant, work.work_us, work.first_us)

    async def until(self, tokens: int) -> None:
        """Return once so many tokens are out. Raises: PodGone."""
        if tokens >= self._tokens:
            await self._pump.ended(self.task)
            return
        await self._pump.begun(self.task)
        if tokens <= 1:
            return
        if self._end is None:
            self._end = end_of(self.task)
        if self._end is None:
            await self._pump.ended(self.task)
        else:
            await self._pump.progressed(self.task, self._end, (self._tokens - tokens) * self._work.token_us)

    def leave(self) -> None:
        """Nobody wants the rest."""
        self._pump.cancel(self.task)


class PodPacer:
    """A pod that answers."""

    def __init__(self, pump: Pump, tenant: Tenant | None) -> None:
        self._pump = pump
        self._tenant = tenant

    def begin(self, model: str, prompt_tokens: int, output_tokens: int) -> PodTiming:
        """A request arrives now. Raises: PodGone."""
        if self._tenant is None:
            raise PodGone
        return PodTiming(self._pump, self._tenant, work_of(model, prompt_tokens, output_tokens), output_tokens)
