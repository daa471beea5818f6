"""A text's atoms in their sentences and segments, with what is known about each of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.covenant.atoms import Atom
from worker.covenant.lexer import Token

TASK, ASK, TALE, INFO, WORLD = "task", "ask", "tale", "info", "world"


@dataclass(slots=True)
class Segment:
    """A stretch of a sentence between marks; `live_from` is the atom its covenant part begins with, if it has one."""

    first: int
    end: int
    sentence: int
    opener: str = ""
    live_from: int | None = None


@dataclass(slots=True)
class Scene:
    """A text's atoms with what is known about each: `live` (covenant), `segment_of`, `sentence_of`, `injected`."""

    tokens: list[Token]
    atoms: list[Atom]
    segments: list[Segment] = field(default_factory=list)
    live: list[bool] = field(default_factory=list)
    injected: list[bool] = field(default_factory=list)
    segment_of: list[int] = field(default_factory=list)
    attacks: list[int] = field(default_factory=list)
    fixes: list[int] = field(default_factory=list)

    def segment(self, at: int) -> Segment:
        """The segment of an atom."""
        return self.segments[self.segment_of[at]]

    def sentence(self, at: int) -> int:
        """The number of an atom's sentence."""
        return self.segments[self.segment_of[at]].sentence

    def words(self, at: int) -> str:
        """An atom's words, "" outside the text."""
        return self.atoms[at].words if 0 <= at < len(self.atoms) else ""
