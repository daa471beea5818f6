"""What can be counted in a request's bytes in a few microseconds: lengths, signs, and whole words of known groups.

Any bytes are accepted: nothing is decoded, so invalid UTF-8, NUL and half an emoji are only bytes of a word. Case is
folded for ASCII alone by a table, so the same bytes count the same on every interpreter and in a C kernel. Word groups
are English; other languages are measured by length and signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wasm_classifier import lexicon
from wasm_classifier.choices import is_worded, numbers_of, pasted_bytes, read_choices
from wasm_classifier.domain import domain_index
from wasm_classifier.personal import has_personal_data

#: Everything but the length is counted in this many leading bytes, so a 1 MB text costs what an 8 KiB text costs.
WINDOW_BYTES: Final = 8192
#: A number of wanted things or words above this is taken as this.
ASKED_LIMIT: Final = 4096
#: Digits a number may have to be read as a wanted amount: 9999 at most.
_AMOUNT_DIGITS: Final = 4

_LETTERS_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_LETTERS_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_WORD_BYTES: Final = frozenset(_LETTERS_LOWER + _LETTERS_UPPER + _DIGITS) | frozenset(range(0x80, 0x100))


def _table(default: int | None, *pairs: tuple[bytes, bytes]) -> bytes:
    """A translate table: each source byte to its target (a one-byte target serves all), the rest to `default`."""
    table = bytearray(range(256)) if default is None else bytearray([default]) * 256
    for sources, targets in pairs:
        for position, source in enumerate(sources):
            table[source] = targets[position if len(targets) > 1 else 0]
    return bytes(table)


#: Lower-case letters, digits and non-ASCII bytes make words; every other byte parts them. The apostrophe is deleted.
_FOLD: Final = _table(
    None,
    (bytes(byte for byte in range(256) if byte not in _WORD_BYTES), b" "),
    (_LETTERS_UPPER, _LETTERS_LOWER),
)
#: Line shapes: any digit is 0, any sign of arithmetic is +, capitals A to F are A (options of a choice), rest x.
_SHAPE: Final = _table(
    ord("x"), (_DIGITS, b"0"), (b"+*/^=", b"+"), (b"\n", b"\n"), (b".", b"."), (b")", b"."), (b"ABCDEF", b"A")
)
_NUMBERS: Final = _table(ord(" "), (_DIGITS, b"0"))
_SENTENCE_ENDS: Final = _table(ord("x"), (b".!?", b"."), (b" \t\n\r\v\f", b" "))
_BRACKETS: Final = b"{};"
_MATH_SIGNS: Final = b"+=^*%"

_ASCII: Final = bytes(range(128))
#: UTF-8 of signs beyond ASCII. These part words: curly quotes, dashes, ellipsis, no-break space, CJK comma and full
#: stop, full-width comma.
_PARTING: Final = tuple(
    sign.encode()
    for sign in ("\u2018", "\u201c", "\u201d", "\u2013", "\u2014", "\u2026", "\u00a0", "\u3001", "\u3002", "\uff0c")
)
_CURLY_APOSTROPHE: Final = "\u2019".encode()
#: Full-width and Arabic question marks.
_QUESTION_MARKS: Final = tuple(sign.encode() for sign in ("\uff1f", "\u061f"))
#: CJK full stop, full-width exclamation mark, danda.
_FULL_STOPS: Final = tuple(sign.encode() for sign in ("\u3002", "\uff01", "\u0964"))
#: Times, divided by, pi, and the two bytes that begin every sign of U+2200 to U+227F (mathematical operators).
_WIDE_MATH_SIGNS: Final = ("\u00d7".encode(), "\u00f7".encode(), "\u03c0".encode(), b"\xe2\x88", b"\xe2\x89")


class Features(NamedTuple):
    """Counts of one text. A tuple and not a dataclass because it is made per request and costs a tenth of one.

    `byte_count` is of the whole text; everything else is of its first WINDOW_BYTES bytes. A group's field holds how
    many different words of the group occur, so repeating a word changes nothing.
    """

    byte_count: int
    word_count: int
    sentence_count: int
    question_count: int
    line_count: int
    digit_count: int
    number_count: int  # runs of digits
    fence_count: int  # ``` signs
    bracket_count: int  # braces and semicolons
    math_sign_count: int
    sum_count: int  # digit, sign, digit: "2+2"
    list_marker_count: int  # lines that begin "- ", "* ", "1." or "1)"
    option_count: int  # lines that begin "A." to "F.", as in a multiple choice
    reasoning: int
    explaining: int
    multi_step: int
    quality: int
    subject: int
    greeting: int
    code_name: int
    code_noun: int
    math_name: int
    math_noun: int
    quantity: int
    classifying: int
    polarity: int
    extracting: int
    summarising: int
    brevity: int
    long_form: int
    asked_items: int  # "top 5" is 5; 0 where nothing is asked
    asked_words: int  # "three paragraphs" in words; 0 where nothing is asked
    statement: int  # different words of lexicon.STATEMENT
    spelled_number: int  # different words of lexicon.SPELLED_NUMBER
    choice_count: int  # the rest is of the listed choices; wasm_classifier/choices.py says what a choice is
    numeric_choice_count: int  # choices with a digit
    shortest_choice_bytes: int
    choice_word_count: int
    distinct_choice_word_count: int
    stem_bytes: int  # bytes before the first choice; all bytes where there are none
    stem_quantity_count: int  # numbers and spelled numbers before the first choice; 0 without two wordy choices
    pasted_bytes: int  # bytes of long lines before the ask, looked for before the first choice
    domain: int  # a place in domain.DOMAINS
    personal: int  # 1 where personal.has_personal_data says so, else 0


def extract(text: bytes) -> Features:
    """Count what `Features` names in `text`.

    Args:
        text: UTF-8, or any bytes of any length; only the first WINDOW_BYTES bytes are looked at.
    """
    window = text[:WINDOW_BYTES]
    size = len(window)
    folded, questions, sentences, math_signs = window, window.count(b"?"), 0, 0
    if not window.isascii():
        wide = window.translate(None, _ASCII)  # a sign absent here is absent there, and here is shorter
        folded = _part_words(window, wide)
        questions += _occurrences(window, wide, _QUESTION_MARKS)
        sentences += _occurrences(window, wide, _FULL_STOPS)
        math_signs += _occurrences(window, wide, _WIDE_MATH_SIGNS)
    words = folded.translate(_FOLD, b"'").split()
    hits = lexicon.KEYWORDS.intersection(words)
    ends = window.translate(_SENTENCE_ENDS)
    sentences += ends.count(b". ") + ends.endswith(b".")
    shape = b"\n" + window.translate(_SHAPE, b" \t")
    options = shape.count(b"\nA.")
    markers = window.count(b"\n- ") + window.count(b"\n* ") + window.startswith((b"- ", b"* "))
    digits = size - len(window.translate(None, _DIGITS))
    counts = (
        len(text),
        len(words),
        sentences,
        questions,
        window.count(b"\n") + 1 if size else 0,
        digits,
        len(window.translate(_NUMBERS).split()),
        window.count(b"```"),
        size - len(window.translate(None, _BRACKETS)),
        math_signs + size - len(window.translate(None, _MATH_SIGNS)),
        shape.count(b"0+0"),
        markers + shape.count(b"\n0.") + shape.count(b"\n00."),
        options,
        *_group_counts(hits),
        _asked_items(words, hits),
        _asked_words(words, hits),
        len(lexicon.STATEMENT & hits),
        len(lexicon.SPELLED_NUMBER & hits),
        *_of_lines(window, len(text)),
        domain_index(words),
        int(has_personal_data(window)),
    )
    return Features._make(counts)


def words_of(part: bytes) -> list[bytes]:
    """The words of a part of a text, folded: runs of ASCII letters in lower case, digits and non-ASCII bytes."""
    return (part if part.isascii() else _part_words(part, part)).translate(_FOLD, b"'").split()


def _of_lines(window: bytes, byte_count: int) -> tuple[int, ...]:
    """The fields `choice_count` to `pasted_bytes`."""
    if b"\n" not in window:
        return (0, 0, 0, 0, 0, byte_count, 0, 0)
    choices = read_choices(window)
    if not choices.texts:
        return (0, 0, 0, 0, 0, byte_count, 0, pasted_bytes(window))
    listed = words_of(b"\n".join(choices.texts))
    numeric = sum([text.translate(None, _DIGITS) != text for text in choices.texts])
    quantities, stem = 0, window[: choices.at]
    if is_worded(len(choices.texts), numeric):
        quantities = numbers_of(stem) + sum([word in lexicon.SPELLED_NUMBER for word in words_of(stem)])
    return (
        len(choices.texts),
        numeric,
        min([len(text) for text in choices.texts]),
        len(listed),
        len(set(listed)),
        choices.at,
        quantities,
        pasted_bytes(stem),
    )


_NO_GROUP: Final = (0,) * len(lexicon.COUNTED)


def _part_words(window: bytes, wide: bytes) -> bytes:
    """`window` with a space for each parting sign beyond ASCII, and without curly apostrophes."""
    folded = window
    for sign in _PARTING:
        if sign in wide:
            folded = folded.replace(sign, b" ")
    return folded.replace(_CURLY_APOSTROPHE, b"") if _CURLY_APOSTROPHE in wide else folded


def _group_counts(hits: frozenset[bytes]) -> tuple[int, ...]:
    """How many words of `hits` each counted group has, in the order of the fields of `Features`."""
    if not hits:
        return _NO_GROUP
    return tuple([len(group & hits) for group in lexicon.COUNTED])


def _occurrences(window: bytes, wide: bytes, signs: tuple[bytes, ...]) -> int:
    return sum([window.count(sign) for sign in signs if sign in wide])


def _amount(word: bytes) -> int:
    """The number a word stands for, at most ASKED_LIMIT; 0 for a word that is no number."""
    if word and len(word) <= _AMOUNT_DIGITS and not word.translate(None, b"0123456789"):
        return min(int(word), ASKED_LIMIT)
    return lexicon.NUMBER_WORDS.get(word, 0)


def _asked_items(words: Sequence[bytes], hits: frozenset[bytes]) -> int:
    """The largest number right after the first place of a word such as "top" or "name"."""
    largest = 0
    for leader in lexicon.COUNT_LEADER & hits:
        after = words.index(leader) + 1
        if after < len(words):
            largest = max(largest, _amount(words[after]))
    return largest


def _asked_words(words: Sequence[bytes], hits: frozenset[bytes]) -> int:
    """The largest answer length asked for as a number right before the first place of a unit such as "paragraphs"."""
    largest = 0
    for unit in hits:
        weight = lexicon.WORDS_PER_UNIT.get(unit)
        if weight is not None:
            before = words.index(unit) - 1
            if before >= 0:
                largest = max(largest, _amount(words[before]) * weight)
    return min(largest, ASKED_LIMIT)
