"""The order of a probe: what is free, the first requests, the API item by item, warm requests, load; or the pilot.

What is found is kept in a `Found` as it comes, so that an end before the end (a limit, Ctrl-C) loses nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.probe.chat import Chat, Timed
from gateway.probe.compatibility import CHECK_TOKENS, WRONG, check_compatibility
from gateway.probe.endpoint import Endpoint
from gateway.probe.features import FEATURES
from gateway.probe.items import Item, item
from gateway.probe.limits import TEMPLATE_TOKENS, LimitReached, Limits, Price, Spending
from gateway.probe.measure import (
    EACH_OF_LEVEL,
    LEAST_OF_LEVEL,
    Load,
    levels_up_to,
    measure_first,
    measure_load,
    measure_warm,
)
from gateway.probe.pilot import MODELS, PHASES, Pilot, run_pilot
from gateway.probe.surface import LISTED, Surface, find_base, look_around
from gateway.probe.tier import TierAnswer, ask_for_tiers

#: Bytes of a timed request around its prompt, and of the longest prompt; for the estimate beforehand alone.
_BODY_BYTES: Final = 300
_PILOT_BODY_BYTES: Final = 700
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. models: () = the first that is listed. warm: requests one after the other. most: at once.

    idle_s: wait so long after the warm requests and time a first one again; 0 = don't. phases: () = no pilot.
    """

    models: tuple[str, ...] = ()
    warm: int = 20
    most: int = 8
    idle_s: int = 0
    phases: tuple[int, ...] = ()

    @property
    def is_pilot(self) -> bool:
        return bool(self.phases)


@dataclass(slots=True)
class Found:
    """All that was found so far. unfinished: what was not done or not to its end, and why, in sentences."""

    plan: Plan
    limits: Limits
    began_us: int
    endpoint: Endpoint | None = None
    surface: Surface | None = None
    chat: Chat | None = None
    models: tuple[str, ...] = ()
    firsts: list[Timed] = field(default_factory=list)
    after_idle: list[Timed] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    tiers: TierAnswer | None = None
    warm: list[Timed] = field(default_factory=list)
    load: Load = field(default_factory=Load)
    pilot: Pilot | None = None
    unfinished: list[str] = field(default_factory=list)
    is_interrupted: bool = False

    @property
    def is_simulated(self) -> bool:
        """Whether the endpoint says of itself, or of any answer, that it was simulated."""
        by_answers = self.chat is not None and self.chat.simulated > 0
        return by_answers or (self.surface is not None and self.surface.is_simulated)


class NothingThere(Exception):
    """The endpoint can't be probed at all; the message says why."""


async def look(endpoint: Endpoint, found: Found) -> None:
    """Find the endpoint's base and what is there for free. Raises: NothingThere."""
    found.endpoint, listing = await find_base(endpoint)
    if not listing.status:
        raise NothingThere(f"{endpoint.root}: {listing.outcome()}")
    if listing.status in _REFUSED:
        raise NothingThere(f"{endpoint.root} answered HTTP {listing.status}: {_key_hint(endpoint)}")
    found.surface = await look_around(found.endpoint, listing)
    found.models = _models(found.plan, found.surface.models)
    if not found.models:
        raise NothingThere(f"{found.endpoint.base}/models lists no model ({listing.outcome()}); name one with --model")


def _key_hint(endpoint: Endpoint) -> str:
    return "it refuses the key" if endpoint.key else "it wants a key: --key, or HARPOON_PROBE_KEY"


def _prices(found: Found, price: Price) -> dict[str, Price]:
    """Each model's own price, where the list is what is reckoned with."""
    assert found.surface is not None, "look comes first"
    if price.source != LISTED:
        return {}
    return {model: one for model, one in found.surface.prices.items() if model in found.models}


def price_of(found: Found, given: Price | None, assumed: Price) -> Price:
    """The price of the models that will be asked: as given, none for a simulator, the dearest listed, or assumed."""
    assert found.surface is not None, "look comes first"
    if given is not None:
        return given
    if found.surface.is_simulated:
        return Price(0, 0, "nothing: the endpoint says that it is simulated")
    listed = [found.surface.prices[one] for one in found.models if one in found.surface.prices]
    if len(listed) < len(found.models):
        return assumed
    return Price(max(one.input for one in listed), max(one.output for one in listed), LISTED)


def worst_case_usd_micros(plan: Plan, limits: Limits, models: int, price: Price) -> int:
    """What all planned requests cost if every answer is as long as it may be; no more than the tokens allowed do."""
    timed = models + (0 if plan.is_pilot else plan.warm + models * bool(plan.idle_s))
    body = _PILOT_BODY_BYTES if plan.is_pilot else _BODY_BYTES
    if plan.is_pilot:
        timed += sum(plan.phases)
    else:
        timed += sum(max(EACH_OF_LEVEL * one, LEAST_OF_LEVEL + one) for one in levels_up_to(plan.most))
    checks = 3 + len(WRONG) + 2 * len(FEATURES)
    requests = min(timed + checks, limits.requests)
    answers = min(timed * limits.answer_tokens + checks * CHECK_TOKENS * 2, limits.tokens)
    return price.cost(min(requests * (body + TEMPLATE_TOKENS), limits.tokens), answers)


async def probe(found: Found, price: Price, sent: Callable[[], None]) -> None:
    """Do what the plan says, as far as the limits let it. Needs `look` before. Raises: NothingThere."""
    assert found.endpoint is not None, "look comes first"
    assert found.surface is not None, "look comes first"
    plan, clock = found.plan, found.endpoint.clock
    ends_us = clock.monotonic_us() + found.limits.seconds * 1_000_000
    found.chat = chat = Chat(found.endpoint, Spending(found.limits, price, _prices(found, price), ends_us), sent)
    enough = MODELS if plan.is_pilot and not plan.models else 0
    await _part(found, "first requests", measure_first(chat, found.models, found.firsts, enough=enough))
    usable = tuple(one.model for one in found.firsts if one.is_ok)
    if found.firsts and all(one.status in _REFUSED for one in found.firsts):
        status = found.firsts[0].status
        raise NothingThere(f"{found.endpoint.root} answered HTTP {status} to chat: {_key_hint(chat.endpoint)}")
    if not usable:
        found.unfinished.append("No model gave a streamed answer to its first request, so only the API was looked at.")
    model = usable[0] if usable else found.models[0]
    says = "GET /models lists the models: object, data with id, object, created, owned_by"
    found.items.append(item("models.list", says, found.surface.listing_faults))
    await _part(found, "compatibility", check_compatibility(chat, model, found.items))
    if not usable:
        return
    if plan.is_pilot:
        found.pilot = Pilot(usable, min(plan.most, 4))
        await _part(found, "the pilot", run_pilot(chat, found.pilot, plan.phases))
        return
    await _part(found, "tier selection", _tiers(found, chat, model))
    await _part(found, "warm requests", measure_warm(chat, model, plan.warm, found.warm))
    if plan.idle_s and clock.monotonic_us() + plan.idle_s * 1_000_000 >= ends_us:
        found.unfinished.append(f"There was no rest of {plan.idle_s} s: --seconds doesn't leave that long.")
    elif plan.idle_s:
        await clock.sleep(plan.idle_s * 1_000_000)
        await _part(found, "first requests after a rest", measure_first(chat, usable, found.after_idle, 50))
    await _part(found, "load", measure_load(chat, model, plan.most, found.load))


async def _tiers(found: Found, chat: Chat, model: str) -> None:
    found.tiers = await ask_for_tiers(chat, model)


async def _part(found: Found, name: str, work: Awaitable[None]) -> None:
    """One part of the probe; a limit ends it, and with it all that would need more."""
    try:
        await work
    except LimitReached as stop:
        found.unfinished.append(f"{name[0].upper()}{name[1:]}: not to the end, because {stop}.")


def _models(plan: Plan, listed: tuple[str, ...]) -> tuple[str, ...]:
    """Which models to ask: those named, else the first listed; for the pilot some more than the three it needs."""
    if plan.models:
        return plan.models
    if not plan.is_pilot:
        return listed[:1]
    own = tuple(one for one in listed if one != "auto")
    return own[: 2 * MODELS] or listed[:1]  # not every model that is listed chats


def pilot_plan(models: tuple[str, ...], most: int) -> Plan:
    """The plan of `--preset pilot`."""
    return Plan(models, 0, most, 0, PHASES)
