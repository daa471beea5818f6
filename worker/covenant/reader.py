"""Words to a reading: lexer, grammar, policy. Pure, by tables, the same on every host, and in time linear in the text.

The steps (`steps`), each a module: `folding` and `lexer` (text to tokens with their places), `atoms` (tokens to phrases
of the vocabulary and to quantities), `staging` (what speaks of the covenant and what belongs to the task), `attacks`,
then `limits`, `leanings` and `wishes` (what is asked for), `unread` (what nothing can keep), and `verdict` (what
holds). docs/covenants.md lists the rules.
"""

from __future__ import annotations

from worker.covenant.reading import Reading


def read_covenant(text: str) -> Reading:
    """The reading of a covenant in plain words; raises nothing, whatever the text."""
    from worker.covenant.steps import take_steps

    return take_steps(text)
