"""Numbers in figures and in words, exactly: a numerator over a denominator, never a float.

Separators: with both "," and "." the last one is the decimal mark; a lone comma before one or two digits is a decimal
mark, before three it groups thousands (not after a lone 0); a lone point is a decimal mark; spaces and apostrophes
group.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.covenant.lexer import NUMBER, WORD, Token

#: More digits than any budget or deadline has; longer ones are not converted, so that no text is slow to read.
MAX_DIGITS = 24
MAX_WORDS = 16


class Number(NamedTuple):
    """A number that ends before token `end`. `vague`: a few, several. `huge`: too long to be a limit."""

    over: int
    under: int
    end: int
    vague: bool = False
    huge: bool = False
    spelled: bool = False
    scaled: bool = False


_UNITS = (
    "zero nought nil|one un une uno una um uma ein eine einen einem einer eins een jeden jedna jedno jedna jedną"
    "|two deux dos due dois duas zwei zwo twee dwa dwie two|three trois tres tre drei drie trzy|four quatre cuatro "
    "quattro quatro vier cztery|five cinq cinco cinque funf fuenf vijf piec|six sei seis sechs zes szesc|seven sept "
    "siete sette sete sieben zeven siedem|eight huit ocho otto oito acht osiem|nine neuf nueve nove neun negen "
    "dziewiec|ten dix diez dieci dez zehn tien dziesiec|eleven onze once undici elf jedenascie|"
    "twelve douze doce dodici "
    "doze zwolf zwoelf twaalf dwanascie|thirteen treize trece tredici treze dreizehn dertien|"
    "fourteen quatorze catorce "
    "quattordici vierzehn veertien|fifteen quinze quince quindici funfzehn fuenfzehn vijftien pietnascie|"
    "sixteen seize "
    "dieciseis sedici sechzehn zestien|seventeen diecisiete diciassette siebzehn zeventien|"
    "eighteen dieciocho diciotto "
    "achtzehn achttien|nineteen diecinueve diciannove neunzehn negentien"
)
_TENS = (
    "twenty vingt veinte venti vinte zwanzig twintig dwadziescia|"
    "thirty trente treinta trenta trinta dreisig dreissig "
    "dertig trzydziesci|forty fourty quarante cuarenta quaranta quarenta vierzig veertig czterdziesci|"
    "fifty cinquante "
    "cincuenta cinquanta cinquenta funfzig fuenfzig vijftig piecdziesiat|sixty soixante sesenta sessanta sessenta "
    "sechzig zestig|seventy setenta settanta siebzig zeventig|eighty ochenta ottanta oitenta achtzig tachtig|ninety "
    "noventa novanta neunzig negentig"
)
_SMALL: dict[str, int] = {
    **{word: value for value, words in enumerate(_UNITS.split("|")) for word in words.split()},
    **{word: 20 + 10 * row for row, words in enumerate(_TENS.split("|")) for word in words.split()},
}
_SCALES: dict[str, int] = {
    **dict.fromkeys(str.split("hundred hundreds hundert cien ciento cento cem honderd sto"), 100),
    **dict.fromkeys(
        str.split("k thousand thousands tausend mille mil mila duizend tysiac tysiace tysiecy grand"), 1000
    ),
    **dict.fromkeys(str.split("lakh lakhs lac lacs"), 10**5),
    **dict.fromkeys(str.split("million millions mio mln mn mm millionen millones milioni milhoes miljoen"), 10**6),
    **dict.fromkeys(str.split("crore crores"), 10**7),
    **dict.fromkeys(str.split("billion billions bn b milliarde milliarden"), 10**9),
    **dict.fromkeys(str.split("trillion trillions tn"), 10**12),
    **dict.fromkeys(str.split("dozen dozens dutzend douzaine docena dozzina duzia dozijn tuzin"), 12),
}
_VAGUE = frozenset(
    str.split(
        "few several handful some many bunch odd paar einige quelques unos unas algunos algunas pocos pocas "
        "alcuni alcune "
        "qualche alguns algumas enkele kilka pare"
    )
)
_FRACTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        str.split("half halves halbe halben halber halbes demi demie media medio mezza mezzo meia meio pol"), (1, 2)
    ),
    **dict.fromkeys(("third", "thirds"), (1, 3)),
    **dict.fromkeys(str.split("quarter quarters viertel quart cuarto quarto kwart fourth fourths"), (1, 4)),
    **dict.fromkeys(("fifth", "fifths"), (1, 5)),
    **dict.fromkeys(("tenth", "tenths"), (1, 10)),
}
_VULGAR = {"½": (1, 2), "¼": (1, 4), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3)}
_ARTICLES = frozenset(("a", "an"))
_OF = frozenset(("of", "de", "a", "an", "the", "d'"))
_AND = frozenset(("and", "y", "et", "e", "und", "en", "i"))

#: Every word a number may be written with, for the readers that look for the start of one.
NUMBER_WORDS = frozenset(
    (*_SMALL, *_SCALES, *_VAGUE, *_FRACTIONS, "a", "an", "couple", "pair", "sub"),
)


def number_at(tokens: list[Token], at: int) -> Number | None:
    """The number written from token `at` on, or None."""
    if at >= len(tokens):
        return None
    token = tokens[at]
    if token.kind == NUMBER:
        return _figures_at(tokens, at)
    return _words_at(tokens, at) if token.kind == WORD and token.text in NUMBER_WORDS else None


def _word(tokens: list[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) and tokens[at].kind == WORD else ""


def _figures_at(tokens: list[Token], at: int) -> Number:
    over, under, huge = figures(tokens[at].text)
    end = at + 1
    following = tokens[end] if end < len(tokens) else None
    if following and following.text in _VULGAR and following.glued and under == 1:
        part, parts = _VULGAR[following.text]
        over, under, end = over * parts + part, parts, end + 1
    elif under == 1 and end + 1 < len(tokens) and tokens[end].text == "/" and tokens[end].glued:
        below = tokens[end + 1]
        if below.kind == NUMBER and below.glued and below.text in ("2", "3", "4", "5", "8", "10"):
            under, end = int(below.text), end + 2
    elif under == 1 and following and following.kind == NUMBER and end + 2 < len(tokens):
        # "1 1/2": a whole number and a fraction.
        slash, below = tokens[end + 1], tokens[end + 2]
        if slash.text == "/" and slash.glued and below.glued and below.text in ("2", "3", "4"):
            parts = int(below.text)
            over, under, end = over * parts + figures(following.text)[0], parts, end + 3
    if under != 1 and _word(tokens, end) == "of" and _word(tokens, end + 1) in _ARTICLES:
        end += 2  # "3/4 of a minute"
    return _scaled(tokens, Number(over, under, end, huge=huge))


def _scaled(tokens: list[Token], number: Number) -> Number:
    """A number with the scales that follow it, and a half that follows those: "2.5 million", "2 and a half"."""
    over, under, end = number.over, number.under, number.end
    scaled = False
    for _ in range(2):
        scale = _SCALES.get(_word(tokens, end))
        if scale is None or (tokens[end].text in ("mm", "b") and not tokens[end].glued):
            break
        over, end, scaled = over * scale, end + 1, True
    if not scaled:
        part = _and_a_part(tokens, end)
        if part:
            over, under, end = over * part[1] + part[0] * under, under * part[1], part[2]
    return number if end == number.end else number._replace(over=over, under=under, end=end, scaled=scaled)


def _and_a_part(tokens: list[Token], at: int) -> tuple[int, int, int] | None:
    """ "and a half": the fraction and where it ends."""
    if _word(tokens, at) not in _AND:
        return None
    at += 1
    if _word(tokens, at) in _ARTICLES or _word(tokens, at) in ("one", "un", "una", "uma"):
        at += 1
    fraction = _FRACTIONS.get(_word(tokens, at))
    if _word(tokens, at + 1) in _ARTICLES or (_word(tokens, at + 1) == "of" and _word(tokens, at + 2) in _ARTICLES):
        return None  # "fifty cents and half a minute": the half is another amount's
    return (*fraction, at + 1) if fraction and _word(tokens, at) != "second" else None


def part_after_unit(tokens: list[Token], at: int) -> tuple[int, int, int] | None:
    """ "an hour AND A HALF": the fraction of the unit named before, and where it ends."""
    return _and_a_part(tokens, at)


#: Most numbers are short: those are looked up.
_SHORT: dict[str, int] = {str(value): value for value in range(1000)}


def figures(text: str) -> tuple[int, int, bool]:
    """A number token as numerator, denominator, and whether it is too long to be a limit."""
    short = _SHORT.get(text)
    if short is not None:
        return short, 1, False
    if text in _VULGAR:
        return (*_VULGAR[text], False)
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.replace(" ", "").replace("'", "")
    comma, point = mantissa.rfind(","), mantissa.rfind(".")
    if comma >= 0 and point >= 0:
        mark = "," if comma > point else "."
    elif comma >= 0:
        after = len(mantissa) - comma - 1
        groups = mantissa.count(",") > 1 or (after == 3 and mantissa[:comma].strip("0") != "")
        mark = "" if groups else ","
    else:
        mark = "." if mantissa.count(".") == 1 else ""
    whole, _, fraction = mantissa.rpartition(mark) if mark else (mantissa, "", "")
    if not mark:
        whole = mantissa
    whole, fraction = whole.replace(",", "").replace(".", ""), fraction
    digits = (whole + fraction).lstrip("0")
    power = int(exponent) if exponent and len(exponent) < 6 else (10**6 if exponent else 0)
    if len(digits) > MAX_DIGITS or abs(power) > MAX_DIGITS:
        return 0, 1, True
    over, under = int(digits or "0"), ten_to(len(fraction)) if len(fraction) <= 2 * MAX_DIGITS else 1
    if len(fraction) > 2 * MAX_DIGITS:
        return 0, 1, True
    return (over * ten_to(power), under, False) if power >= 0 else (over, under * ten_to(-power), False)


def ten_to(exponent: int) -> int:
    """10**exponent for an exponent that is not negative."""
    power: int = 10**exponent
    return power


def _words_at(tokens: list[Token], at: int) -> Number | None:
    word = tokens[at].text
    article = word in _ARTICLES
    start = at + 1 if article else at
    first = _word(tokens, start)
    if first in ("whole", "full", "single", "good", "mere") and article:
        start += 1
        first = _word(tokens, start)
    if first == "good" and article:
        start, first = start + 1, _word(tokens, start + 1)
    if first in ("couple", "pair"):
        end = start + 1 + (_word(tokens, start + 1) == "of")
        return _scaled_words(tokens, 2, end)
    if first == "sub":
        unit = tokens[start + 1] if start + 1 < len(tokens) else None
        return Number(1, 1, start + 1, spelled=True) if unit and unit.hyphened else None
    if first in _VAGUE:
        return _vague(tokens, start)
    if first in _FRACTIONS and first not in ("second",):
        return _fraction(tokens, _FRACTIONS[first], start + 1)
    if article:
        if first in _SCALES:
            return _spelled(tokens, start, 1)
        return Number(1, 1, start, spelled=True)
    return _spelled(tokens, start, None)


def _vague(tokens: list[Token], at: int) -> Number | None:
    word, end = tokens[at].text, at + 1
    if word == "some" and end < len(tokens) and (tokens[end].kind == NUMBER or _word(tokens, end) in _SMALL):
        return number_at(tokens, end)  # "some 10 seconds" is about ten
    while _word(tokens, end) in ("of", "more", "few") or _word(tokens, end) in _SCALES:
        end += 1
    return Number(0, 1, end, vague=True, spelled=True)


def _fraction(tokens: list[Token], fraction: tuple[int, int], end: int) -> Number:
    over, under = fraction
    while _word(tokens, end) in _OF:
        end += 1
    if _word(tokens, end) in _SCALES:
        return _scaled_words(tokens, over, end, under)
    return Number(over, under, end, spelled=True)


def _scaled_words(tokens: list[Token], over: int, end: int, under: int = 1) -> Number:
    for _ in range(3):
        if _word(tokens, end) in _SCALES:
            over, end = over * _SCALES[_word(tokens, end)], end + 1
    return Number(over, under, end + (_word(tokens, end) == "of"), spelled=True)


def _spelled(tokens: list[Token], at: int, known: int | None) -> Number | None:
    """A number in words; `known` is 1 after an article ("a hundred and fifty")."""
    total, current, end = 0, known or 0, at
    seen, last = known is not None, 10**15
    while end < min(len(tokens), at + MAX_WORDS):
        word = _word(tokens, end)
        if word in _SMALL and (_SMALL[word] < last or not seen):
            value = _SMALL[word]
            current, last, seen, end = current + value, (10 if value >= 20 else 0), True, end + 1
        elif word in _SCALES and seen:
            scale = _SCALES[word]
            if scale == 100 or scale == 12:
                current, last = (current or 1) * scale, 100
            else:
                total, current, last = total + (current or 1) * scale, 0, 1000
            end += 1
            if word == "grand":  # a unit of money: no more of the number follows it
                return Number(total, 1, end, spelled=True)
        elif word in _AND and seen and last >= 100 and _SMALL.get(_word(tokens, end + 1), last) < last:
            end += 1
        else:
            break
    if not seen or end == at:
        return _bare_scale(tokens, at)
    number = Number(total + current, 1, end, spelled=True)
    if _word(tokens, end) in ("point", "punto", "virgule", "komma", "coma", "virgola"):
        return _decimals(tokens, number)
    fraction = _FRACTIONS.get(_word(tokens, end))
    if fraction and number.over < 20 and number.over > 1 and fraction != (1, 2):
        return _fraction(tokens, (number.over * fraction[0], fraction[1]), end + 1)  # "three quarters of"
    part = _and_a_part(tokens, end)
    if part:
        return number._replace(over=number.over * part[1] + part[0], under=part[1], end=part[2])
    return number


def _bare_scale(tokens: list[Token], at: int) -> Number | None:
    """ "hundred dollars", "cien euros": a scale that stands alone is one of it."""
    word = _word(tokens, at)
    if word in _SCALES and len(word) > 2 and word != "grand":
        return _scaled_words(tokens, 1, at)
    return None


def _decimals(tokens: list[Token], number: Number) -> Number:
    over, under, end = number.over, 1, number.end + 1
    while end < len(tokens) and under < ten_to(9):
        value = 0 if _word(tokens, end) == "oh" else _SMALL.get(_word(tokens, end), 99)
        if value > 9:
            if value == 99 or (value % 10 == 0 and under > 1):
                break
            over, under, end = over * 100 + value, under * 100, end + 1
            continue
        over, under, end = over * 10 + value, under * 10, end + 1
    return number._replace(over=over, under=under, end=end) if under > 1 else number
