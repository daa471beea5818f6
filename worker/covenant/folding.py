"""Text to one plain alphabet, code point for code point, so that offsets in the folded text are offsets in the text.

Everything is by table: the Unicode tables of two Python versions differ, and a covenant must read the same on both.
Case and accents of Latin, the case of Cyrillic, full-width forms, digits of the living scripts, dashes, quotes, spaces.
"""

from __future__ import annotations

#: What stands inside a word without being part of it: combining accents, zero-width characters, the soft hyphen.
IGNORED = "\u0300"

_ACCENTED = (
    ("a", "àáâãäåāăąæ"),
    ("c", "çćĉċč"),
    ("d", "ðďđ"),
    ("e", "èéêëēĕėęě"),
    ("g", "ĝğġģ"),
    ("h", "ĥħ"),
    ("i", "ìíîïĩīĭįı"),
    ("j", "ĵ"),
    ("k", "ķĸ"),
    ("l", "ĺļľŀł"),
    ("n", "ñńņňŋ"),
    ("o", "òóôõöøōŏőœ"),
    ("r", "ŕŗř"),
    ("s", "śŝşšßſș"),
    ("t", "ţťŧþț"),
    ("u", "ùúûüũūŭůűų"),
    ("w", "ŵ"),
    ("y", "ýÿŷ"),
    ("z", "źżž"),
)
_ACCENTED_CAPITALS = (
    ("a", "ÀÁÂÃÄÅĀĂĄÆ"),
    ("c", "ÇĆĈĊČ"),
    ("d", "ÐĎĐ"),
    ("e", "ÈÉÊËĒĔĖĘĚ"),
    ("g", "ĜĞĠĢ"),
    ("h", "ĤĦ"),
    ("i", "ÌÍÎÏĨĪĬĮİ"),
    ("j", "Ĵ"),
    ("k", "Ķ"),
    ("l", "ĹĻĽĿŁ"),
    ("n", "ÑŃŅŇŊ"),
    ("o", "ÒÓÔÕÖØŌŎŐŒ"),
    ("r", "ŔŖŘ"),
    ("s", "ŚŜŞŠẞȘ"),
    ("t", "ŢŤŦÞȚ"),
    ("u", "ÙÚÛÜŨŪŬŮŰŲ"),
    ("w", "Ŵ"),
    ("y", "ÝŸŶ"),
    ("z", "ŹŻŽ"),
)
#: The zero of each decimal digit series (Unicode general category Nd): Arabic-Indic, extended Arabic-Indic, N'Ko,
#: Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao, Tibetan,
#: Myanmar, Khmer, Mongolian, full-width, and the five mathematical styles.
DIGIT_ZEROS = (
    *(0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6),
    *(0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6),
)
_SAME = (
    ("'", "‘’‚‛ʼ´′＇"),
    ('"', "“”„‟«»″〝〞＂「」『』‹›"),
    ("-", "‐‑‒–−﹣－"),
    (" ", "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\v\f"),
    ("\n", "\r\u0085\u2028\u2029"),
    (IGNORED, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"),
    (".", "٫。．｡"),
    (",", "٬，、､،"),
    (";", "；؛"),
    ("?", "？؟¿"),
    ("!", "！¡"),
    ("/", "⁄∕"),
    ("~", "≈∼〜～≃"),
    ("$", "﹩"),
    ("£", "￡"),
    ("¥", "￥"),
    ("¢", "￠"),
    ("₩", "￦"),
    ("*", "•·●▪◦‣"),
    ("—", "―"),
)
_FOLDS: dict[int, str | int] = {
    **{code: code + 32 for code in range(ord("A"), ord("Z") + 1)},
    **{code: IGNORED for code in range(0x0300, 0x0370)},
    **{code: code - 0xFEE0 + (32 if 0xFF21 <= code <= 0xFF3A else 0) for code in range(0xFF01, 0xFF5F)},
    **{ord(mark): letter for letter, marks in (*_ACCENTED, *_ACCENTED_CAPITALS) for mark in marks},
    **{zero + digit: 0x30 + digit for zero in DIGIT_ZEROS for digit in range(10)},
    **{code: code + 32 for code in range(0x0410, 0x0430)},
    0x0401: 0x0435,
    0x0451: 0x0435,
    0x00B5: "u",
    0x03BC: "u",
    0x2044: "/",
    **{ord(mark): plain for plain, marks in _SAME for mark in marks},
}


#: ASCII letters to capitals, for `str.translate`.
CAPITALS = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def fold(text: str) -> str:
    """The text in the plain alphabet; as many code points as before, each at its place."""
    return text.translate(_FOLDS)
