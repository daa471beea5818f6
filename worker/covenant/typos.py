"""Slips of the finger in long words of money, time and quality: one edit, or two in a word of nine letters or more.

Only words that no dictionary has are mended: a list keeps the real words that lie one edit away ("headline").
"""

from __future__ import annotations

_MENDED = str.split(
    "budget timeout deadline seconds second minutes minute hours dollars dollar euros cents quality "
    "security maximum minimum "
    "request performance encrypted possible cheapest fastest privacy accuracy balanced priority "
    "confidential millisecond "
    "milliseconds million latency response residency compliance compliant encryption anonymize retention "
    "premium medium "
    "monthly overall altogether cheaply quickly immediately instantly offline logging training ignore previous "
    "instructions within spend answer maximal germany switzerland europe european highest lowest optimized decent"
)
_REAL = frozenset(
    str.split(
        "collar headline qualify equality bequest answered answerer unbalanced balances seconded "
        "vastest "
        "lodging lagging jogging draining straining slogging flogging clogging recent docent descent cheapens "
        "euro hour house "
        "houses yours fours tours hourly tents scents cells bents dents rents vents gents lents minion billion "
        "trillion "
        "mission promise premiums praetorium tedium stadium mediums security's lowers highness offlines spends "
        "spent upend "
        "answers within's wither ignored ignores ignorer previously reigned timely timeouts budgets fidget "
        "gadget widget "
        "midget nugget budged budges budge deadlines scatter requests required bequests possibly impossible "
        "passible passable "
        "sensible plausible prince private privates pirates privy piracy primacy tracing straining raining "
        "training's craining "
        "potency latent lateral patency agency fluency tendency responses responsive reminder recency decency "
        "regency resilience "
        "germans german germane geranium cheaper cheapen cheats fasten fasted fattest eldest lowliest slowest "
        "nearest honest "
        "conquest modest forest harvest interest request's overhaul overalls overfall overcall overlap "
        "minimums maximums maximize "
        "minimize minimal balance trance seconds' instant instance constantly distantly hugest nighest moments "
        "monthly's months"
    )
)
#: Words of four letters, mended only where two neighbours are swapped.
_SHORT = ("high", "fast", "best", "cost", "most", "hour", "cent", "euro", "mode", "good", "each")
_CORRECT = frozenset(_MENDED)
#: Every spelling with one letter left out -> the word it came from.
_SHORTER: dict[str, str] = {word[:cut] + word[cut + 1 :]: word for word in _MENDED for cut in range(len(word))}


def mended(word: str) -> str | None:
    """The word of the vocabulary that `word` is a slip of, or None."""
    if word in _REAL or word in _CORRECT or len(word) > 16:
        return None
    if len(word) == 4:
        swapped = {word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :] for cut in range(3)}
        return next((correct for correct in _SHORT if correct in swapped), None)
    if word in _SHORTER:
        return _SHORTER[word]
    for cut in range(len(word)):
        shorter = word[:cut] + word[cut + 1 :]
        if shorter in _CORRECT:
            return shorter
        correct = _SHORTER.get(shorter)
        if correct and correct not in _REAL and _slips(word, correct) == 1:
            return correct
    if len(word) >= 8:
        return _mended_twice(word)
    return None


#: Slips in units that are too short to be mended anywhere but behind a number: a letter left out, twice, or swapped.
_UNITS = ("bucks", "dollars", "dollar", "cents", "euros", "seconds", "second", "minutes", "minute", "hours")
_UNIT_SLIPS: dict[str, str] = {
    slip: unit
    for unit in _UNITS
    for cut in range(1, len(unit))
    for slip in (
        unit[:cut] + unit[cut + 1 :],
        unit[:cut] + unit[cut] + unit[cut:],
        unit[: cut - 1] + unit[cut] + unit[cut - 1] + unit[cut + 1 :],
    )
    if slip not in _UNITS and slip not in ("buck", "cent", "euro", "hour", "cens")
}


def mended_unit(word: str) -> str | None:
    """The unit that `word`, right behind a number, is a slip of, or None."""
    return _UNIT_SLIPS.get(word)


def _mended_twice(word: str) -> str | None:
    for correct in _MENDED:
        alike = len(correct) >= 9 and abs(len(correct) - len(word)) <= 2 and correct[0] == word[0]
        if alike and _slips(word, correct) <= 2:
            return correct
    return None


def _slips(word: str, correct: str) -> int:
    """The number of letters added, left out, mistaken or swapped with the next (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(correct) + 1))
    for index, letter in enumerate(word, 1):
        older, before, row = before, row, [index]
        for other, wanted in enumerate(correct, 1):
            cost = min(before[other] + 1, row[-1] + 1, before[other - 1] + (letter != wanted))
            if index > 1 and other > 1 and letter == correct[other - 2] and word[index - 2] == wanted:
                cost = min(cost, older[other - 2] + 1)
            row.append(cost)
    return row[-1]
