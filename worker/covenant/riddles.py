"""Word problems: what is told before "how much is left?" belongs to the question, its amounts too."""

from __future__ import annotations

from worker.covenant.atoms import UNKNOWN
from worker.covenant.scene import ASK, TASK, Scene, Segment

_ASKED = frozenset(str.split("much many long far old fast tall heavy"))
_SUBJECTS = frozenset(str.split("he she they it i we his her their each one"))
_SUPPOSING = frozenset(str.split("if suppose assume when say given"))
_TAKEN_UP = frozenset(
    str.split("he she they it i we him her them left change altogether total now more remain remains each cost costs")
)
_LONGEST_QUESTION = 40
_MOST_SENTENCES = 6


def silence_riddles(scene: Scene) -> None:
    """Set what a word problem tells to be no covenant: the tale up to its question, and "if ..." in the question."""
    told: list[Segment] = []
    begun, asking = False, -1
    for segment in scene.segments:
        if told and segment.sentence - told[0].sentence > _MOST_SENTENCES:
            told, begun = [], False
        if _asks(scene, segment) and (not told or _is_about_it(scene, segment)):
            for before in told:
                _silence(scene, before)
            asking = segment.sentence if told else -1
            told, begun = [], False
        elif segment.sentence == asking:  # "How many can I buy with $10?"
            _silence(scene, segment)
        else:
            begun = begun or _begins(scene, segment)
            if begun and _goes_on(scene, segment, told):
                told.append(segment)


def _silence(scene: Scene, segment: Segment) -> None:
    scene.live[segment.first : segment.end] = [False] * (segment.end - segment.first)


def _asks(scene: Scene, segment: Segment) -> bool:
    """Whether a segment asks for a number: "how much ...", "what is the total ..."."""
    for at in range(segment.first, segment.end):
        if scene.atoms[at].kind == ASK:
            return scene.atoms[at].words.startswith("how") and scene.words(at + 1) in _ASKED
    return False


def _is_about_it(scene: Scene, segment: Segment) -> bool:
    """Whether a question takes up what was told: "how much is LEFT", "how many must SHE sell for $96"."""
    sentence, at = segment.sentence, segment.first
    while at < min(len(scene.atoms), segment.first + _LONGEST_QUESTION) and scene.sentence(at) == sentence:
        atom = scene.atoms[at]
        words = [token.text for token in scene.tokens[atom.first : atom.end]]
        if atom.quantity is not None or any([word in _TAKEN_UP for word in words]):
            return True
        at += 1
    return False


def _begins(scene: Scene, segment: Segment) -> bool:
    """Whether a segment begins a tale: a stranger does something, "if I have $20"."""
    first = scene.atoms[segment.first]
    if first.words in _SUPPOSING:
        return True
    dead = not scene.live[segment.first]
    subject = first.words in _SUBJECTS and any(
        atom.kind in (TASK, UNKNOWN) for atom in scene.atoms[segment.first : segment.end]
    )
    return subject or (dead and first.kind == UNKNOWN) or (dead and first.words in ("a", "an", "two", "three", "the"))


def _goes_on(scene: Scene, segment: Segment, told: list[Segment]) -> bool:
    """Whether a segment belongs to the tale: it does, unless it opens a sentence with words of a covenant."""
    if told and told[-1].sentence == segment.sentence:
        return True
    first = scene.atoms[segment.first]
    return first.words in _SUBJECTS or first.words in _SUPPOSING or not scene.live[segment.first]
