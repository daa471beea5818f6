"""Decides which sentences of a text answer a request: the ones that say most of what the text is about, or of what was
asked. Sentences are only chosen, never rewritten, and keep the text's order. Scores are integers.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from gateway.simulator.sentence import sentences, stems, terms

#: The most sentences one extract may have.
MAX_SENTENCES = 20

#: Characters of a text that are read for an extract; what follows is left out.
MAX_CHARACTERS = 100_000

_SHORT_TERMS = 3  # a sentence with fewer meaningful words is most likely a heading
_FIRST_PERCENT = 125
_LAST_PERCENT = 108
_ASKED_POINTS = 4_000  # for each term shared with the request
_CUE_POINTS = 6_000  # for each cue of the kind asked for

_CUES = {
    "risk": "risk fail failure penalty penalties breach terminate termination liable liability loss lose lost delay "
    "default threat danger expose exposure shortage outage vulnerable "
    "cannot unless uninsured dependency late may could if",
    "deadline": "deadline due day week month within before until date expire expiry annual year "
    "january february march april june july "
    "august september october november december",
    "cost": "cost price fee pay payment charge budget expense $ € £ usd eur percent %",
    "obligation": "must shall required obligation obliged duty agree commit undertake",
    "benefit": "benefit improve improvement gain save saving faster cheaper better increase advantage",
    "decision": "decide decided decision agreed approved chose chosen resolved",
    "action": "will must todo action assign owner next follow prepare send",
    "recommendation": "should recommend recommendation suggest advise propose",
    "finding": "found show shows result increase decrease measured observed",
    "number": "% $ € percent",
}
_CUE_ALIASES = {
    "danger": "risk", "threat": "risk", "problem": "risk", "issue": "risk", "concern": "risk", "weakness": "risk",
    "date": "deadline", "price": "cost", "fee": "cost", "duty": "obligation", "requirement": "obligation",
    "advantage": "benefit", "step": "action", "task": "action", "suggestion": "recommendation", "result": "finding",
    "figure": "number", "amount": "cost",
}  # fmt: skip
_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class _Scored:
    position: int
    text: str
    terms: frozenset[str]


def _cues(request: str) -> frozenset[str]:
    kinds = {_CUE_ALIASES.get(term, term) for term in terms(request)}
    return frozenset(cue for kind in kinds if kind in _CUES for cue in _CUES[kind].split())


def is_cue(term: str) -> bool:
    """Whether `term` names a kind of sentence ("risk", "deadline") rather than a subject."""
    return _CUE_ALIASES.get(term, term) in _CUES


def choose_sentences(text: str, count: int, *, request: str = "") -> list[str]:
    """The `count` (at most MAX_SENTENCES) sentences of `text` that carry most of it, in the text's order.

    A sentence's score is the mean weight of its terms, where a term weighs as often as the text uses it and half as
    much once a chosen sentence has it; sentences that share terms with `request`, or have the marks of the kind of
    sentence it asks for, come first.
    """
    found = sentences(text[:MAX_CHARACTERS])
    pool = [_Scored(position, sentence, frozenset(terms(sentence))) for position, sentence in enumerate(found)]
    full = [item for item in pool if len(item.terms) >= _SHORT_TERMS]
    if len(full) >= min(count, len(pool)):
        pool = full
    weights = {term: 1_000 * times for term, times in Counter(t for item in pool for t in item.terms).items()}
    asked, cues = frozenset(terms(request)), _cues(request)
    chosen: list[_Scored] = []
    while pool and len(chosen) < min(count, MAX_SENTENCES):
        best = max(pool, key=lambda item: (_score(item, weights, asked, cues, len(found)), -item.position))
        chosen.append(best)
        pool.remove(best)
        for term in best.terms:
            weights[term] //= 2
    return [item.text for item in sorted(chosen, key=lambda item: item.position)]


def _score(item: _Scored, weights: dict[str, int], asked: frozenset[str], cues: frozenset[str], total: int) -> int:
    score = sum(weights[term] for term in item.terms) // (len(item.terms) + 2)
    if item.position == 0:
        score = score * _FIRST_PERCENT // 100
    elif item.position == total - 1:
        score = score * _LAST_PERCENT // 100
    score += _ASKED_POINTS * len(item.terms & asked)
    if cues:
        marks = len(cues.intersection(stems(item.text))) + sum(1 for cue in cues if len(cue) == 1 and cue in item.text)
        score += _CUE_POINTS * min(marks, 2)
    return score


def find_about(text: str, subject: str, *, limit: int = 2, wants_number: bool = False) -> list[str]:
    """Up to `limit` sentences of `text` that share most terms with `subject`, in the text's order; empty if none does.

    A question counts as no answer. With `wants_number`, sentences with a digit come first.
    """
    asked = frozenset(terms(subject))
    found = [(sentence, frozenset(terms(sentence)) & asked) for sentence in sentences(text[:MAX_CHARACTERS])]
    times = Counter(term for _, shared in found for term in shared)
    ranked: list[tuple[int, int, str]] = []
    for position, (sentence, shared) in enumerate(found):
        if not shared or sentence.endswith("?"):
            continue
        points = sum(1_000 + 1_000 // times[term] for term in shared)
        if wants_number and _DIGIT.search(sentence):
            points += 900
        ranked.append((-points, position, sentence))
    ranked.sort()
    if not ranked:
        return []
    # A second sentence is worth saying only if it is nearly as much to the point as the first.
    kept = [item for item in ranked[:limit] if item[0] * 3 <= ranked[0][0] * 2]
    return [sentence for _, _, sentence in sorted(kept, key=lambda item: item[1])]


def find_topics(text: str, count: int) -> list[str]:
    """The `count` terms `text` uses most, the earlier first among equals; numbers and single letters don't count."""
    spoken = [term for term in terms(text[:MAX_CHARACTERS]) if len(term) > 2 and not _DIGIT.match(term)]
    first = {term: position for position, term in reversed(list(enumerate(spoken)))}
    times = Counter(spoken)
    return sorted(first, key=lambda term: (-times[term], first[term]))[:count]
