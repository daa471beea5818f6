"""Finds where somebody can be reached: e-mail addresses, telephone numbers, IP addresses.

Every pattern has a bounded length, so a text of n characters takes time in proportion to n, whatever stands in it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from worker.guard.span import EMAIL, IP, PHONE, Span, ascii_digits

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
#: Latin letters with marks, which stand in names and in internationalised domains.
_MARKED: Final = "".join(map(chr, range(0xC0, 0x250)))
_LOCAL: Final = _LETTERS + _DIGITS + _MARKED + "._%+-'"
_DOMAIN: Final = _LETTERS + _DIGITS + _MARKED + ".-"
_WORD: Final = frozenset(_LETTERS + _DIGITS + "_")
_AT: Final = re.compile("@|＠|%40")
#: RFC 5321 section 4.5.3.1.
_LOCAL_CHARACTERS, _DOMAIN_CHARACTERS = 64, 253


def find_emails(text: str) -> Iterator[Span]:
    """Addresses with a domain of at least two labels, the last of letters; also with %40 or a full-width at sign."""
    for at in _AT.finditer(text):
        before = text[max(0, at.start() - _LOCAL_CHARACTERS) : at.start()]
        local = before[len(before.rstrip(_LOCAL)) :].lstrip("'.%+-")
        after = text[at.end() : at.end() + _DOMAIN_CHARACTERS]
        domain = _domain_of(after[: len(after) - len(after.lstrip(_DOMAIN))])
        if local and domain and not local.endswith("."):
            yield Span(EMAIL, at.start() - len(local), at.end() + len(domain))


def _domain_of(run: str) -> str:
    """The longest beginning of a run of domain characters that is a domain name; "" if there is none."""
    labels = run.split(".")
    while len(labels) > 1:
        last = labels[-1]
        if all(labels) and 2 <= len(last) <= 24 and (last.startswith("xn--") or not last.strip(_LETTERS)):
            return ".".join(labels)
        # What follows the address may have been taken for a part of it: "a@b.example.", "a@b.example-".
        tail = last[len(last.rstrip(_LETTERS)) :]
        if last and tail != last and last[: len(last) - len(last.lstrip(_LETTERS))]:
            labels[-1] = last[: len(last) - len(last.lstrip(_LETTERS))]
            continue
        labels.pop()
    return ""


# The first character of each pattern is told first, so that the scanner skips what can't be a beginning; what may not
# stand before it comes second.
_ALONE = r"(?<![0-9A-Za-z_].)"
_EXTENSION = r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?(?![0-9])"
#: With a country's code: E.164 has at most 15 digits.
_INTERNATIONAL = r"[+0]" + _ALONE + r"(?:(?<=\+)|0)[1-9](?:[ ().\-/\u00a0]{0,2}[0-9]){6,13}" + _EXTENSION
#: North America: three, three and four digits, set apart (NANP).
_NORTH_AMERICA = (
    r"[+(1-9]"
    + _ALONE
    + r"(?:(?<=\+)1[ .-]?\(?[2-9]|(?<=1)[ .-]?\(?[2-9]|(?<=\()[2-9]|(?<=[2-9]))[0-9]{2}(?:\)[ .-]?|[ .-])"
    + r"[2-9][0-9]{2}[ .-][0-9]{4}"
    + _EXTENSION
)
#: With a trunk prefix, as most of Europe writes numbers: a nought, and at least two groups.
_TRUNK = r"[(0]" + _ALONE + r"(?:(?<=\()0)?[1-9][0-9]{0,4}\)?[ /.-](?:[0-9]{2,8}[ /.-]?){1,5}" + _EXTENSION
#: Any digits of the right number, and what stands before them if it says what they are.
_ANY = r"[+(0-9]" + _ALONE + r"\(?(?:[ ().\-/]{0,2}[0-9]){6,14}" + _EXTENSION
_CUE: Final = re.compile(
    r"(?i:(?<![0-9A-Za-z_\[])(?:phone|telephone|tel|call|calling|mobile|cell|cellphone|fax|whatsapp|handy|telefon|"
    r"t[eé]l[eé]phone|dial|text|sms|reach|answering|desk|office))(?![0-9A-Za-z_\]])[^0-9]{0,24}\Z",
    re.ASCII,
)
_CUE_CHARACTERS = 36
_A_DIGIT: Final = re.compile("[0-9]", re.ASCII)
_PHONES: Final = tuple(re.compile(one, re.ASCII) for one in (_INTERNATIONAL, _NORTH_AMERICA, _TRUNK))
_ANY_NUMBER: Final = re.compile(_ANY, re.ASCII)


def find_phones(text: str) -> Iterator[Span]:
    """Numbers with a country's code, in North America's or a trunk's form, or behind a word such as "phone"."""
    if _A_DIGIT.search(text) is None:
        return
    for pattern in _PHONES:
        for found in pattern.finditer(text):
            start, end = found.span()
            shown = text[start:end].rstrip(" /.-")
            count = len(ascii_digits(shown))
            if pattern is not _PHONES[2] or (9 <= count <= 12 and not _is_date(shown)):
                yield Span(PHONE, start, start + len(shown))
    for found in _ANY_NUMBER.finditer(text):
        start = found.start()
        if _CUE.search(text[max(0, start - _CUE_CHARACTERS) : start]) and not _is_date(found[0]):
            yield Span(PHONE, *found.span())


_DATE: Final = re.compile(
    r"(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2})", re.ASCII
)


def _is_date(text: str) -> bool:
    return _DATE.match(text) is not None


_IPV4: Final = re.compile(
    r"[0-9](?<![0-9A-Za-z_.].)[0-9]{0,2}\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9])", re.ASCII
)
_IPV6: Final = re.compile(
    r"[0-9A-Fa-f:](?<![0-9A-Za-z_:.].)[0-9A-Fa-f:]{1,38}(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z_:])", re.ASCII
)


def find_ip_addresses(text: str) -> Iterator[Span]:
    """Addresses of both versions, but for the loopback and the unspecified one, which are nobody's."""
    for found in _IPV4.finditer(text) if "." in text else ():
        yield from _address(found[0], found.start())
    if text.count(":") < 2:
        return
    for found in _IPV6.finditer(text):
        shown = found[0]
        # `a::b` may be the name of something in a program: an address has digits, and at least one long group.
        if shown.count(":") >= 2 and ascii_digits(shown) and any(len(group) >= 3 for group in shown.split(":")):
            yield from _address(shown, found.start())


def _address(shown: str, start: int) -> Iterator[Span]:
    try:
        address = ipaddress.ip_address(shown)
    except ValueError:
        return
    if not address.is_loopback and not address.is_unspecified:
        yield Span(IP, start, start + len(shown))
