"""Finds what opens a door: keys and tokens by the forms their issuers give them, private keys, passwords in URLs.

A secret without a form of its own is found only where it is named (`api_key: ...`). Quantifiers without a bound are
possessive and may begin only where no character of theirs stands before, so nothing is read more than a few times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from worker.guard.span import KEY, PRIVATE_KEY, SECRET, TOKEN, Span

_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.ASCII)
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.ASCII)
#: The longest private key that is looked for; RSA with 16,384 bits has 12 KiB.
_MAX_PEM_CHARACTERS = 16 * 1024

# Each alternative begins with a letter, so that the scanner skips what can't be a beginning.
_KEY: Final = re.compile(
    r"(?:"
    r"sk-[A-Za-z0-9_-]{16,}+"
    r"|hk_[a-z0-9-]{1,63}_[A-Za-z0-9_.~+/=-]{6,}+"
    r"|gsk_[A-Za-z0-9]{20,}+"
    r"|gh[opsur]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{20,}+"
    r"|A(?:KIA|SIA|ROA|IDA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"
    r"|rk_(?:live|test)_[A-Za-z0-9]{16,}+|sk_(?:live|test)_[A-Za-z0-9]{16,}+|pk_(?:live|test)_[A-Za-z0-9]{16,}+"
    r"|whsec_[A-Za-z0-9+/=]{16,}+"
    r"|hf_[A-Za-z0-9]{20,}+|r8_[A-Za-z0-9]{20,}+|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{16,}+|dop_v1_[a-f0-9]{40,}+"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,}+"
    r")",
    re.ASCII,
)
_BEFORE_A_KEY: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
#: RFC 7519: a header that is a JSON object, so its Base64 begins with eyJ; the signature may be empty.
_JWT: Final = re.compile(r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*+", re.ASCII)
#: RFC 6750 and RFC 7617: what follows the scheme of an Authorization header.
_BEARER: Final = re.compile(
    r"[Bb](?:[Ee][Aa][Rr][Ee][Rr]|asic(?<=uthorization: [Bb]asic))[ ]{1,4}([A-Za-z0-9._~+/=-]{12,}+)", re.ASCII
)
#: A value behind "=", ":" or "is", and what stands before it if the value is a secret.
_VALUE: Final = re.compile(
    r"[:=i](?:s(?=[ ]))?[ ]{0,3}[\"'`]?([A-Za-z0-9_\-+/=.!@#$%^&*~]{8,256})",
    re.ASCII,
)
_NAME: Final = re.compile(
    r"(?i:api[_ -]?key|secret[_ -]?key|access[_ -]?key|client[_ -]?secret|access[_ -]?token|auth[_ -]?token|"
    r"refresh[_ -]?token|password|passwd|passphrase|pwd)[\"']?[ ]{0,3}\Z",
    re.ASCII,
)
_NAME_CHARACTERS = 24
_IN_URL: Final = re.compile(r"://([^\s/@:\"'<>]{1,128}:[^\s/@\"'<>]{1,256})@", re.ASCII)
_A_LETTER: Final = re.compile(r"[A-Za-z]", re.ASCII)
_A_DIGIT: Final = re.compile(r"[0-9]", re.ASCII)


def find_private_keys(text: str) -> Iterator[Span]:
    """PEM blocks of private keys (RFC 7468); one without an end reaches as far as a key could."""
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        limit = min(len(text), begin.start() + _MAX_PEM_CHARACTERS)
        end = _END.search(text, begin.end(), limit)
        at = limit if end is None else end.end()
        yield Span(PRIVATE_KEY, begin.start(), at)


def find_tokens(text: str) -> Iterator[Span]:
    """JSON Web Tokens, and what follows `Bearer`."""
    for found in _JWT.finditer(text):
        yield Span(TOKEN, *found.span())
    for found in _BEARER.finditer(text):
        yield Span(TOKEN, *found.span(1))


def find_keys(text: str) -> Iterator[Span]:
    """Keys whose issuer gave them a prefix, Harpoon's own among them."""
    for found in _KEY.finditer(text):
        start, end = found.span()
        if start == 0 or text[start - 1] not in _BEFORE_A_KEY:
            yield Span(KEY, start, end)


def find_secrets(text: str) -> Iterator[Span]:
    """What is named a password or a key and looks like one: letters and digits. User and password of a URL."""
    for found in _VALUE.finditer(text):
        if _A_DIGIT.search(found[1]) and _A_LETTER.search(found[1]):
            before = text[max(0, found.start() - _NAME_CHARACTERS) : found.start()]
            if _NAME.search(before):
                yield Span(SECRET, *found.span(1))
    for found in _IN_URL.finditer(text):
        yield Span(SECRET, *found.span(1))
