"""Which covenant a request names: an object, words, the labelled lines of its prompt, or a stored covenant's id.

It may come in the body's `covenant` or `covenant_id`, or in the header, and once: of two nobody can tell which one
holds. Reading is remembered by text, because a client says the same covenant with every request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from worker.covenant.labelled_lines import labelled_lines
from worker.covenant.policy import NO_COVENANT, Policy
from worker.covenant.served import serve_object, serve_words
from worker.errors import MalformedRequest, UnreadableCovenant
from worker.strict_json import JsonLimits, JsonObject, parse_decimal_json

FROM_PROMPT = "from_prompt"
ID_PREFIX = "cov-"
_IS_ID = re.compile("cov-[0-9a-f]{8}").fullmatch
#: One word that can only be meant for an id: read as a covenant's words it would limit nothing.
_IS_LIKE_AN_ID = re.compile("cov-.*|cov(?:enant)?[-_][0-9a-z_-]+", re.ASCII | re.IGNORECASE | re.DOTALL).fullmatch
_SPACE = " \t\r\n"
_REMEMBERED = 256
_REMEMBERED_CHARACTERS = 4_096
_EXPECTED = 'the covenant must be words, such as "$2 budget, 30s timeout", or an object, such as {"budget_usd": 2}'


class Requested(NamedTuple):
    """The covenant of one request. With a `covenant_id` the policy is the stored covenant's, and still to be loaded."""

    policy: Policy = NO_COVENANT
    covenant_id: str = ""
    warnings: tuple[str, ...] = ()


NOTHING_REQUESTED = Requested()
#: Stands for what only the prompt can tell.
_IN_THE_PROMPT = Requested(covenant_id=FROM_PROMPT)


def requested_covenant(
    body: JsonObject, header: str | None, lenient: bool, prompt: Callable[[], str], limits: JsonLimits
) -> Requested:
    """The covenant that a request names, or none.

    Args: header: the text of x-harpoon-covenant: words, or JSON of an object or a string. prompt: gives the text whose
    labelled lines are meant by "from_prompt".
    Raises: UnreadableCovenant; MalformedRequest for a covenant_id that is no string.
    """
    in_body, named = body.raw.get("covenant"), body.values.get("covenant_id")
    if in_body == "null":
        in_body = None
    if header is None and in_body is None and named is None:
        return NOTHING_REQUESTED
    if (header is not None) + (in_body is not None) + (named is not None) > 1:
        raise UnreadableCovenant(
            "give the covenant once: in covenant, in covenant_id, or in x-harpoon-covenant", param="covenant"
        )
    if named is not None:
        if not isinstance(named, str):
            raise MalformedRequest("covenant_id must be a string, such as cov-0a1b2c3d", param="covenant_id")
        return Requested(covenant_id=covenant_id_of(named, "covenant_id"))
    if in_body is not None:
        found = covenant_of_json(in_body, lenient, limits)
    elif header is not None and header[:1] not in ("{", "[", '"') and header != "null":
        found = covenant_of_words(header, lenient)
    else:
        found = covenant_of_json(header or "", lenient, limits)
    return covenant_of_prompt(prompt(), lenient) if found is _IN_THE_PROMPT else found


def covenant_of_prompt(text: str, lenient: bool) -> Requested:
    """What the labelled lines at the end of a prompt say. Raises: UnreadableCovenant."""
    words = labelled_lines(text)
    if words is None:
        return NOTHING_REQUESTED
    policy, warnings = serve_words(words, lenient)
    return Requested(policy, "", warnings)


def names_a_covenant(text: str) -> bool:
    """Whether a text names a covenant that stands elsewhere, under an id or in the prompt, instead of saying one."""
    word = text.strip(_SPACE)
    return word == FROM_PROMPT or _IS_LIKE_AN_ID(word) is not None


def covenant_of_words(text: str, lenient: bool) -> Requested:
    """What a covenant in words asks for. Raises: UnreadableCovenant."""
    word = text.strip(_SPACE)
    if word == FROM_PROMPT:
        return _IN_THE_PROMPT
    if names_a_covenant(word):
        return Requested(covenant_id=covenant_id_of(word, "covenant"))
    policy, warnings = serve_words(text, lenient)
    return Requested(policy, "", warnings)


def covenant_of_json(text: str, lenient: bool, limits: JsonLimits) -> Requested:
    """What a covenant in JSON asks for: an object, or a string of words. Raises: UnreadableCovenant."""
    read = _read_json if len(text) <= _REMEMBERED_CHARACTERS else _read_json.__wrapped__
    return read(text, lenient, limits)


def covenant_id_of(text: str, param: str) -> str:
    """The id of a stored covenant. Raises: UnreadableCovenant for another form."""
    if _IS_ID(text) is None:
        raise UnreadableCovenant("a covenant's id is cov- and eight hexadecimal digits: cov-0a1b2c3d", param=param)
    return text


@lru_cache(maxsize=_REMEMBERED)
def _read_json(text: str, lenient: bool, limits: JsonLimits) -> Requested:
    try:
        plain = parse_decimal_json(text, limits)
    except MalformedRequest as problem:
        raise UnreadableCovenant(f"the covenant is not JSON: {problem.message}", param="covenant") from problem
    if plain is None:
        return NOTHING_REQUESTED
    if isinstance(plain, str):
        return covenant_of_words(plain, lenient)
    if isinstance(plain, int | Decimal | list):
        raise UnreadableCovenant(_EXPECTED, param="covenant")
    policy, warnings = serve_object(plain, lenient)
    return Requested(policy, "", warnings)
