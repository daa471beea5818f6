"""Micro-dollars in and out of text, without a float in between."""

from __future__ import annotations

MICROS = 1_000_000


def usd_text(usd_micros: int) -> str:
    """`1500000` -> `"1.5"`, `12` -> `"0.000012"`: a plain decimal number, also valid in JSON."""
    sign = "-" if usd_micros < 0 else ""
    whole, fraction = divmod(abs(usd_micros), MICROS)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def parse_usd(text: str) -> int:
    """`"1.5"` -> `1500000`. At most six decimals, ASCII digits only. Raises: ValueError."""
    whole, point, fraction = text.strip().partition(".")
    digits = set(whole + fraction)
    if not whole or (point and not fraction) or len(fraction) > 6 or len(whole) > 9 or not digits <= set("0123456789"):
        raise ValueError("an amount is dollars with at most six decimals, such as 10 or 0.25")
    return int(whole) * MICROS + int(fraction.ljust(6, "0"))
