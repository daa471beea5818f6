"""The pages' own names, and what a client accepts of them: a page or JSON at `/`, compressed or plain.

The files are the hosts' to send: the gateway from memory, the Worker from its static assets. A header that can't be
read asks for nothing in particular.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Paths that stand for a file of another name. `/` does so only for a client that accepts HTML.
PAGE_NAMES: Mapping[str, str] = {"/": "/index.html", "/dashboard": "/dashboard.html", "/dashboard/": "/dashboard.html"}

MAX_ACCEPT_CHARACTERS = 4_096
_DIGITS = frozenset("0123456789")
_LOWER = {upper: upper + 32 for upper in range(65, 91)}


def file_named(path: str, accept: str | None) -> str | None:
    """The file that a path stands for by another name, or None. Args: accept: the request's Accept header."""
    return None if path == "/" and not accepts_html(accept) else PAGE_NAMES.get(path)


def accepts_html(accept: str | None) -> bool:
    """Whether an Accept header names HTML, and not as less welcome than JSON; `*/*` alone names nothing.

    Source: RFC 9110 section 12.5.1.
    """
    weights = _weights(accept)
    html = max(weights.get("text/html", 0), weights.get("application/xhtml+xml", 0))
    return html > 0 and html >= weights.get("application/json", 0)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding header allows gzip. Source: RFC 9110 section 12.5.3."""
    weights = _weights(accept_encoding)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0))) > 0


def _weights(header: str | None) -> dict[str, int]:
    """The thousandths of each name in a list with weights (RFC 9110 section 12.4.2); of a name twice, the last."""
    weights = {}
    for element in (header or "")[:MAX_ACCEPT_CHARACTERS].split(","):
        name, *parameters = (part.strip(" \t") for part in element.split(";"))
        weight = 1_000
        for parameter in parameters:
            if parameter[:2] in ("q=", "Q="):
                weight = _thousandths(parameter[2:])
        weights[_ascii_lower(name)] = weight
    return weights


def _thousandths(text: str) -> int:
    """A weight as an integer; 0 for what is none."""
    whole, _, fraction = text.partition(".")
    if whole not in ("0", "1") or len(fraction) > 3 or not _DIGITS.issuperset(fraction):
        return 0
    return min(int(whole + fraction.ljust(3, "0")), 1_000)


def _ascii_lower(text: str) -> str:
    return text.translate(_LOWER)
