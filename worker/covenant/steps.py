"""The steps of a reading, one after the other. `reader` imports this when it first reads a covenant.

The tables of the vocabulary take a sixth of a start to make, and most requests name no covenant.
"""

from __future__ import annotations

from worker.covenant.atoms import atoms_of
from worker.covenant.attacks import mark_attacks
from worker.covenant.leanings import leanings_of
from worker.covenant.lexer import tokens_of
from worker.covenant.limits import limits_of
from worker.covenant.reading import Reading
from worker.covenant.staging import scene_of
from worker.covenant.unread import unread_of
from worker.covenant.verdict import reading_of
from worker.covenant.wishes import flags_of, wishes_of


def take_steps(text: str) -> Reading:
    """See `reader.read_covenant`."""
    tokens = tokens_of(text)
    scene = scene_of(tokens, atoms_of(tokens))
    mark_attacks(scene)
    limits, dated = limits_of(scene)
    leanings = leanings_of(scene)
    wishes = [*wishes_of(scene), *flags_of(scene, dated), *unread_of(scene, text)]
    return reading_of(text, scene, limits, leanings, wishes)
