"""Where a covenant goes on inside a task's words: "for under 5 cents", "within 10 s", "as fast as possible"."""

from __future__ import annotations

from worker.covenant.atoms import Atom
from worker.covenant.scene import ASK, TALE, WORLD, Scene, Segment

_TINY_USD = 1_000_000
_USUAL_USD = 20_000_000
_ANSWER_US = 60_000_000
_NESTED = frozenset(str.split("that who which how where whose whom when why dass qui que che quien"))
_LINKS = frozenset(str.split("for with a an the of at on using my about around in within by is spending as"))
_WEAK = frozenset(("under", "below", "less than", "up to", "for", "at", "over", "above"))
_ADVERBS = frozenset(
    str.split(
        "asap offline locally instantly immediately urgently now pronto securely privately confidentially "
        "cheaply quickly "
        "accurately precisely thoroughly stat local encrypted anonymized anonymised"
    )
)
_MANNERS = (
    "as ",
    "right ",
    "without ",
    "no ",
    "don't ",
    "do not ",
    "on device",
    "on prem",
    "on my ",
    "on our ",
    "in real",
    "on the ",
    "in house",
    "so ",
    "le plus ",
    "lo mas ",
    "il piu ",
    "o mais ",
    "zo ",
    "jak ",
    "en local",
)


def is_a_price(atoms: list[Atom], segment: Segment, lead: int) -> bool:
    """Whether a bound is a price of what the task is to find, going by its size."""
    for atom in atoms[lead : segment.end]:
        if atom.quantity is not None and atom.kind == "money":
            weak = atoms[lead].words in (
                "under",
                "below",
                "less than",
                "up to",
                "cheaper than",
                "in",
                "over",
                "between",
            )
            return weak and (atom.quantity.micros or 0) >= _USUAL_USD
    return False


def reentry(scene: Scene, segment: Segment, lead: int, mood: str) -> int | None:
    """The atom inside a task's words from which the covenant speaks, or None."""
    if mood in (ASK, TALE):
        return next((at for at in range(lead, segment.end) if mood == TALE and scene.atoms[at].kind == "inject"), None)
    atoms = scene.atoms
    for at in range(lead + 1, segment.end):
        atom = atoms[at]
        if any(token.text in _NESTED for token in scene.tokens[atom.first : atom.end]):
            return None
        if atom.kind in ("money", "time"):
            begin = _answer_limit(scene, segment, at, mood)
        elif atom.kind in ("prio", "qual", "need", "place", "level"):
            begin = _answer_manner(scene, segment, at)
        else:
            begin = at if atom.kind == "inject" and scene.words(at - 1) == "then" else None
        if begin is not None:
            return begin
    return None


def _ends(scene: Scene, segment: Segment, at: int) -> bool:
    """Whether nothing of weight follows in the segment from atom `at` on."""
    weightless = (
        "rest",
        "polite",
        "upper",
        "scope",
        "dim",
        ".",
        ",",
        ";",
        ")",
        "(",
        "joint",
        "'",
        '"',
        "hard",
        "only",
        "money",
        "time",
        ":",
        "in",
        "prio",
        "qual",
        "need",
        "do",
    )
    return all(atom.kind in weightless for atom in scene.atoms[at : min(segment.end, at + 16)]) and scene.words(
        at
    ) not in (
        "of",
        "worth",
        "from",
        "after",
        "before",
        "ago",
    )


def _answer_limit(scene: Scene, segment: Segment, at: int, mood: str) -> int | None:
    """Where a limit on the answer begins that stands behind a task's words."""
    atoms, quantity = scene.atoms, scene.atoms[at].quantity
    begin = at
    marks: list[str] = []
    while begin - 1 > segment.first and len(marks) < 6:
        before = atoms[begin - 1]
        if before.kind not in ("upper", "hard", "soft", "in", "neg", "lower", "dim", "do", ":", "scope") and (
            before.words not in _LINKS
        ):
            break
        begin -= 1
        marks.append(before.words)
    if not marks or quantity is None or not _ends(scene, segment, at + 1):
        return None
    if (
        marks[0] in ("a", "an", "the", "my", "this")
        and at + 1 < segment.end
        and atoms[at + 1].value in ("cost", "time")
    ):
        return None  # "a $35 fee", "the 5 minute delay"
    spoken = " ".join(reversed(marks))
    dims = any(
        atom.kind == "dim" or (atom.kind == "do" and atom.value == "money") for atom in atoms[begin : segment.end]
    )
    bound = any(atom.kind in ("upper", "hard") for atom in atoms[begin:at])
    micros = quantity.micros or 0
    if atoms[at].kind == "time":
        limits = bound or dims or spoken.startswith(("in", "within"))
        if mood == WORLD:
            limits = limits and micros <= _ANSWER_US and not spoken.startswith(("under", "below"))
        return begin if limits else None
    if mood == WORLD:
        return begin if micros < _TINY_USD else None
    usual = micros <= _USUAL_USD or (spoken not in _WEAK and micros <= 10 * _USUAL_USD)
    return begin if (usual or dims) and (bound or dims or spoken.startswith("for")) else None


def _answer_manner(scene: Scene, segment: Segment, at: int) -> int | None:
    """Where a manner of answering begins behind a task's words: "as fast as possible", "on EU servers"."""
    atoms, atom = scene.atoms, scene.atoms[at]
    before, after = scene.words(at - 1), atoms[at + 1] if at + 1 < segment.end else None
    if atom.kind == "place":
        hosts = after is not None and after.kind in ("host", "only")
        return at - 1 if hosts and atoms[at - 1].kind in ("in", "rest") else None
    if not _ends(scene, segment, at + 1):
        return None
    if atom.words in _ADVERBS or atom.words.startswith(_MANNERS):
        return at
    if atom.kind == "level":
        if after is not None and after.value == "security" and scene.words(at - 3) in ("a", "an"):
            return None  # "a bank with high security"
        return at - 1 if before in ("with", "at", "in", "of") and after is not None and after.kind == "dim" else None
    return at - 1 if before in ("with", "at", "in", "of") and " " in atom.words else None
