"""Finds numbers that identify somebody and can be checked: payment cards, bank accounts, national identity numbers.

A check digit tells such a number from any other of its length nine times in ten or better, so what doesn't check is
left alone, and a mistyped number is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from worker.guard.span import CARD, IBAN, ID, Span, ascii_digits

# Behind the first character of a pattern, which is told first, so that the scanner skips what can't be a beginning.
_ALONE = r"(?<![0-9A-Za-z_.].)"
_CARDS: Final = (
    re.compile(r"[1-6]" + _ALONE + r"[0-9]{11,18}(?![0-9A-Za-z_])", re.ASCII),
    re.compile(r"[2-6]" + _ALONE + r"[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}(?![0-9A-Za-z_])", re.ASCII),
    re.compile(r"3" + _ALONE + r"[0-9]{3}([ -])[0-9]{6}\1[0-9]{4,5}(?![0-9A-Za-z_])", re.ASCII),
)
#: Issuers' prefixes with the lengths of their numbers (ISO/IEC 7812 registrations in use), first match wins.
_ISSUERS: Final = (
    (re.compile("4", re.ASCII), (13, 16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", re.ASCII), (16,)),
    (re.compile("3[47]", re.ASCII), (15,)),
    (re.compile("30[0-5]|36|3[89]", re.ASCII), (14, 16, 17, 18, 19)),
    (re.compile("35", re.ASCII), (16, 17, 18, 19)),
    (re.compile("2131|1800", re.ASCII), (15,)),
    (re.compile("6011|64[4-9]|65|62", re.ASCII), (16, 17, 18, 19)),
    (re.compile("50|5[6-9]|6[0137]", re.ASCII), (12, 13, 14, 15, 16, 17, 18, 19)),
)


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def find_cards(text: str) -> Iterator[Span]:
    """Card numbers of a known issuer whose check digit is right, whole or in the groups that cards print."""
    for pattern in _CARDS:
        for found in pattern.finditer(text):
            digits = ascii_digits(found[0])
            lengths = next((lengths for prefix, lengths in _ISSUERS if prefix.match(digits)), ())
            if len(digits) in lengths and is_luhn(digits):
                yield Span(CARD, *found.span())


#: Length of an IBAN by country (ISO 13616, SWIFT's registry).
_IBAN_LENGTHS: Final = {
    code: int(length)
    for code, length in (
        pair.split(":")
        for pair in str.split(
            "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 "
            "DO:28 EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 "
            "IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 MC:27 MD:24 ME:22 MK:19 MR:27 "
            "MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 "
            "ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20"
        )
    )
}
_IBAN_HEAD: Final = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![0-9A-Za-z]...)[0-9](?=[ -]?[0-9A-Za-z])", re.ASCII)
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_IBAN_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def find_ibans(text: str) -> Iterator[Span]:
    """International bank account numbers of their country's length with the right check digits (mod 97)."""
    for head in _IBAN_HEAD.finditer(text):
        start = head.start() - 2
        window = text[start : start + 48].translate(_UPPER)
        wanted = _IBAN_LENGTHS.get(window[:2])
        if wanted is None:
            continue
        compact, end = "", 0
        while end < len(window) and len(compact) < wanted:
            character = window[end]
            if character not in _IBAN_CHARACTERS and character not in " -":
                break
            compact += character.strip(" -")
            end += 1
        follows = window[end : end + 1]
        if len(compact) == wanted and follows not in _IBAN_CHARACTERS and _mod_97(compact) == 1:
            yield Span(IBAN, start, start + end)


def _mod_97(iban: str) -> int:
    moved = iban[4:] + iban[:4]
    return int("".join([str(int(character, 36)) for character in moved])) % 97


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_ssn(shown: str) -> bool:
    """USA: no area 000, 666; group and serial not all noughts. An area from 900 on is a taxpayer's number (ITIN)."""
    digits = ascii_digits(shown)
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def _is_nhs(shown: str) -> bool:
    """United Kingdom, health service: modulo 11."""
    digits = ascii_digits(shown)
    check = 11 - _weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return check % 11 == int(digits[9]) and check != 10


def _is_dni(shown: str) -> bool:
    """Spain: eight digits, or X, Y or Z and seven, and a letter (modulo 23)."""
    compact = shown.replace("-", "").replace(" ", "").translate(_UPPER)
    number = {"X": "0", "Y": "1", "Z": "2"}.get(compact[0], compact[0]) + compact[1:-1]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[-1]


_ODD_PLACES: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _is_codice_fiscale(shown: str) -> bool:
    """Italy: sixteen characters, the last one made from the others."""
    compact = shown.translate(_UPPER)
    total = 0
    for place, character in enumerate(compact[:15], 1):
        value = int(character, 36) - (0 if "0" <= character <= "9" else 10)
        total += _ODD_PLACES[value] if place % 2 else value
    return chr(ord("A") + total % 26) == compact[15]


def _is_pesel(shown: str) -> bool:
    """Poland: a date of birth and a weighted sum."""
    month, day = int(shown[2:4]) % 20, int(shown[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and _weighted(shown, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _is_nir(shown: str) -> bool:
    """France: thirteen digits and 97 minus their remainder."""
    digits = ascii_digits(shown)
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def _is_cpf(shown: str) -> bool:
    """Brazil: two check digits, modulo 11."""
    digits = ascii_digits(shown)
    first = _weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    second = _weighted(digits[:10], (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}" and digits.count(digits[0]) < 11


_VERHOEFF: Final = tuple(
    tuple(map(int, row))
    for row in str.split(
        "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210"
    )
)
_VERHOEFF_TURNS: Final = tuple(
    tuple(map(int, row))
    for row in str.split("0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258")
)


def _is_aadhaar(shown: str) -> bool:
    """India: twelve digits, the first from 2 on, checked by Verhoeff's scheme."""
    state = 0
    for place, digit in enumerate(reversed(ascii_digits(shown))):
        state = _VERHOEFF[state][_VERHOEFF_TURNS[place % 8][int(digit)]]
    return state == 0


def _always(_shown: str) -> bool:
    return True


#: Form and check of each number. A form without a check digit has letters and digits where nothing else has them.
_NATIONAL: Final[tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]] = tuple(
    (re.compile(first + _ALONE + rest + r"(?![0-9A-Za-z_])", re.ASCII), check)
    for first, rest, check in (
        (r"[0-9]", r"[0-9]{2}([ -])[0-9]{2}\1[0-9]{4}", _is_ssn),
        (r"[A-CEGHJ-PR-TW-Z]", r"[A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", _always),
        (r"[0-9]", r"[0-9]{2}([ -])[0-9]{3}\1[0-9]{4}", _is_nhs),
        (r"[0-9]", r"[0-9]{7}[- ]?[A-HJ-NP-TV-Za-hj-np-tv-z]", _is_dni),
        (r"[XYZxyz]", r"[- ]?[0-9]{7}[- ]?[A-HJ-NP-TV-Za-hj-np-tv-z]", _is_dni),
        (r"[A-Za-z]", r"[A-Za-z]{5}[0-9]{2}[A-EHLMPRSTa-ehlmprst][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", _is_codice_fiscale),
        (r"[0-9]", r"[0-9]{10}", _is_pesel),
        (r"[12]", r" ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", _is_nir),
        (r"[0-9]", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", _is_cpf),
        (r"[2-9]", r"[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}", _is_aadhaar),
    )
)
_A_DIGIT: Final = re.compile("[0-9]", re.ASCII)


def find_national_ids(text: str) -> Iterator[Span]:
    """Identity numbers of the USA, the UK, Spain, Italy, Poland, France, Brazil and India that check."""
    if _A_DIGIT.search(text) is None:
        return
    for pattern, check in _NATIONAL:
        for found in pattern.finditer(text):
            if check(found[0]):
                yield Span(ID, *found.span())
