"""One HTTP exchange as it was seen from outside: what came, and when, or why nothing did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from worker.errors import HarpoonError
from worker.strict_json import parse_json

#: How an exchange can fail without an HTTP status.
NOBODY, TIMEOUT, BROKEN, TOO_LARGE = "nobody answers", "timeout", "connection broke", "answer too large"
SIMULATED: Final = "x-harpoon-simulated"
OK: Final = 200


class NoJson(Enum):
    """What stands for a body that is no JSON: no value of JSON's is equal to it."""

    broken = "no JSON"


NOT_JSON: Final = NoJson.broken


class Part(NamedTuple):
    """Bytes of a body that arrived together; microseconds since the request was sent."""

    at_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer with the times of its parts, in microseconds since `sent_us` (on the monotonic clock).

    status: 0 = no head came. failure: "" or one of NOBODY, TIMEOUT, BROKEN, TOO_LARGE; what came before it is kept.
    """

    sent_us: int
    status: int = 0
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    head_us: int = 0
    end_us: int = 0
    failure: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether a whole answer came with status 200; its content may still be wrong."""
        return self.status == OK and not self.failure

    @property
    def body(self) -> bytes:
        return b"".join(part.data for part in self.parts)

    @property
    def is_simulated(self) -> bool:
        """Whether the answer itself says that no model was behind it."""
        return self.header(SIMULATED) == "1"

    def header(self, name: str) -> str:
        """A header's value by its lower-case name; "" if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON; NOT_JSON if it is none."""
        try:
            return parse_json(self.body)
        except HarpoonError:
            return NOT_JSON

    def outcome(self) -> str:
        """How it ended, in a few words: `HTTP 200`, `timeout`."""
        if self.failure:
            return f"{self.failure} after HTTP {self.status}" if self.status else self.failure
        return f"HTTP {self.status}"
