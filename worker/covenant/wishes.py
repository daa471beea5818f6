"""Places, requirements, times of the calendar, words too vague to be a limit, and attempts to override."""

from __future__ import annotations

from dataclasses import dataclass

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.limit import QUANTITIES
from worker.covenant.places import LANGUAGES
from worker.covenant.scene import TASK, Scene

_NEVER = frozenset(
    (
        "never",
        "must not",
        "mustn't",
        "cannot",
        "can not",
        "can't",
        "may not",
        "shall not",
        "under no circumstances",
        "on no account",
        "in no case",
    )
)
_HERE = frozenset(
    str.split(
        "machine device laptop computer network building office premises box house desktop server phone system room"
    )
)
_LINKING = frozenset((":", "=", '"', "-", "is", "must be", "should be", "are", "be", "->", "must", "should"))
_NO_VALUES = frozenset(
    (
        *("no", "off", "none", "false", "never", "disabled", "forbidden", "prohibited", "not allowed", "denied"),
        *("not permitted", "switched off", "turned off", "disallowed", "nope", "zero", "banned", "out", "is out"),
    )
)
_STANDARDS = frozenset(("gdpr", "hipaa", "soc2", "pci_dss", "fips"))
_CUES = frozenset(("in", "host", "only", "dim", "do", "out", "neg", "hard", "leave"))


@dataclass(slots=True)
class Wish:
    """One thing asked for or flagged: `field` and `value` of the data set, from tokens `first` to `end`."""

    rule: str
    field: str
    value: str
    first: int
    end: int
    stands: bool = True


def wishes_of(scene: Scene) -> list[Wish]:
    """The places and requirements a scene asks for, in order."""
    found: list[Wish] = []
    mode = ""
    for at, atom in enumerate(scene.atoms):
        if atom.kind not in _WISHED or not scene.live[at] or scene.injected[at]:
            continue
        if atom.kind == "place":
            mode = _place_mode(scene, at, mode)
            if mode and not _describes(scene, at) and not _is_language(scene, at):
                field = "residency" if mode == "in" else "residency_exclude"
                found.append(Wish("residency.region", field, atom.value, atom.first, atom.end))
        elif atom.kind == "need":
            wish = Wish("requirement.named", "requirements", atom.value, atom.first, atom.end)
            wish.stands = not _refused(scene, at)
            if atom.value in _STANDARDS or not _describes(scene, at):
                found.append(wish)
        elif atom.kind == "noun" and _is_carried(scene, at):
            found.append(Wish("requirement.named", "requirements", atom.value, atom.first, atom.end))
        elif atom.kind == "host" and atom.words in ("storage", "stored") and _is_valued_no(scene, at):
            found.append(Wish("requirement.named", "requirements", "no_logging", atom.first, atom.end))
        elif atom.kind == "strip":
            found.extend(_stripped(scene, at))
        elif atom.kind == "leave":
            found.extend(_left(scene, at))
    return _corrected(scene, found)


_WISHED = frozenset(("place", "need", "noun", "host", "strip", "leave"))


def _is_valued_no(scene: Scene, at: int) -> bool:
    """Whether a label's value is a no: "training: no", "logging = off", "retention is disabled"."""
    segment, begin = scene.segment(at), at + 1
    linked = False
    while begin < segment.end and scene.atoms[begin].words in _LINKING:
        linked, begin = True, begin + 1
    return linked and begin < segment.end and scene.words(begin) in _NO_VALUES


def _is_carried(scene: Scene, at: int) -> bool:
    """Whether a noun is denied too: "without logging or TRAINING", "no storage and no use for TRAINING"."""
    segment = scene.segment(at)
    if scene.atoms[at].value != "local_only" and _is_valued_no(scene, at):
        return True
    if any(atom.kind == "place" for atom in scene.atoms[at : min(segment.end, at + 6)]):
        return False
    before = scene.atoms[max(segment.first, at - 8) : at]
    if any(atom.kind in ("neg", "out") or (atom.kind == "hard" and atom.words in _NEVER) for atom in before):
        return not any(atom.kind == "place" for atom in before)
    if scene.atoms[at].value == "local_only":
        return False
    before = scene.atoms[max(0, segment.first - 6) : segment.first]
    denied = any(
        (atom.kind == "need" and atom.value in ("no_logging", "no_training"))
        or (atom.kind == "noun" and any(other.kind in ("neg", "hard") for other in before))
        for atom in before
    )
    return (
        denied
        and segment.opener in ("or", "nor", "and", ",", "/")
        and all(
            atom.kind in ("noun", "rest", "joint", ",", ".", ";") for atom in scene.atoms[segment.first : segment.end]
        )
    )


def _describes(scene: Scene, at: int) -> bool:
    following = at + 1
    return following < scene.segment(at).end and scene.atoms[following].kind in (UNKNOWN, TASK)


def _is_language(scene: Scene, at: int) -> bool:
    """Whether an adjective names a language: nothing that stands in a place follows it."""
    atoms = scene.atoms
    if atoms[at].words not in LANGUAGES:
        return False
    return not any(atom.kind in ("host", "only") for atom in atoms[at + 1 : at + 6])


def _place_mode(scene: Scene, at: int, mode: str) -> str:
    """Whether a place is wanted ("in"), excluded ("out") or only mentioned ("")."""
    segment = scene.segment(at)
    inside = scene.atoms[max(segment.first, at - 16) : min(segment.end, at + 16)]
    before = scene.atoms[max(segment.first, at - 10) : at]
    if mode and _goes_on(scene, segment.first, at, inside):
        return mode
    if _is_speakers(scene, at):
        return ""
    out = any(atom.kind == "out" or atom.words in ("beyond", "instead of", "rather than") for atom in before)
    leave = any(atom.kind == "leave" for atom in before)
    negated = any(atom.kind == "neg" or (atom.kind == "hard" and atom.words in _NEVER) for atom in before)
    if leave:
        return "in" if negated else ""
    cued = any(atom.kind in _CUES for atom in inside)
    if not cued and any(atom.kind == UNKNOWN for atom in inside):
        return ""
    if negated and _allowed_after(scene, at):
        return ""
    return "out" if negated != out else "in"


def _is_speakers(scene: Scene, at: int) -> bool:
    """Whether a place is where the speaker is, not the data: "I live in Canada", "we're from Spain"."""
    sentence, first = scene.sentence(at), at
    while first > 0 and at - first < _SPEAKER_REACH and scene.sentence(first - 1) == sentence:
        first -= 1
    words = [token.text for token in scene.tokens[scene.atoms[first].first : scene.atoms[at].first]]
    subject = next((index for index, word in enumerate(words) if word in _SPEAKERS), None)
    if subject is None:
        return False
    verb = next((word for word in words[subject + 1 : subject + 4] if word in _DWELLING), None)
    return verb is not None or (
        words[subject][-3:] in ("i'm", "'re", "e's") and words[subject + 1 :][:1] in (["in"], ["from"])
    )


_SPEAKER_REACH = 6
_SPEAKERS = frozenset(
    str.split(
        "i we i'm we're i've we've he she he's she's family wife husband mother father friend boss brother sister"
    )
)
_DWELLING = frozenset(
    str.split(
        "live lives living lived am are from born work works working study moved moving travel travelling traveling "
        "flying fly visiting grew"
    )
)


def _goes_on(scene: Scene, first: int, at: int, inside: list[Atom]) -> bool:
    """Whether a segment only carries a list of places on: ", Russia", "or Iran"."""
    opener = scene.segment(at).opener
    listed = opener in (",", "or", "and", "/", "&", "oder", "und", "et", "ou", "y", "o", "e", "en", "nor", "i")
    return listed and all(
        atom.kind in ("place", "rest", "in", "joint", ",", ";", ".", "polite", "host") for atom in inside
    )


def _allowed_after(scene: Scene, at: int) -> bool:
    before = scene.atoms[max(scene.segment(at).first, at - 8) : at]
    return any(
        atom.words
        in (
            "doesn't need",
            "don't need",
            "need not",
            "needn't",
            "doesn't have to",
            "does not have to",
            "don't have to",
            "no need for",
            "does not need",
            "not necessarily",
        )
        for atom in before
    )


def _refused(scene: Scene, at: int) -> bool:
    """Whether a requirement is said not to be one: "no HIPAA needed", "GDPR doesn't apply"."""
    segment = scene.segment(at)
    atoms = scene.atoms
    after = atoms[at + 1 : min(segment.end, at + 5)]
    if after and (
        after[0].kind in ("nokey", "nolimit")
        or (len(after) > 1 and after[1].kind == "nokey" and after[0].kind in ("dim", "rest", "ask"))
        or _is_valued_no(scene, at)
    ):
        return True
    begin = at
    while begin > max(segment.first, at - 5) and atoms[begin - 1].kind not in (*QUANTITIES, "need", "prio", "place"):
        begin -= 1
    return any(atom.kind in ("neg", "nocare") for atom in atoms[begin:at])


def _stripped(scene: Scene, at: int) -> list[Wish]:
    """ "remove PII", "strip all names from it"."""
    segment, atoms = scene.segment(at), scene.atoms
    for other in range(at + 1, min(segment.end, at + 6)):
        if atoms[other].kind == "pii":
            refused = any(atom.kind in ("neg", "nocare") for atom in atoms[max(segment.first, at - 3) : at])
            return [
                Wish(
                    "requirement.redaction",
                    "requirements",
                    "redact_pii",
                    atoms[at].first,
                    atoms[other].end,
                    not refused,
                )
            ]
        if atoms[other].kind not in ("rest", "polite", "only") and atoms[other].words != "any":
            break
    for other in range(at - 1, max(segment.first, at - 6) - 1, -1):
        if atoms[other].kind == "pii":
            return [Wish("requirement.redaction", "requirements", "redact_pii", atoms[other].first, atoms[at].end)]
    return []


def _left(scene: Scene, at: int) -> list[Wish]:
    """ "must never leave this laptop": on this machine only."""
    segment, atoms = scene.segment(at), scene.atoms
    negated = any(
        atom.kind == "neg" or (atom.kind == "hard" and atom.words in _NEVER)
        for atom in atoms[max(segment.first, at - 10) : at]
    )
    for other in range(at + 1, min(segment.end, at + 6)):
        if negated and atoms[other].words in _HERE:
            return [Wish("requirement.named", "requirements", "local_only", atoms[at].first, atoms[other].end)]
    return []


def _corrected(scene: Scene, found: list[Wish]) -> list[Wish]:
    """Take back places that a correction in a later segment replaces."""
    places = [wish for wish in found if wish.field == "residency"]
    if len(places) < 2:
        return found
    fixes = [atom.first for at, atom in enumerate(scene.atoms) if atom.kind == "fix" and scene.live[at]]
    last = max([first for first in fixes if places[0].first < first < places[-1].first], default=-1)
    for wish in places:
        if wish.first < last:
            wish.stands = False
    return found


def flags_of(scene: Scene, dated: list[int]) -> list[Wish]:
    """Words that are flagged: dates and times of day, vague times and amounts, and what can't be a limit at all."""
    found = [
        Wish("time.absolute", "flags", "absolute_time", scene.atoms[at].first, scene.atoms[at].end) for at in dated
    ]
    for at, atom in enumerate(scene.atoms):
        if atom.kind not in _FLAGGED or not scene.live[at] or scene.injected[at] or atom.quantity is not None:
            continue
        flag = _FLAGS.get(atom.kind)
        if atom.kind == "day" and _is_dated(scene, at):
            flag = "absolute_time"
        if flag is not None and not _about_content(scene, at):
            found.append(Wish(f"flag.{flag}", "flags", flag, atom.first, atom.end))
        elif atom.kind == "dim":
            found.extend(_nonsense(scene, at))
    return found


_FLAGS = {
    "absolute": "absolute_time",
    "vague": "ambiguous_time",
    "vaguemoney": "ambiguous_budget",
    "nan": "invalid",
}
_FLAGGED = frozenset((*_FLAGS, "day", "dim"))


def _about_content(scene: Scene, at: int) -> bool:
    following = at + 1
    return (
        scene.atoms[at].kind == "absolute"
        and following < scene.segment(at).end
        and scene.atoms[following].kind == UNKNOWN
    )


def _is_dated(scene: Scene, at: int) -> bool:
    before = scene.words(at - 1)
    return before in ("by", "before", "until", "till", "on", "bis", "this", "next") or (
        at > 0 and scene.atoms[at - 1].kind in ("number", "bare")
    )


def _nonsense(scene: Scene, at: int) -> list[Wish]:
    """ "budget: banana", "negative budget": a label whose value is none."""
    atoms, segment, atom = scene.atoms, scene.segment(at), scene.atoms[at]
    if atom.value not in ("budget", "deadline", "cost", "time"):
        return []
    if at > segment.first and atoms[at - 1].words in ("negative", "minus"):
        return [Wish("limit.invalid", "flags", "invalid", atoms[at - 1].first, atom.end)]
    valued = at + 2 < segment.end and atoms[at + 1].kind == ":" and atoms[at + 2].kind == UNKNOWN
    if valued and not any(other.quantity is not None for other in atoms[at + 2 : min(segment.end, at + 10)]):
        return [Wish("limit.invalid", "flags", "invalid", atom.first, atoms[at + 2].end)]
    return []
