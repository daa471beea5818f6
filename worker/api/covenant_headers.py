"""The headers a covenant may come in, and the one that tells what of it was left out.

x-harpoon-covenant is words, or JSON; x-harpoon-covenant-mode says whether what can't be read is refused or left out.
HTTP's header values are bytes: they are read as UTF-8 if they are UTF-8, and as Latin-1 otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.api.answers import Headers, Scope, headers_by_name
from worker.errors import UnreadableCovenant

COVENANT_HEADER = b"x-harpoon-covenant"
MODE_HEADER = b"x-harpoon-covenant-mode"
WARNINGS_HEADER = b"x-harpoon-covenant-warnings"
LENIENT = "lenient"
MAX_WARNINGS_BYTES = 1_000


class CovenantHeaders(NamedTuple):
    """What a request's headers say. `raw`: the covenant's bytes as Latin-1, as they are kept in a digest."""

    raw: str | None = None
    lenient: bool = False

    @property
    def text(self) -> str | None:
        """The covenant's header as text."""
        if self.raw is None or self.raw.isascii():
            return self.raw
        try:
            return self.raw.encode("latin-1").decode()
        except UnicodeDecodeError:
            return self.raw


NO_HEADERS = CovenantHeaders()


def covenant_headers(scope: Scope) -> CovenantHeaders:
    """The covenant's headers, white space around them taken off (RFC 9110 section 5.5).

    Raises: UnreadableCovenant if one comes twice, or for another mode than lenient.
    """
    found = headers_by_name(scope)
    if COVENANT_HEADER not in found and MODE_HEADER not in found:
        return NO_HEADERS
    raw = mode = None
    for name, value in scope["headers"]:
        if not name.startswith(COVENANT_HEADER):
            continue
        text: str = value.decode("latin-1").strip(" \t")
        if (name == COVENANT_HEADER and raw is not None) or (name == MODE_HEADER and mode is not None):
            raise UnreadableCovenant(f"give {name.decode()} once; there is more than one", param="covenant")
        if name == COVENANT_HEADER:
            raw = text
        elif name == MODE_HEADER:
            mode = text
    if mode is not None and mode != LENIENT:
        raise UnreadableCovenant(
            "x-harpoon-covenant-mode may only be lenient; leave it out for the strict reading", param="covenant"
        )
    return CovenantHeaders(raw, mode is not None)


def warning_headers(warnings: tuple[str, ...]) -> Headers:
    """The answer's header of warnings, if there are any: printable ASCII, at most MAX_WARNINGS_BYTES bytes."""
    if not warnings:
        return []
    told = "; ".join(warnings).encode("ascii", "backslashreplace")
    printable = bytes(byte if 32 <= byte < 127 else 32 for byte in told)
    if len(printable) > MAX_WARNINGS_BYTES:
        printable = printable[: MAX_WARNINGS_BYTES - 3] + b"..."
    return [(WARNINGS_HEADER, printable)]
