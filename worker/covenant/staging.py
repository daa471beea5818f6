"""Which words of a text speak of the covenant, and which belong to the task it asks for.

A task's verb, a question word, or a word the vocabulary does not have governs its sentence: money, times and security
in it are the task's own. Constraints resume behind a comma, an "and answer ...", or a phrase that says what answering
may cost. Quoted words are always the task's.
"""

from __future__ import annotations

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.lexer import MARK, Token
from worker.covenant.reentry import is_a_price, reentry
from worker.covenant.riddles import silence_riddles
from worker.covenant.scene import ASK, INFO, TALE, TASK, WORLD, Scene, Segment

_BREAKS = frozenset((",", ";", "(", ")", "joint"))
_SKIPPED = frozenset(("rest", "polite", "joint", ",", ";", "(", ")", "'", '"', "go", "and", ":", "then"))
_QUANTITIES = frozenset(("money", "time", "bare"))
_STRONG = frozenset(
    (
        *(
            "upper",
            "lower",
            "soft",
            "hard",
            "dim",
            "do",
            "money",
            "time",
            "level",
            "prio",
            "qual",
            "need",
            "nolimit",
            "vague",
        ),
        *(
            "absolute",
            "scope",
            "nocare",
            "fix",
            "only",
            "out",
            "strip",
            "place",
            "in",
            "inject",
            "neg",
            "vaguemoney",
            "first",
        ),
    )
)
_FIRM = frozenset(
    ("upper", "lower", "soft", "hard", "do", "nolimit", "fix", "inject", "only", "out", "nocare", "absolute", "vague")
)
_LISTED = frozenset(("place", "need", "prio", "dim", "qual", "level"))
_BUT = frozenset(str.split("but pero aber mais ma maar ale though with mit avec con met"))
_ARTICLES = frozenset(
    str.split("the a an my our your his her their this that these those i we he she they it der die das le la el")
)
_NO = frozenset(str.split("no nope nein non nao nee nie"))
_LONGEST_LABEL = 24


def scene_of(tokens: list[Token], atoms: list[Atom]) -> Scene:
    """The scene that a text's atoms make."""
    scene = Scene(tokens, atoms)
    quoted = _quoted(tokens, atoms)
    scene.segments = _segments(tokens, atoms)
    scene.segment_of = [0] * len(atoms)
    for number, segment in enumerate(scene.segments):
        scene.segment_of[segment.first : segment.end] = [number] * (segment.end - segment.first)
    scene.live = [False] * len(atoms)
    scene.injected = [False] * len(atoms)
    mood, sentence = "", -1
    for number, segment in enumerate(scene.segments):
        if segment.sentence != sentence:
            mood, sentence = "", segment.sentence
            opens = True
        lead = _lead(scene, segment, quoted)
        mood = _judge(scene, number, mood, opens, lead)
        opens = opens and lead is None
        if segment.live_from is not None:
            scene.live[segment.live_from : segment.end] = [
                not inside for inside in quoted[segment.live_from : segment.end]
            ]
    silence_riddles(scene)
    scene.fixes = [at for at, atom in enumerate(atoms) if atom.kind in ("fix", "neg") and _is_fix(scene, at)]
    return scene


def _is_fix(scene: Scene, at: int) -> bool:
    """Whether an atom takes back what was said: a correction, or a "no" that stands alone."""
    atom = scene.atoms[at]
    if atom.kind == "fix" or not scene.live[at]:
        return scene.live[at]
    segment = scene.segment(at)
    if atom.words in _NO and _denies_amount(scene, at):
        return True
    if atom.words not in _NO or segment.end - segment.first > 3:
        return False
    inside = scene.atoms[segment.first : segment.end]
    return all(other.kind in ("neg", ",", ";", "rest", "polite", ".") for other in inside)


def _denies_amount(scene: Scene, at: int) -> bool:
    """ "$3, no $4": a "no" right between two amounts of a kind."""
    segment = scene.segment(at)
    if at != segment.first or at < 2 or at + 1 >= segment.end or scene.atoms[at + 1].quantity is None:
        return False
    return scene.atoms[at - 2].kind == scene.atoms[at + 1].kind


def _quoted(tokens: list[Token], atoms: list[Atom]) -> list[bool]:
    """Which atoms stand in quotation marks that are closed; quotes around the whole text say nothing."""
    quoted = [False] * len(atoms)
    opened: dict[str, int] = {}
    keyed = True
    for at, atom in enumerate(atoms):
        if not opened and atom.kind in (TASK, ASK, "."):
            keyed = atom.kind == "."
        if atom.kind not in ('"', "'"):
            continue
        begun = opened.pop(atom.words, None)
        if atom.kind == "'" and begun is None and tokens[atom.first].glued and tokens[atom.first - 1].kind != MARK:
            continue
        if begun is None:
            opened[atom.words] = at
        elif keyed and _is_pair(atoms, begun, at):
            for mark in (begun, at):
                atoms[mark] = atoms[mark]._replace(kind="rest")
        elif begun > 0 or at < len(atoms) - 2:
            quoted[begun : at + 1] = [True] * (at + 1 - begun)
    return quoted


def _is_pair(atoms: list[Atom], begun: int, at: int) -> bool:
    """Whether quotation marks hold a key or its value: {"budget": "$5"}, quality="high"."""
    if at + 1 < len(atoms) and atoms[at + 1].kind == ":":
        return True
    if begun < 2 or atoms[begun - 1].kind != ":":
        return False
    return atoms[begun - 2].kind in ("dim", "need", "noun") or atoms[begun - 2].words in ('"', "'")


def _segments(tokens: list[Token], atoms: list[Atom]) -> list[Segment]:
    found: list[Segment] = []
    first, sentence, opener = 0, 0, ""
    for at, atom in enumerate(atoms):
        ends = atom.kind == "." and not _abbreviates(tokens, atoms, at)
        breaks = ends or atom.kind in _BREAKS or (atom.kind == ":" and _is_label(atoms, first, at))
        if not breaks:
            continue
        if at >= first:
            found.append(Segment(first, at + 1, sentence, opener))
        first, opener = at + 1, "" if ends else atom.words
        sentence += ends or (atom.kind == ":" and atom.words == ":" and not _introduces(atoms, found[-1]))
    if first < len(atoms):
        found.append(Segment(first, len(atoms), sentence, opener))
    return found


def _introduces(atoms: list[Atom], label: Segment) -> bool:
    """Whether a label asks for work on what follows it: "Write an invite: ..."; "here is my limit: ..." does not."""
    lead = next((atom for atom in atoms[label.first : label.end] if atom.kind not in _SKIPPED), None)
    return lead is not None and lead.kind == TASK and " " not in lead.words


def _abbreviates(tokens: list[Token], atoms: list[Atom], at: int) -> bool:
    """Whether a full stop only shortens the word before it: "max. $5", "approx. 10 s"."""
    if at == 0 or at + 1 >= len(atoms) or atoms[at].words != "." or not tokens[atoms[at].first].glued:
        return False
    shortens = atoms[at - 1].words in (
        "max",
        "min",
        "approx",
        "ca",
        "sec",
        "secs",
        "mins",
        "hrs",
        "no",
        "e.g",
        "vs",
        "est",
    )
    return shortens and atoms[at + 1].kind in _QUANTITIES


def _is_label(atoms: list[Atom], first: int, at: int) -> bool:
    """Whether a colon ends a label that is no part of a covenant ("Task:", "Here is my rule:")."""
    if at - first > _LONGEST_LABEL:
        return False
    kinds = {atom.kind for atom in atoms[first:at]}
    if at + 1 < len(atoms) and atoms[at + 1].kind in (TASK, ASK):
        return True
    return atoms[at].words == ":" and kinds <= {"rest", "polite", UNKNOWN, "joint", TASK, ASK, "go"}


def _lead(scene: Scene, segment: Segment, quoted: list[bool]) -> int | None:
    """The first atom of a segment that says what the segment is about."""
    for at in range(segment.first, segment.end):
        kind = scene.atoms[at].kind
        if kind in _SKIPPED or kind == "." or quoted[at]:
            continue
        if kind == ASK and _is_predicate(scene, segment, at):
            continue
        if kind == "fix" and scene.words(at) == "actually" and at + 1 < segment.end and scene.atoms[at + 1].kind == ASK:
            continue
        return at
    return None


def _judge(scene: Scene, number: int, mood: str, opens: bool, lead: int | None) -> str:
    """Set where the segment's covenant part begins, and return the mood that governs the next segment."""
    segment = scene.segments[number]
    if lead is None:
        segment.live_from = None if mood else segment.first
        return mood
    atom = scene.atoms[lead]
    if atom.kind == TASK or atom.kind == ASK:
        mood = atom.value or ASK
    elif mood:
        if _resumes(scene, segment, lead, mood, number):
            segment.live_from = segment.first
            return ""
    elif atom.kind == UNKNOWN and opens:
        mood = TALE if lead > segment.first and scene.atoms[lead - 1].words in _ARTICLES else INFO
    elif atom.kind == UNKNOWN:
        segment.live_from = reentry(scene, segment, lead, INFO)
        return ""
    elif _tells(scene, segment, lead):
        mood = TALE
    else:
        segment.live_from = segment.first
        return ""
    segment.live_from = reentry(scene, segment, lead, mood)
    return "" if segment.live_from is not None else mood


def _tells(scene: Scene, segment: Segment, lead: int) -> bool:
    """Whether a covenant's word tells of something else: "the deadline for my essay", "I have a meeting"."""
    atom = scene.atoms[lead]
    following = lead + 1
    if atom.kind == "dim":
        if scene.words(following) == "at" and scene.words(following + 1) in ("work", "school", "office", "the office"):
            return True
        if scene.words(following) != "for" or following >= segment.end:
            return False
    elif atom.words not in _POSSESSING:
        return False
    while following < segment.end and scene.atoms[following].kind == "rest":
        following += 1
    return following < segment.end and scene.atoms[following].kind == UNKNOWN


_POSSESSING = frozenset(
    ("i have", "we have", "there is", "there's", "i've got", "we've got", "have", "has", "got", "i get", "you have")
)


def _is_predicate(scene: Scene, segment: Segment, lead: int) -> bool:
    """Whether "is" follows its subject ("this is confidential") and asks nothing."""
    return scene.atoms[lead].words in ("is", "are", "was", "were") and any(
        atom.kind == "rest" for atom in scene.atoms[segment.first : lead]
    )


_WITH = frozenset(("with", "mit", "avec", "con", "met"))


def _is_large(atoms: list[Atom], segment: Segment, mood: str) -> bool:
    """Whether money is more than an answer costs: "a wedding with a budget of $10,000"."""
    most = 1_000_000 if mood == WORLD else 200_000_000
    return any(
        atom.kind == "money" and atom.quantity is not None and (atom.quantity.micros or 0) >= most
        for atom in atoms[segment.first : segment.end]
    )


#: Verbs of a third person: they go on about somebody else.
_TOLD = frozenset(
    str.split("spends pays costs has gets gives takes waits uses charges spent paid took had got gave charged cost")
)


def _resumes(scene: Scene, segment: Segment, lead: int, mood: str, number: int) -> bool:
    """Whether a segment behind a task's words speaks of the covenant again."""
    atoms = scene.atoms
    inside = atoms[segment.first : segment.end]
    unknown = sum([atom.kind == UNKNOWN for atom in inside])
    kind = atoms[lead].kind
    firm = kind in _FIRM or (kind == "dim" and atoms[lead].value in ("budget", "deadline"))
    if kind == "dim" and any(atom.kind in (*_QUANTITIES, "level", "key", "nokey", ":") for atom in inside):
        firm = True
    bounded = any(atom.kind == "upper" for atom in inside)
    if kind in ("upper", "lower", "in") and mood == WORLD and is_a_price(atoms, segment, lead):
        return False
    if segment.opener in _WITH and _is_large(atoms, segment, mood):
        return False
    if segment.opener in ("and", "or", "y", "et", "und", "e", "en", "i", "o", "ou", "oder", "&", "plus", "/"):
        if kind in ("dim", "do") and (mood == TALE or atoms[lead].words in _TOLD):
            return bounded
        return firm or (kind in ("money", "time") and bounded)
    if segment.opener == ":" and (unknown or any(atom.kind in ("absolute", "vague", "day") for atom in inside)):
        return False
    if unknown:
        follows = atoms[lead + 1].kind if lead + 1 < segment.end else ""
        return firm or (kind in ("money", "time") and follows != UNKNOWN and follows != TASK)
    if kind in _LISTED and segment.opener not in _BUT:
        before = scene.segments[number - 1]
        last = [atom.kind for atom in atoms[before.first : before.end] if atom.kind not in _SKIPPED]
        stressed = any(atom.kind == "only" for atom in inside)
        if last and last[-1] == kind and not stressed and scene.segments[number - 1].live_from is None:
            return False
    return kind in _STRONG
