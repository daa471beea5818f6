"""The values of the answer cache that travel with a request: what it wishes, what was found, what is to be kept."""

from __future__ import annotations

from typing import NamedTuple

#: How the look into the cache ended. WAIT: the same request is being answered right now; "" = nobody looked.
HIT, MISS, WAIT = "hit", "miss", "wait"


class Wish(NamedTuple):
    """A request that may be served from the cache, and whose answer may go there.

    `ttl_us`: how old an answer it takes, and how long its own is kept. `joins`: it may wait for the answer to another
    request with the same key.
    """

    key: str
    ttl_us: int
    joins: bool


class Kept(NamedTuple):
    """An answer and the route that gave it; `body` is the JSON or the events, valid UTF-8, as the client gets them."""

    route: str
    body: bytes

    def __repr__(self) -> str:
        return f"Kept(route={self.route!r}, {len(self.body)} bytes)"


class Keep(NamedTuple):
    """An answer that is to be kept; the route is its settlement's."""

    key: str
    ttl_us: int
    body: bytes

    def __repr__(self) -> str:
        return f"Keep(key={self.key!r}, ttl_us={self.ttl_us}, {len(self.body)} bytes)"


class Awaited(NamedTuple):
    """The answer to another request, waited for at most `limit_us`; `routes` are those that the waiting one may use."""

    tenant: str
    key: str
    ttl_us: int
    routes: tuple[str, ...]
    at_us: int
    limit_us: int
