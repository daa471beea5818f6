"""Numbers without a unit: times of a clock, labels that hold the unit, corrections, and what we refuse to guess."""

from __future__ import annotations

from bisect import bisect_left

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.currencies import WORDS
from worker.covenant.durations import TIME_WORDS
from worker.covenant.limit import BARE, MONEY, TIME, Limit
from worker.covenant.quantities import Quantity
from worker.covenant.scene import TASK, Scene

#: Atoms that are looked at behind a number.
_NEAR = 9
_DATED = frozenset(str.split("by before until till bis avant"))
_CLOCK_WORDS = frozenset(
    (
        "o'clock",
        "oclock",
        "utc",
        "gmt",
        "january",
        "february",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "in the morning",
        "in the evening",
        "in the afternoon",
        "tonight",
        "tomorrow",
        "today",
        "juni",
        "juli",
        "oktober",
        "dezember",
    )
)
_MONTHS = frozenset(
    ("january", "february", "april", "june", "july", "august", "september", "october", "november", "december")
)


def is_clock(scene: Scene, at: int) -> bool:
    """Whether a quantity is a time of day or a date: "5pm", "17:00", "3 May", "by 5", "2026-05-01"."""
    atoms, atom = scene.atoms, scene.atoms[at]
    after = atoms[at + 1] if at + 1 < len(atoms) else None
    before = atoms[at - 1] if at else None
    if after is not None and after.kind == "day" and atom.kind != MONEY and after.words not in ("mon", "sun", "sat"):
        return True
    if after is not None and after.kind == "absolute" and atom.kind == BARE and after.words in _CLOCK_WORDS:
        return True
    if atom.kind != BARE:
        return False
    if before is not None and (before.kind == "day" or (before.kind == "absolute" and before.words in _MONTHS)):
        return True
    text = " ".join([token.text for token in scene.tokens[atom.first : atom.end + 3]])
    if (text.count("- ") == 2 and len(scene.tokens[atom.first].text) == 4) or _shows_clock(scene, at):
        return True
    return before is not None and any(token.text in _DATED for token in scene.tokens[before.first : before.end])


def _shows_clock(scene: Scene, at: int) -> bool:
    """Figures with a colon between them and no unit: "17:00"."""
    first, tokens = scene.atoms[at].first, scene.tokens
    if first + 2 >= len(tokens) or tokens[first + 1].text != ":" or not tokens[first + 1].glued:
        return False
    minutes = tokens[first + 2]
    return minutes.glued and len(minutes.text) == 2 and "0" <= minutes.text[0] <= "5" and "0" <= minutes.text[1] <= "9"


def bare_limit(scene: Scene, at: int, before: list[Atom], limits: list[Limit]) -> Limit | None:
    """A number without a unit: with one in its label ("timeout_ms=500"), or one we refuse to guess; else nothing."""
    atom = scene.atoms[at]
    quantity = atom.quantity
    if quantity is None:
        return None
    unit = _label_unit(scene, at)
    if unit is not None and quantity.micros is not None:
        code, worth = unit
        return Limit(
            MONEY if code else TIME,
            quantity.micros * worth // 1_000_000,
            code,
            None,
            at,
            quantity.first,
            quantity.end,
            invalid=not code and quantity.micros == 0,
        )
    if _counts_things(scene, at, before):
        return None
    like = _likeness(scene, at, before, limits)
    if like is not None and quantity.micros is not None:
        micros = quantity.micros * like.unit // 1_000_000
        return Limit(like.kind, micros, like.currency, None, at, quantity.first, quantity.end, invalid=micros == 0)
    about = _subject(before)
    if about is None:
        return None
    invalid = quantity.invalid
    return Limit(about, None, "USD", None, at, quantity.first, quantity.end, vague=not invalid, invalid=invalid)


def _counts_things(scene: Scene, at: int, before: list[Atom]) -> bool:
    """Whether a number says how many of something that is no money and no time: "max 2 tokens", "top 5 models"."""
    following = at + 1
    if following < scene.segment(at).end:
        atom = scene.atoms[following]
        while atom.words in _BETWEEN_THINGS and following + 1 < scene.segment(at).end:
            following += 1
            atom = scene.atoms[following]
        word = scene.tokens[atom.first].text
        if word in _ALSO_VERBS:
            return scene.words(at) in ("1", "one")  # "budget 5 answer soon" is two sentences
        if atom.kind in _CONTENT or word in _THINGS:
            return True
    return any([scene.tokens[atom.end - 1].text in _THINGS for atom in before[-3:]])


#: What stands between a number and what it counts.
_BETWEEN_THINGS = frozenset(
    str.split("different other more of the input output total single completion separate best top new good extra")
)
#: Nouns of a covenant's vocabulary that can be counted and are neither money nor time.
_THINGS = frozenset(
    str.split(
        "token tokens tok toks model models request requests call calls question questions query queries prompt "
        "prompts "
        "message messages answer answers reply replies response responses result results output outputs document "
        "documents file files input inputs text texts machine machines device devices laptop laptops computer "
        "computers "
        "user users people person team teams client clients customer customers task tasks job jobs thing things "
        "option "
        "options item items api apis tool tools app apps service services case cases way ways reason reasons part "
        "parts "
        "level levels point points provider providers gpu gpus endpoint endpoints server servers node nodes region "
        "regions country countries word words page pages line lines sentence sentences paragraph paragraphs "
        "character "
        "characters chars letter letters bullet bullets step steps example examples idea ideas try tries retry "
        "retries "
        "attempt attempts turn turns time times percent % name names source sources candidate candidates route routes"
    )
)
_CONTENT = frozenset((UNKNOWN, TASK))
_ALSO_VERBS = frozenset(str.split("answer reply query prompt output question request call try name source route time"))


def _likeness(scene: Scene, at: int, before: list[Atom], limits: list[Limit]) -> Quantity | None:
    """The quantity whose unit a bare number shares: the one it corrects, or the one it is bounded together with."""
    if limits and (any(atom.kind == "fix" for atom in before) or _is_corrected(scene, at, limits[-1].at)):
        return scene.atoms[limits[-1].at].quantity
    end = scene.segment(at).end
    if limits and _is_elided(scene, at, before) and scene.sentence(limits[-1].at) == scene.sentence(at):
        return scene.atoms[limits[-1].at].quantity
    if (
        end != at + 2
        or scene.words(at + 1) not in ("and", "but", "or")
        or not any(atom.kind == "upper" for atom in before)
    ):
        return None
    for atom in scene.atoms[end : end + 6]:
        if atom.quantity is not None:
            return atom.quantity if atom.quantity.unit else None
    return None


def _is_corrected(scene: Scene, at: int, earlier: int) -> bool:
    """Whether a number that stands alone comes right behind a correction: "30 seconds. Actually, 20."."""
    segment = scene.segment(at)
    after = scene.atoms[at + 1 : min(segment.end, at + _NEAR)]
    if at != segment.first or not all(atom.kind in _CLOSING for atom in after):
        return False
    fix = scene.fixes[bisect_left(scene.fixes, at) - 1] if scene.fixes else at
    return max(earlier + 1, at - 2) <= fix < at


_CLOSING = frozenset(("polite", ",", ";", ".", "rest", "upper", "scope"))


def _is_elided(scene: Scene, at: int, before: list[Atom]) -> bool:
    """Whether a bare number is a bound and nothing else: "at least 20 seconds, AT MOST 60", "..., 60 max"."""
    segment = scene.segment(at)
    after = scene.atoms[at + 1 : min(segment.end, at + _NEAR)]
    bounds = any(atom.kind in ("upper", "lower") for atom in (*before, *after))
    return bounds and all(atom.kind in _BESIDE for atom in (*before, *after))


_BESIDE = frozenset(("upper", "lower", "rest", "polite", ",", ";", ".", ")", "(", "hard", "soft", "joint", "neg", "go"))


def _subject(before: list[Atom]) -> str | None:
    """What a bare number is about: money or time, by the nearest word that says so."""
    for atom in reversed(before):
        if atom.kind == "dim" and atom.value in ("cost", "budget"):
            return MONEY
        if atom.kind == "dim" and atom.value in ("time", "deadline", "first", "whole"):
            return TIME
        if atom.kind == "do":
            if atom.value == "money":
                return MONEY
            inside = any(other.words in ("in", "within", "in under", "in less than") for other in before)
            return TIME if inside else None
        if atom.kind not in (
            "upper",
            "lower",
            "soft",
            "hard",
            "rest",
            ":",
            "in",
            "polite",
            "neg",
            "scope",
            "ask",
            "go",
            UNKNOWN,
        ):
            return None
    return None


def _label_unit(scene: Scene, at: int) -> tuple[str, int] | None:
    """The unit in the label of a number: "budget_usd: 5", "Timeout (s): 30", "time in seconds = 20"."""
    index = scene.atoms[at].first - 1
    tokens = scene.tokens
    labelled = False
    while index > 0 and tokens[index].text in (":", "=", ")", "is", "of", "]", '"', "'"):
        labelled = True
        index -= 1
    if index < 1 or not labelled:
        return None
    word, before = tokens[index], tokens[index - 1].text
    if not (word.hyphened or before in ("(", "in", "[", "per")):
        return None
    if word.text in WORDS or word.text == "$":
        return WORDS.get(word.text, ("USD", 1_000_000))
    worth = TIME_WORDS.get(word.text)
    return ("", worth) if worth else None
