"""Explicit rankings, of which the first item holds: "security, then cost", "speed over cost", "cost before speed"."""

from __future__ import annotations

from worker.covenant.leaning import Leaning, atoms_before, meaning
from worker.covenant.scene import Scene


def ranked(scene: Scene, active: list[int], items: list[int]) -> list[Leaning]:
    """The leanings of an explicit ranking, of which the first item stands: "security, then cost", "speed over cost"."""
    atoms = scene.atoms
    things = [at for at in items if atoms[at].kind in ("prio", "dim", "qual")]
    if len(things) < 2:
        return []
    first, rest = things[0], things[1:]
    between = [at for at in active if first < at < things[1]]
    kinds = {atoms[at].kind for at in between}
    over = any(_ranks_over(scene, at) for at in between)
    under = any(atoms[at].kind == "under" for at in between)
    preferred = any(atoms[at].words.endswith("prefer") for at in active if at < first) and any(
        atoms[at].words in ("to", "over") for at in between
    )
    exact = any(atoms[at].quantity is not None for at in active if first < at < things[-1])
    listed = any(atoms[at].kind == "rank" or (atoms[at].kind == "then" and at > first) for at in active) and not exact
    leads = any(atoms[at].kind == "first" for at in active if at < things[1]) and not exact
    if (kinds & {"nokey", "nocare"}) or not (over or under or preferred or listed or leads):
        return []
    if any(atoms[at].kind in ("neg", "nocare") for at in between if not over):
        return []
    chosen = rest[0] if under else first
    found = []
    for at in things:
        atom = atoms[at]
        field, value = meaning(atom)
        negated = at == chosen and any(other.kind in ("neg", "nocare") for other in atoms_before(scene, at))
        found.append(Leaning(field, value, at, atom.first, atom.end, stands=at == chosen and not negated))
    return found


def _ranks_over(scene: Scene, at: int) -> bool:
    atom = scene.atoms[at]
    return (
        atom.kind == "over"
        or (atom.kind == "lower" and atom.value == "over")
        or atom.words in ("before", "above", "over")
    )
