"""Whether a request can choose its tier: two requests that ask for different ones, and what the answers say of it.

Harpoon reads a covenant; OpenAI's schema has `service_tier`. Neither is taken for granted: a server that ignores both
answers as ever, and then nothing was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.probe.chat import Chat, body_of
from gateway.probe.compatibility import CHECK_TOKENS
from gateway.probe.exchange import OK, Exchange
from gateway.probe.prompts import CHECKED

_COVENANT: Final = "x-harpoon-covenant"
_ROUTE: Final = "x-harpoon-route"
_WISHES: Final = ("high security", "cost optimized")


@dataclass(frozen=True, slots=True)
class TierAnswer:
    """asked: how tiers were asked for. seen: what each request was told to have got, "" = nothing."""

    asked: str
    seen: tuple[str, ...]

    @property
    def is_chosen(self) -> bool:
        """Whether requests that asked for different tiers were told different ones."""
        return len({one for one in self.seen if one}) > 1


async def ask_for_tiers(chat: Chat, model: str) -> TierAnswer:
    """Ask for two tiers. Raises: LimitReached."""
    body = body_of(model, CHECKED, CHECK_TOKENS)
    if _ROUTE in chat.routing_headers:
        routes = [_route(chat, await chat.send(body, {_COVENANT: wish})) for wish in _WISHES]
        return TierAnswer("a covenant (high security; cost optimized)", tuple(routes))
    tiers = [_tier(chat, await chat.send({**body, "service_tier": tier})) for tier in ("flex", "priority")]
    return TierAnswer("service_tier (flex; priority)", tuple(tiers))


def _route(chat: Chat, exchange: Exchange) -> str:
    return chat.endpoint.shown(exchange.header(_ROUTE), 80) if exchange.status == OK else exchange.outcome()


def _tier(chat: Chat, exchange: Exchange) -> str:
    value: Any = exchange.json() if exchange.status == OK else None
    told = value.get("service_tier") if isinstance(value, dict) else None
    if exchange.status != OK:
        return ""
    return chat.endpoint.shown(str(told), 40) if told else ""
