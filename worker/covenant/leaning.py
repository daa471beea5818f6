"""A wish for a priority or a quality, the tables of what such wishes are made of, and the words around one."""

from __future__ import annotations

from dataclasses import dataclass

from worker.covenant.atoms import Atom
from worker.covenant.limit import QUANTITIES
from worker.covenant.scene import Scene

PRIORITY, QUALITY = "priority", "quality"
ABOUT = {
    "cost": "cost",
    "budget": "cost",
    "time": "time",
    "deadline": "time",
    "speed": "speed",
    "security": "security",
    "quality": "quality",
}
UP = {"cost": "cost_optimized", "time": "max_performance", "speed": "max_performance", "security": "max_security"}
_FIRST_SEEN = 6


@dataclass(slots=True)
class Leaning:
    """One wish: `field` and `value`, from tokens `first` to `end`; `soft` gives way to a firm one."""

    field: str
    value: str
    at: int
    first: int
    end: int
    soft: bool = False
    stands: bool = True


def atoms_before(scene: Scene, at: int) -> list[Atom]:
    """The atoms right before one that may negate or soften it."""
    segment, begin = scene.segment(at), at
    stops = (*QUANTITIES, "prio", "qual", "need", "place", "nolimit", "fix", "nokey", "key")
    while begin > max(segment.first, at - _FIRST_SEEN) and scene.atoms[begin - 1].kind not in stops:
        begin -= 1
    found = scene.atoms[begin:at]
    if (
        begin == segment.first
        and segment.opener in ("or", "and", "nor", "ni", "oder", "y", "et", "und")
        and len(found) == 0
    ):
        found = _carried(scene, segment.first)
    return found


def _carried(scene: Scene, first: int) -> list[Atom]:
    """A negation of the segment before that goes on over "or": "not fast or cheap"."""
    if first < 2 or scene.words(first - 1) not in ("or", "nor", "ni", "oder"):
        return []
    before = scene.segment(first - 1)
    return [atom for atom in scene.atoms[before.first : before.end] if atom.kind in ("neg", "nocare")]


def atoms_after(scene: Scene, at: int) -> list[Atom]:
    segment, end = scene.segment(at), at + 1
    stops = (*QUANTITIES, "prio", "qual", "need", "place", "dim", "level")
    while end < min(segment.end, at + _FIRST_SEEN) and scene.atoms[end].kind not in stops:
        end += 1
    return scene.atoms[at + 1 : end]


def meaning(atom: Atom) -> tuple[str, str]:
    if atom.kind == "prio":
        return PRIORITY, atom.value
    if atom.kind == "qual" or ABOUT[atom.value] == "quality":
        return QUALITY, atom.value if atom.kind == "qual" else "high"
    return PRIORITY, UP[ABOUT[atom.value]]
