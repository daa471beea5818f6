"""Text that tries to override the limits: where it is, and how far its words reach. It is flagged and never applied."""

from __future__ import annotations

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.limit import MONEY, TIME
from worker.covenant.scene import Scene

_ROLES = frozenset(str.split("system admin administrator developer assistant root sysadmin operator superuser"))
_WHOLE_SENTENCE = (
    "overrid",
    "bypass",
    "overrul",
    "circumvent",
    "supersed",
    "no longer",
    "are void",
    "is void",
    "as admin",
    "as an admin",
    "as root",
    "as the ",
    "as a",
    "null and",
    "are lifted",
    "are suspended",
    "limits are off",
    "i am ",
    "i'm ",
    "limits don",
    "rules don",
)
_PAYLOAD = frozenset(("money", "time", "nolimit", "prio", "qual", "vaguemoney"))
#: What a sentence behind an attack begins with if it says what to do instead of the limits.
_ORDERS = frozenset(
    str.split(
        "use spend set allow raise increase lift let take treat assume run remove pay make give you we from unlock act "
        "your disable drop burn charge your go switch change"
    )
)
#: What makes a statement another than the one before it.
_REPLACING = frozenset(str.split("new now instead updated actual real unlimited raised increased granted henceforth"))
_STATED = frozenset((",", ";", "."))


def mark_attacks(scene: Scene) -> None:
    """Mark the attacks of a scene and every atom they reach.

    An attack reaches the end of its sentence or bracket, and the next sentence too if that one orders what to do
    instead. A plain statement of a limit behind it holds when nothing else limits the same: a covenant that lost its
    budget would be served without one.
    """
    atoms = scene.atoms
    at = 0
    while at < len(atoms):
        if (atoms[at].kind != "inject" and atoms[at].words not in _ROLES) or not _is_attack(scene, at):
            at += 1
            continue
        scene.attacks.append(at)
        begin, end = at, _reach(scene, at)
        if atoms[at].words.startswith(_WHOLE_SENTENCE):
            sentence = scene.sentence(at)
            while begin > 0 and scene.sentence(begin - 1) == sentence and atoms[begin - 1].kind != "(":
                begin -= 1
        empty = not _applies_something(atoms[begin:end], at - begin)
        if end < len(atoms) and (scene.words(end - 1) == ":" or (empty and _orders(scene, end, _reach(scene, end)))):
            end = _reach(scene, end)
        for index in range(begin, end):
            scene.injected[index] = True
        at = end
    if scene.attacks:
        _release(scene)


def _reach(scene: Scene, at: int) -> int:
    """Where the sentence of an atom ends, or the brackets it stands in."""
    sentence, depth = scene.sentence(at), 0
    while at < len(scene.atoms) and scene.sentence(at) == sentence:
        kind = scene.atoms[at].kind
        depth += (kind == "(") - (kind == ")")
        at += 1
        if depth < 0 and kind == ")" and scene.words(at) != ":":
            return at
    return at


def _orders(scene: Scene, at: int, end: int) -> bool:
    """Whether the atoms from one to another say what to do instead of the limits."""
    atoms = scene.atoms
    while at < end and atoms[at].kind in ("polite", ",", ";", "fix", "joint", ".", "(") and not _replaces(atoms[at]):
        at += 1
    first = atoms[at].words.partition(" ")[0] if at < end else ""
    return first in _ORDERS or any([_replaces(atom) for atom in atoms[at:end]])


def _replaces(atom: Atom) -> bool:
    return atom.kind == "nolimit" or any([word in _REPLACING for word in atom.words.split()])


def _release(scene: Scene) -> None:
    """Let a limit stand that an attack reaches, if it is stated plainly and is the only one of its kind."""
    atoms = scene.atoms
    attacks = frozenset(scene.attacks)
    kept = {atom.kind for at, atom in enumerate(atoms) if scene.live[at] and not scene.injected[at]}
    for segment in scene.segments:
        first = segment.first
        if first == 0 or not (scene.injected[first] and scene.injected[first - 1]):
            continue
        inside = atoms[first : segment.end]
        kinds = {atom.kind for atom in inside if atom.kind in (MONEY, TIME)}
        plain = atoms[first - 1].kind in _STATED and not any([at in attacks for at in range(first, segment.end)])
        if not kinds or kinds & kept or not plain or _orders(scene, first, segment.end):
            continue
        if any([atom.kind in ("do", UNKNOWN, "task") for atom in inside]):
            continue
        for at in range(first, segment.end):
            scene.injected[at] = False


def _applies_something(sentence: list[Atom], attack: int) -> bool:
    """Whether the attack's own sentence says what to do instead: an amount, a wish, or a further clause."""
    joined = False
    for atom in sentence[attack + 1 :]:
        joined = joined or atom.kind in ("joint", ",", ";")
        if joined and atom.kind in ("do", UNKNOWN):
            return True
    return any([atom.kind in _PAYLOAD for atom in sentence])


def _is_attack(scene: Scene, at: int) -> bool:
    atom = scene.atoms[at]
    if atom.words in _ROLES:
        return scene.words(at + 1) in (":", "]", ">", "|") and (
            at == scene.segment(at).first or scene.words(at - 1) in ("[", "<", "|", "#", "-", "*")
        )
    return atom.kind == "inject" and scene.live[at]
