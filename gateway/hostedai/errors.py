"""What can go wrong with hosted.ai's panels, told apart by what it allows next.

    HostedAiError
    ├── NotAsked         nothing left this machine: it may be asked again at once
    ├── Unclear          it may have taken effect: read again before anything is repeated
    ├── Unreadable       it answered, in no shape we know; of a call that changes something it may have taken effect
    └── Refusal          it understood and said no: nothing took effect
        ├── NoCapacity       code 10189007, or "insufficient resources"
        ├── AlreadyHeld      409, or "Already subscribed": the team holds this pool
        ├── NoAccess         code 12370004: no resource policy of the team reaches this
        ├── NotAuthorised    401, 403: the key is missing, expired, revoked or bound to another address
        ├── NotFound         404
        ├── ComeBack         429: too many calls
        └── NotValid         any other no

A status alone decides little there: code 12370004 comes with 500 or inside a 200, and the status of 10189007 is not
known. Codes go before words, words before the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from worker.errors import UpstreamError
from worker.routing.labels import fold_ascii

NO_CAPACITY_CODE: Final = 10_189_007
NO_ACCESS_CODE: Final = 12_370_004
#: Other codes that were seen, with what they are about.
KNOWN_CODES: Final = {
    12_330_015: "the team could not be processed",
    12_330_009: "details of the user are missing",
}
MAX_WORDS: Final = 300


class HostedAiError(UpstreamError):
    """Root. `status`: 0 if there was none; `platform_code`: 0 if there was none."""

    code = "hosted_ai_error"

    def __init__(self, message: str, *, http_status: int = 0, platform_code: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.platform_code = platform_code


class NotAsked(HostedAiError):
    pass


class Unclear(HostedAiError):
    pass


class Unreadable(HostedAiError):
    pass


class Refusal(HostedAiError):
    pass


class NoCapacity(Refusal):
    pass


class AlreadyHeld(Refusal):
    pass


class NoAccess(Refusal):
    pass


class NotAuthorised(Refusal):
    pass


class NotFound(Refusal):
    pass


class ComeBack(Refusal):
    pass


class NotValid(Refusal):
    pass


_BY_CODE: Final[Mapping[int, type[Refusal]]] = {NO_CAPACITY_CODE: NoCapacity, NO_ACCESS_CODE: NoAccess}
_BY_WORDS: Final[tuple[tuple[str, type[Refusal]], ...]] = (
    ("insufficient resource", NoCapacity),
    ("resources failed validation", NoCapacity),
    ("already subscribed", AlreadyHeld),
    ("resource-access permission", NoAccess),
    ("resource access permission", NoAccess),
)
_BY_STATUS: Final[Mapping[int, type[Refusal]]] = {
    401: NotAuthorised,
    403: NotAuthorised,
    404: NotFound,
    409: AlreadyHeld,
    429: ComeBack,
}


def error_of(status: int, value: Any, words: str) -> HostedAiError:
    """What an answer that is no success means.

    Args: value: its body as read, None if it is no JSON. words: of the body, for messages.
    """
    code = code_of(value)
    said = (message_of(value) or words)[:MAX_WORDS].strip()
    told = said or f"status {status}"
    folded = fold_ascii(f"{said} {words[:MAX_WORDS]}")
    kind: type[HostedAiError] | None = _BY_CODE.get(code)
    if kind is None:
        # Some answers have the code in their words only.
        kind = next((found for number, found in _BY_CODE.items() if str(number) in folded), None)
    if kind is None:
        kind = next((found for text, found in _BY_WORDS if text in folded), None)
    if kind is None:
        kind = _BY_STATUS.get(status)
    if kind is None:
        # A server that failed may have acted before it did; an error object within a 200 is a plain no.
        kind = Unclear if status >= 500 else NotValid
    return kind(f"hosted.ai: {told}", http_status=status, platform_code=code)


def is_error_object(value: Any) -> bool:
    """Whether the body of a success is an error in disguise: `code` with `message`, a FAILURE, or a bare `error`."""
    if not isinstance(value, Mapping):
        return False
    if value.get("result") == "FAILURE":
        return True
    if isinstance(value.get("error"), str) and value["error"] and value.get("success") is not True:
        return True
    return "message" in value and code_of(value) != 0


def code_of(value: Any) -> int:
    """The platform's own code in a body, 0 if there is none; it may be a number or its digits."""
    found = value.get("code") if isinstance(value, Mapping) else None
    if isinstance(found, bool):
        return 0
    if isinstance(found, int):
        return found
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 16:
        return int(found)
    return 0


def message_of(value: Any) -> str:
    """What a body says in words, whichever member they are in."""
    if not isinstance(value, Mapping):
        return ""
    for name in ("message", "error"):
        if isinstance(value.get(name), str) and value[name]:
            return str(value[name])
    errors = value.get("errors")
    if not isinstance(errors, list):
        return ""
    said = [one.get("message", "") if isinstance(one, Mapping) else one for one in errors]
    return "; ".join(text for text in said if isinstance(text, str) and text)
