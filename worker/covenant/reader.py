"""Words to a reading: lexer, grammar, policy. Pure, by tables, the same on every host, and in time linear in the text.

The steps, each a module: `folding` and `lexer` (text to tokens with their places), `atoms` (tokens to phrases of the
vocabulary and to quantities), `staging` (what speaks of the covenant and what belongs to the task), `attacks`, then
`limits`, `leanings` and `wishes` (what is asked for), `unread` (what nothing can keep), and `verdict` (what holds).
docs/covenants.md lists the rules.
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


def read_covenant(text: str) -> Reading:
    """The reading of a covenant in plain words; raises nothing, whatever the text."""
    tokens = tokens_of(text)
    scene = scene_of(tokens, atoms_of(tokens))
    mark_attacks(scene)
    limits, dated = limits_of(scene)
    leanings = leanings_of(scene)
    wishes = [*wishes_of(scene), *flags_of(scene, dated), *unread_of(scene, text)]
    return reading_of(text, scene, limits, leanings, wishes)
