"""What a query string may say: known names, each once, values of the expected form."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl

from worker.api.answers import Scope
from worker.errors import MalformedRequest

MAX_QUERY_FIELDS = 16
MAX_ID_CHARACTERS = 64
_DIGITS = frozenset("0123456789")
_VISIBLE = frozenset(map(chr, range(33, 127)))


def read_query(scope: Scope, names: Collection[str]) -> dict[str, str]:
    """The parameters of a request, by name. Raises: MalformedRequest for an unknown or repeated one."""
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise MalformedRequest("the query string can't be read: it is not UTF-8, or too long") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in names or name in found:
            allowed = ", ".join(sorted(names))
            raise MalformedRequest(f"the query may have each of these once: {allowed}", param=name[:64])
        found[name] = value
    return found


def whole_in(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query. Raises: MalformedRequest unless it is within `least` and `most`."""
    text = query.get(name)
    if text is None:
        return default
    if not text or len(text) > 15 or not _DIGITS.issuperset(text) or not least <= int(text) <= most:
        raise MalformedRequest(f"{name} must be a whole number from {least} to {most}", param=name)
    return int(text)


def id_in(query: dict[str, str], name: str, prefixes: tuple[str, ...]) -> str | None:
    """An id of the query, or None. Raises: MalformedRequest unless it begins with one of the prefixes."""
    text = query.get(name)
    if text is None or (len(text) <= MAX_ID_CHARACTERS and _VISIBLE.issuperset(text) and text.startswith(prefixes)):
        return text
    raise MalformedRequest(f"{name} must be an id that begins with {' or '.join(prefixes)}", param=name)
