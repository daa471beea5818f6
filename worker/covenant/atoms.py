"""Tokens to atoms: the longest phrase of the vocabulary, a quantity, a place, a mark, or a word without "
"meaning here."""

from __future__ import annotations

from typing import NamedTuple

from worker.covenant.enumerated import list_marks
from worker.covenant.folding import CAPITALS
from worker.covenant.lexer import NUMBER, SIGN, WORD, Token
from worker.covenant.numbers import NUMBER_WORDS
from worker.covenant.places import PLACES
from worker.covenant.quantities import Quantity, begins_quantity, quantity_at
from worker.covenant.regions import COUNTRIES
from worker.covenant.scopes import ONLY_AFTER_MONEY, SCOPES
from worker.covenant.typos import mended, mended_unit
from worker.covenant.vocabulary import PHRASES
from worker.covenant.vocabulary_abroad import ABROAD
from worker.covenant.vocabulary_asked import ASKED
from worker.covenant.vocabulary_cyrillic import CYRILLIC
from worker.covenant.vocabulary_flagged import FLAGGED
from worker.covenant.vocabulary_tasks import TASKS

UNKNOWN = "?"
_UNKNOWN = (UNKNOWN, "")
_MARKS = {
    ",": ",",
    ";": ";",
    "—": ";",
    "(": "(",
    ")": ")",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "/": ",",
    "|": ";",
    "*": ";",
    "&": "and",
    "-": ";",
    "--": ";",
    ".": ".",
    "!": ".",
    "?": ".",
    "\n": ".",
    "..": ".",
    "...": ".",
    ":": ":",
    "=": ":",
    "~": "rest",
    "%": "rest",
    "+": "and",
    '"': '"',
    "`": '"',
    "'": "'",
}
_JOINTS = frozenset(
    str.split("and n but plus while though or y et und en e i ou oder o pero mais ma maar ale con with mit avec met")
)


class Atom(NamedTuple):
    """`kind` and `value` as in the vocabulary; tokens `first` up to, not including, `end`; a quantity if it is one."""

    kind: str
    value: str
    words: str
    first: int
    end: int
    quantity: Quantity | None = None


#: Phrase -> kind and value; of two entries the earlier one holds.
_ENTRIES: dict[str, tuple[str, str]] = {
    **{phrase: ("scope", scope) for phrase, scope in SCOPES.items() if phrase not in ONLY_AFTER_MONEY},
    **{name: ("place", code) for name, code in PLACES.items() if name != "us"},
    **{
        phrase: (kind, value)
        for kind, value, phrases in reversed((*PHRASES, *ASKED, *FLAGGED, *TASKS, *ABROAD, *CYRILLIC))
        for written in phrases.split("|")
        for phrase in (written, written.replace("isn't", "is not").replace("aren't", "are not").replace("n't", " not"))
        if phrase
    },
    **{name: ("place", code) for name, code in PLACES.items() if name not in ("us", "eu", "ue", "the us", "the eu")},
    **dict.fromkeys(("eu", "the eu", "ue", "der eu"), ("place", "EU")),
    "the us": ("place", "US"),
    **{word: ("joint", word) for word in _JOINTS},
    **{phrase: ("scope", scope) for phrase, scope in SCOPES.items() if phrase not in ONLY_AFTER_MONEY},
}
_LONGEST: dict[str, int] = dict(sorted((phrase.split()[0], len(phrase.split())) for phrase in _ENTRIES))
_LONGEST_OF_PAIR: dict[str, int] = dict(
    sorted((" ".join(phrase.split()[:2]), len(phrase.split())) for phrase in _ENTRIES if " " in phrase)
)
#: Single words of the vocabulary, which no typo is mended to or from another of.
KNOWN_WORDS = frozenset(word for phrase in _ENTRIES for word in phrase.split())


def atoms_of(tokens: list[Token]) -> list[Atom]:
    """The atoms of a text, in order, covering every token."""
    tokens = [
        token if token.kind != WORD or token.text in KNOWN_WORDS else _mended(token, tokens[at - 1] if at else None)
        for at, token in enumerate(tokens)
    ]
    words = [token.text for token in tokens]
    marks = list_marks(words, tokens)
    if marks and not all(_is_ranked(words, end) for end, _ in marks.values()):
        marks = {}
    found: list[Atom] = []
    at = 0
    while at < len(tokens):
        word, token = words[at], tokens[at]
        longest = _LONGEST.get(word, 0)
        if longest < 2 and token.kind == WORD and not marks and len(word) != 2 and not begins_quantity(token):
            # Most words: no phrase, no amount and no code begins with them.
            kind, value = _ENTRIES[word] if longest else _UNKNOWN
            atom = tuple.__new__(Atom, (kind, value, word, at, at + 1, None))
        elif at in marks:
            end, number = marks[at]
            atom = Atom("first" if number == 1 else "then", "list", " ".join(words[at:end]), at, end)
        else:
            atom = _atom_at(tokens, words, at, found)
        found.append(atom)
        at = atom.end
    return found


def _is_ranked(words: list[str], at: int) -> bool:
    """Whether what a list's mark stands before is a priority or a quality."""
    while at < len(words) and words[at] in ("the", "be", "high", "low", "keep", "it", "top", "max"):
        at += 1
    entry = _phrase_at(words, at)[1] if at < len(words) else None
    return entry is not None and (entry[0] in ("prio", "qual") or (entry[0] == "dim" and entry[1] in _RANKED))


_RANKED = frozenset(("cost", "budget", "time", "speed", "security", "quality"))
_VALUES = {
    "priority": frozenset(("prio", "dim", "qual")),
    "place": frozenset(("place", "only", "out", "neg")),
    **dict.fromkeys(("quality", "security", "speed"), frozenset(("level", "qual", "upper", "lower"))),
    **dict.fromkeys(("cost", "time", "budget", "deadline"), frozenset(("level", "upper", "lower", "nolimit"))),
}


def _is_dashed_label(words: list[str], at: int, found: list[Atom]) -> bool:
    """Whether a dash stands between a label and its value: "Quality - high"."""
    label = found[-1] if found else None
    if label is None or label.kind != "dim" or (len(found) > 1 and found[-2].kind not in _OPENING):
        return False
    entry = _phrase_at(words, at + 1)[1] if at + 1 < len(words) else None
    return entry is not None and entry[0] in _VALUES.get(label.value, ())


_OPENING = frozenset((",", ";", ".", "(", "joint", "and"))


#: "limit's 12 USD": a noun of the covenant with its "is".
_SHORTENED = frozenset(
    f"{noun}'s"
    for noun in str.split(
        "budget limit cap max maximum min minimum ceiling deadline timeout latency cost price spend priority quality "
        "security time target goal accuracy privacy speed residency region location currency"
    )
)


def _mended(token: Token, before: Token | None) -> Token:
    """A word the vocabulary does not have, with its slip mended if it is one."""
    if before is not None and (before.kind == NUMBER or before.text in NUMBER_WORDS):
        unit = mended_unit(token.text)
        if unit is not None:
            return token._replace(text=unit)
    if len(token.text) < 4:
        return token
    if token.text in _SHORTENED:
        return token._replace(text=token.text[:-2])
    word = mended(token.text)
    return token._replace(text=word) if word else token


def _atom_at(tokens: list[Token], words: list[str], at: int, found: list[Atom]) -> Atom:
    token = tokens[at]
    quantity = quantity_at(tokens, at) if begins_quantity(token) else None
    length, entry = _phrase_at(words, at)
    place = _code_at(tokens, at, found) if len(token.text) == 2 and token.kind == WORD else None
    if quantity is not None and quantity.end - at >= length:
        return Atom(quantity.kind, "", " ".join(words[at : quantity.end]), at, quantity.end, quantity)
    if place and length <= 1:
        return Atom("place", place, token.text, at, at + 1)
    if entry is not None:
        return Atom(entry[0], entry[1], " ".join(words[at : at + length]), at, at + length)
    if token.text in ("-", "—") and _is_dashed_label(words, at, found):
        return Atom(":", ":", "-", at, at + 1)
    if token.text in _MARKS:
        return Atom(_MARKS[token.text], token.text, token.text, at, at + 1)
    if token.kind == NUMBER:
        return Atom("number", "", token.text, at, at + 1)
    if token.kind == SIGN:
        return Atom("sign", "", token.text, at, at + 1)
    return Atom(UNKNOWN, "", token.text, at, at + 1)


def _phrase_at(words: list[str], at: int) -> tuple[int, tuple[str, str] | None]:
    """How many words the longest phrase here has, and what it is."""
    longest = _LONGEST.get(words[at], 0)
    if longest < 2:
        return (1, _ENTRIES[words[at]]) if longest else (0, None)
    if at + 1 < len(words):
        longest = _LONGEST_OF_PAIR.get(f"{words[at]} {words[at + 1]}", 1)
        for length in range(min(longest, len(words) - at), 1, -1):
            entry = _ENTRIES.get(" ".join(words[at : at + length]))
            if entry is not None:
                return length, entry
    entry = _ENTRIES.get(words[at])
    return (1, entry) if entry is not None else (0, None)


def _code_at(tokens: list[Token], at: int, found: list[Atom]) -> str | None:
    """The country of a two-letter code in capitals, where it can't be a word in capitals."""
    token = tokens[at]
    code = token.text.translate(CAPITALS)
    if found and found[-1].kind in ('"', "'"):
        found = found[:-1][-3:]
        if len(found) > 1 and found[-2].kind in ('"', "'"):
            found = [*found[:-2], found[-1]]
    before = found[-1] if found else None
    after_label = before is not None and before.kind == ":" and len(found) > 1 and found[-2].value == "place"
    if code == "US":
        return "US" if token.capitals or after_label or _hosts(tokens, at + 1) else None
    if code not in COUNTRIES or not (token.capitals or after_label):
        return None
    if token.text not in KNOWN_WORDS or after_label:
        return code
    beside = (
        before is not None
        and before.kind in ("in", "out", "place", "only", "not")
        and not tokens[before.first].capitals
    )
    listed = len(found) > 1 and found[-2].kind == "place" and before is not None and before.kind in (",", "joint")
    return code if beside or listed or _hosts(tokens, at + 1) else None


def _hosts(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text in ("only", "based", "hosted", "servers", "hosting", "region")
