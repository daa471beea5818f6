"""Which party can see which fields, by the configuration alone: through every rule, transform and passing on.

A party sees a field if some event could show it to it. Besides, it can infer a field that a rule asks about before it
sends: whoever gets only failures knows the outcome of each. Every delivery tells the envelope, whatever is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.sessions.fields import FIELDS
from worker.sessions.rules import Routes
from worker.sessions.transforms import MAX_PATH, Drop, Keep, Path, Redact, Rename, Transform, starts_with

#: What headers and envelopes of a delivery say: identity, kind and time of the event, and whose it is.
ENVELOPE: Final = frozenset({"event_id", "event_type", "timestamp", "tenant"})
METADATA: Final = "metadata"


class Shown(NamedTuple):
    """A field where a destination finds it.

    is_open: it stands for anything at its path or within, but for the names in `apart`, which are fields of their own.
    """

    path: Path
    field: str
    is_open: bool = False
    apart: frozenset[str] = frozenset()

    def may_hold(self, path: Path) -> bool:
        """Whether part of it, and not all, can lie at `path`."""
        depth = len(self.path)
        within = self.is_open and len(path) > depth and starts_with(path, self.path)
        return within and path[depth] not in self.apart


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a party sees and can infer, as fields of the captured event; `metadata.*` is what nothing names of it."""

    party: str
    seen: frozenset[str]
    inferred: frozenset[str]


def exposures(routes: Routes, apart: frozenset[Path] = frozenset()) -> tuple[Exposure, ...]:
    """What each party can learn, in the order of their names.

    Args: apart: parts of metadata to tell by name besides those that the transforms name, as `named_paths` gives them;
        with the same ones two configurations can be compared.
    """
    start = _all_fields(named_paths(routes) | apart)
    shown: dict[str, set[Shown]] = {}
    inferred: dict[str, set[str]] = {}
    reached: set[str] = set()
    for rule in routes.rules:
        for name in rule.to:
            destination = routes.destinations[name]
            party = destination.party
            reached.add(party)
            shown.setdefault(party, set()).update(_after(start, rule.transforms + destination.transforms))
            inferred.setdefault(party, set()).update(".".join(one.path) for one in rule.match)
    _pass_on(routes, shown, inferred, reached)
    parties = {one.party for one in routes.destinations.values()} | set(routes.shares)
    parties |= {share.party for shares in routes.shares.values() for share in shares}
    return tuple(
        Exposure(
            party,
            frozenset(one.field for one in shown.get(party, ())) | (ENVELOPE if party in reached else frozenset()),
            frozenset(inferred.get(party, ())),
        )
        for party in sorted(parties)
    )


def _pass_on(routes: Routes, shown: dict[str, set[Shown]], inferred: dict[str, set[str]], reached: set[str]) -> None:
    """Follow who passes on to whom until nobody learns anything new.

    It ends, because there are finitely many paths of bounded length.
    """
    waiting = sorted(reached)
    while waiting:
        party = waiting.pop()
        for share in routes.shares.get(party, ()):
            theirs, guessed = shown.setdefault(share.party, set()), inferred.setdefault(share.party, set())
            before = len(theirs), len(guessed), share.party in reached
            theirs |= _after(frozenset(shown[party]), share.transforms)
            guessed |= inferred[party]
            reached.add(share.party)
            if (len(theirs), len(guessed), True) != before:
                waiting.append(share.party)


def _all_fields(named: frozenset[Path]) -> frozenset[Shown]:
    """Everything that a captured event can hold; of metadata, each path in `named` by itself."""
    places = {(METADATA,)} | {path[:end] for path in named if path[0] == METADATA for end in range(2, len(path) + 1)}
    fields = {Shown(tuple(field.path.split(".")), field.path) for field in FIELDS}
    for place in places:
        inner = frozenset(path[-1] for path in places if path[:-1] == place)
        fields.add(Shown(place, ".".join(place) if len(place) > 1 else f"{METADATA}.*", True, inner))
    return frozenset(fields)


def named_paths(routes: Routes) -> frozenset[Path]:
    """The paths that any transform takes something from."""
    lists = [rule.transforms for rule in routes.rules]
    lists += [one.transforms for one in routes.destinations.values()]
    lists += [share.transforms for shares in routes.shares.values() for share in shares]
    found: set[Path] = set()
    for transforms in lists:
        for transform in transforms:
            found.update((transform.source,) if isinstance(transform, Rename) else transform.paths)
    return frozenset(found)


def _after(shown: frozenset[Shown], transforms: tuple[Transform, ...]) -> frozenset[Shown]:
    """What is left to see. Each field is judged by itself: with less to begin with there is never more in the end."""
    for transform in transforms:
        shown = frozenset(left for one in shown for left in _of_one(one, transform))
    return shown


def _of_one(one: Shown, transform: Transform) -> tuple[Shown, ...]:
    match transform:
        case Keep(paths):
            inside = any(starts_with(one.path, path) for path in paths)
            return (one,) if inside or any(one.may_hold(path) for path in paths) else ()
        case Drop(paths) | Redact(paths):
            return () if any(starts_with(one.path, path) for path in paths) else (one,)
        case Rename():
            return _renamed(one, transform)


def _renamed(one: Shown, rename: Rename) -> tuple[Shown, ...]:
    if starts_with(one.path, rename.source):
        path = rename.target + one.path[len(rename.source) :]
        # Where parties pass things on in a circle, paths could grow for ever.
        return (one._replace(path=path[:MAX_PATH], is_open=one.is_open or len(path) > MAX_PATH),)
    if starts_with(one.path, rename.target) or (not one.is_open and starts_with(rename.target, one.path)):
        return ()
    if one.may_hold(rename.source):
        return (one, Shown(rename.target, one.field, True))
    return (one,)
