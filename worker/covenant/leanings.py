"""What a covenant leans to, its priority and its quality: levels ("quality: high"), subjects and outright words."""

from __future__ import annotations

from worker.covenant.atoms import UNKNOWN
from worker.covenant.leaning import ABOUT, PRIORITY, QUALITY, UP, Leaning, atoms_after, atoms_before
from worker.covenant.limit import QUANTITIES
from worker.covenant.ranking import ranked
from worker.covenant.scene import TASK, Scene

#: Level and subject -> what they ask for together; what is not here asks for nothing.
_COMPOSED: dict[tuple[str, str], tuple[str, str]] = {
    ("up", "quality"): (QUALITY, "high"),
    ("mid", "quality"): (QUALITY, "medium"),
    ("down", "quality"): (QUALITY, "low"),
    ("up", "security"): (PRIORITY, "max_security"),
    ("up", "speed"): (PRIORITY, "max_performance"),
    ("down", "time"): (PRIORITY, "max_performance"),
    ("down", "cost"): (PRIORITY, "cost_optimized"),
}
#: Levels that speak of quality when nothing else is named.
_ALONE = {
    **dict.fromkeys(
        str.split(
            "best excellent superb exceptional outstanding perfect premium flawless impeccable stellar "
            "pristine superior finest "
            "professional supreme"
        ),
        "high",
    ),
    **dict.fromkeys(
        (
            "first class",
            "first rate",
            "top notch",
            "top tier",
            "world class",
            "best possible",
            "very good",
            "really good",
            "state of the art",
            "gold standard",
            "production grade",
            "optimum",
            "great",
        ),
        "high",
    ),
    **dict.fromkeys(
        str.split("medium moderate average decent good mediocre fair passable adequate respectable solid satisfactory"),
        "medium",
    ),
    **dict.fromkeys(
        ("good enough", "fairly good", "pretty good", "mid range", "half decent", "so so", "gut", "standard"), "medium"
    ),
}
_LINKS = frozenset(("rest", ":", "hard", "only", "polite", "go", "ask", "do", "upper", "in", "neg_be", "lower"))
#: Words for work that is secret, where they open a stretch; and what only talks of secrecy.
_SECRET = frozenset(("confidential", "highly confidential", "strictly confidential", "strictly private", "top secret"))
_TALKED = frozenset(str.split("informant informants computing mode tone voice stamp documentary recipe recipes"))
#: What an adjective of a covenant may stand before: names of the service itself.
_SERVICE = frozenset(
    str.split(
        "setup approach solution configuration config choice variant package mix handling treatment execution trade "
        "alternative outcome combination arrangement offering style turnaround pace route variety bet flavour flavor "
        "compromise mixture version course pick selection policy scheme"
    )
)
_MODIFIED = frozenset((UNKNOWN, TASK))
_FILLERS = frozenset(str.split("possible the of level levels good response answer output result overall"))


def leanings_of(scene: Scene) -> list[Leaning]:
    """Priorities and qualities a scene asks for, in order; those set aside do not stand."""
    found: list[Leaning] = []
    begin = 0
    for number, segment in enumerate(scene.segments, 1):
        if number == len(scene.segments) or scene.segments[number].sentence != segment.sentence:
            found.extend(_of_sentence(scene, begin, segment.end))
            begin = segment.end
    _correct(scene, found)
    return found


_LEANING = frozenset(("prio", "dim", "qual", "level"))


def _of_sentence(scene: Scene, begin: int, end: int) -> list[Leaning]:
    atoms = scene.atoms
    items = [
        at
        for at in range(begin, end)
        if atoms[at].kind in _LEANING
        and (atoms[at].kind != "dim" or atoms[at].value in ABOUT)
        and scene.live[at]
        and not scene.injected[at]
    ]
    if not items:
        return []
    active = [at for at in range(begin, end) if scene.live[at] and not scene.injected[at]]
    first_of = ranked(scene, active, items)
    if first_of:
        return first_of
    found: list[Leaning] = []
    used: set[int] = set()
    for at in items:
        atom = atoms[at]
        if at in used:
            continue
        if atom.kind == "level":
            leaning = _levelled(scene, at, used)
        elif atom.kind == "dim":
            leaning = _spoken_of(scene, at, used)
        else:
            leaning = Leaning(PRIORITY if atom.kind == "prio" else QUALITY, atom.value, at, atom.first, atom.end)
            if _modifies(scene, at):
                continue
        if leaning is not None:
            _weigh(scene, leaning)
            found.append(leaning)
    return found


def _modifies(scene: Scene, at: int) -> bool:
    """Whether a word only describes a thing of the task: "cheap hotel", "a rough sea"; "a cheap setup" is none."""
    following, end = at + 1, scene.segment(at).end
    if following >= end or scene.atoms[following].kind not in _MODIFIED:
        return False
    if scene.words(at) in _SECRET and at == scene.segment(at).first and scene.words(following) not in _TALKED:
        return False  # "Confidential legal memo": what is worked on is secret
    if scene.words(following) not in _SERVICE:
        return True
    return following + 1 < end and scene.atoms[following + 1].kind in _MODIFIED


def _weigh(scene: Scene, leaning: Leaning) -> None:
    """Set aside what is negated or not cared about, and mark what is only wished for."""
    before = atoms_before(scene, leaning.at)
    for atom in before:
        if atom.kind in ("neg", "nocare") or (
            atom.kind == "hard" and atom.words in ("never", "must not", "cannot", "can't")
        ):
            leaning.stands = False
        elif atom.kind == "soft" and atom.words not in (
            "prefer",
            "i'd prefer",
            "i would prefer",
            "would like",
            "i'd like",
            "i would like",
            "i'd love",
        ):
            leaning.soft = True
    for atom in atoms_after(scene, leaning.at):
        if atom.kind == "nokey" or atom.kind == "too":
            leaning.stands = False
        elif atom.kind == "soft":
            leaning.soft = True
        elif atom.kind == "neg" and leaning.at + 2 >= scene.segment(leaning.at).end:
            leaning.stands = False


def _levelled(scene: Scene, at: int, used: set[int]) -> Leaning | None:
    """A level with what it is a level of, named behind it or before it; or quality, for some words that stand alone."""
    atoms, segment = scene.atoms, scene.segment(at)
    level = atoms[at].value
    following = at + 1
    while following < segment.end and (
        atoms[following].kind in ("rest", "level") and atoms[following].words in _FILLERS
    ):
        following += 1
    if following < segment.end and atoms[following].kind == "dim" and atoms[following].value in ABOUT:
        used.add(following)
        return _composed(scene, at, following, level, ABOUT[atoms[following].value])
    before = at - 1
    while before >= segment.first and atoms[before].kind in _LINKS:
        before -= 1
    if before >= segment.first and atoms[before].kind == "dim" and atoms[before].value in ABOUT:
        used.add(before)
        return _composed(scene, before, at, level, ABOUT[atoms[before].value])
    alone = _ALONE.get(atoms[at].words)
    if alone is None or _modifies(scene, at):
        return None
    if (
        any(atom.kind in ("dim", "money", "time") for atom in atoms[max(segment.first, at - 10) : at])
        and following < segment.end - 1
    ):
        return None
    return Leaning(QUALITY, alone, at, atoms[at].first, atoms[at].end)


def _composed(scene: Scene, first: int, last: int, level: str, about: str) -> Leaning | None:
    composed = _COMPOSED.get((level, about))
    if composed is None:
        return None
    end = scene.atoms[last].end
    segment = scene.segment(first)
    behind = scene.atoms[last + 1 : min(segment.end, last + 9)]
    if about in ("cost", "time") and any(atom.quantity is not None for atom in behind):
        return None
    if last + 1 < segment.end and scene.atoms[last + 1].kind in _MODIFIED and scene.atoms[last].kind == "dim":
        return None
    return Leaning(composed[0], composed[1], first, scene.atoms[first].first, end)


def _spoken_of(scene: Scene, at: int, used: set[int]) -> Leaning | None:
    """A subject that is named: with a level, as a priority, as something that matters; else it says nothing."""
    atoms, segment, atom = scene.atoms, scene.segment(at), scene.atoms[at]
    about = ABOUT[atom.value]
    following = at + 1
    while following < segment.end and atoms[following].kind in _LINKS:
        following += 1
    after = atoms[following] if following < segment.end else None
    if after is not None and after.kind == "level":
        used.add(following)
        return _composed(scene, at, following, after.value, about)
    if after is not None and after.kind == "qual" and about == "quality":
        return None
    if after is not None and (after.kind == "nokey" or after.kind in QUANTITIES):
        return _figured(scene, at, following) if after.kind == "bare" and about == "quality" else None
    if at + 2 < segment.end + 1 and _is_maximal(scene, at):
        return _composed(scene, at, at + 2, "up", about)
    important = after is not None and after.kind in ("key", "first")
    if not important and _echoes(scene, at):
        return _wanted(about, at, atom.first, atoms[at + 1].end)
    if any(
        other.kind == "lower" and other.words in ("min", "minimum") for other in atoms[max(segment.first, at - 1) : at]
    ):
        composed = _COMPOSED.get(("down", about))
        has_quantity = any(
            other.quantity is not None for other in atoms[max(segment.first, at - 9) : min(segment.end, at + 9)]
        )
        return None if composed is None or has_quantity else Leaning(*composed, at, atoms[at - 1].first, atom.end)
    if any(other.kind == "upper" for other in atoms[max(segment.first, at - 1) : at]) and about in (
        "speed",
        "security",
        "quality",
    ):
        return _composed(scene, at, at, "up", about)
    asked = _is_asked(scene, at)
    bare = about in ("speed", "security") and _is_bare(scene, at)
    if not (important or asked or bare):
        return None
    return _wanted(about, at, atom.first, atoms[following].end if important else atom.end)


def _is_maximal(scene: Scene, at: int) -> bool:
    """ "security: max": a subject whose value is a bound of nothing."""
    segment, atoms = scene.segment(at), scene.atoms
    if at + 2 >= segment.end or atoms[at + 1].kind not in (":", "ask") or not atoms[at + 2].words.startswith("max"):
        return False
    return at + 3 >= segment.end or atoms[at + 3].kind in (",", ";", ".", ")", "joint")


def _echoes(scene: Scene, at: int) -> bool:
    """ "cost isn't important, but security IS": a bare verb after something was said not to matter."""
    segment, atoms = scene.segment(at), scene.atoms
    if at + 1 >= segment.end or atoms[at + 1].words not in ("is", "does", "are", "do") or at < 2:
        return False
    ended = segment.end <= at + 4 and all(
        atom.kind in (",", ";", ".", "joint", "polite") for atom in atoms[at + 2 : segment.end]
    )
    earlier = atoms[min(max(0, at - 10), segment.first) : segment.first]
    return ended and any(atom.kind in ("nokey", "neg", "nocare") for atom in earlier)


def _wanted(about: str, at: int, first: int, end: int) -> Leaning:
    if about == "quality":
        return Leaning(QUALITY, "high", at, first, end)
    return Leaning(PRIORITY, UP[about], at, first, end)


def _figured(scene: Scene, at: int, number: int) -> Leaning | None:
    """ "quality 8/10", "quality: 0.9": a figure on the usual scales, of 1, of 10 or of 100."""
    quantity = scene.atoms[number].quantity
    if quantity is None or quantity.micros is None:
        return None
    micros = quantity.micros
    percent = micros * 100 if micros <= 1_000_000 else micros * 10 if micros <= 10_000_000 else micros
    value = "high" if percent >= 75_000_000 else "medium" if percent >= 40_000_000 else "low"
    return Leaning(QUALITY, value, at, scene.atoms[at].first, scene.atoms[number].end)


def _is_asked(scene: Scene, at: int) -> bool:
    """Whether a priority is named before the subject in its sentence: "optimise for cost", "I care about speed"."""
    begin, sentence = at - 1, scene.sentence(at)
    while begin >= max(0, at - 8) and scene.sentence(begin) == sentence:
        atom = scene.atoms[begin]
        if atom.kind == "dim" and atom.value == "priority":
            return True
        if atom.kind not in ("rest", ":", "ask", "only", "joint", ",", "dim", "go", "polite", "neg", "key", "do"):
            return False
        begin -= 1
    after = scene.atoms[at + 1 : min(scene.segment(at).end, at + 5)]
    return any(atom.kind == "dim" and atom.value == "priority" for atom in after) and all(
        atom.kind in ("dim", "rest", "ask", ",", ".", "polite") for atom in after
    )


def _is_bare(scene: Scene, at: int) -> bool:
    """Whether a segment names the subject and nothing else: "$3, 15s, security"."""
    segment = scene.segment(at)
    if segment.end - segment.first > 12:
        return False
    inside = [scene.atoms[index] for index in range(segment.first, segment.end) if index != at]
    balanced = any(atom.kind == "prio" and atom.value == "balanced" for atom in scene.atoms[max(0, at - 6) : at])
    return not balanced and all(
        atom.kind in ("rest", "polite", ",", ";", ".", "joint", ")", "(", "fix") for atom in inside
    )


def _correct(scene: Scene, found: list[Leaning]) -> None:
    """Take back earlier leanings of a field that a correction replaces."""
    fixes = scene.fixes
    if not fixes:
        return
    for field in (PRIORITY, QUALITY):
        same = [leaning for leaning in found if leaning.field == field and leaning.stands]
        pending, index = 0, 0
        for position, leaning in enumerate(same):
            while index < len(fixes) and fixes[index] < leaning.at:
                if (
                    position
                    and fixes[index] > same[position - 1].at
                    and scene.sentence(leaning.at) <= scene.sentence(fixes[index]) + 1
                ):
                    pending = position
                index += 1
        for leaning in same[:pending]:
            leaning.stands = False
