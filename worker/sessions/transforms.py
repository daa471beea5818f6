"""What of an event a destination gets: keep, drop, rename and redact, applied in order to a parsed event.

What a transform does depends on paths alone, never on what an event holds or lacks; so worker.sessions.exposure can say
beforehand what can be seen afterwards. That is why a rename clears its target even where its source is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
REDACTED: Final = "[redacted]"
#: Names in a path.
MAX_PATH: Final = 16


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing stays but these fields and what is in them."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """These fields go."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Redact:
    """These fields stay, but what they hold gives way to a mark."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """The field `source` goes to `target`, in the place of what is there. Neither lies within the other."""

    source: Path
    target: Path


Transform = Keep | Drop | Redact | Rename


def transformed(event: Mapping[str, Any], transforms: tuple[Transform, ...]) -> dict[str, Any]:
    """The event after all of `transforms`; `event` stays as it is."""
    result = _copied(event)
    for transform in transforms:
        match transform:
            case Keep(paths):
                result = _kept(result, paths)
            case Drop(paths):
                for path in paths:
                    _take(result, path)
            case Redact(paths):
                for path in paths:
                    _redact(result, path)
            case Rename(source, target):
                _rename(result, source, target)
    return result


def starts_with(path: Path, beginning: Path) -> bool:
    """Whether `path` is `beginning` or lies within it."""
    return path[: len(beginning)] == beginning


def _copied(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in event.items()}


def _kept(event: dict[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
    if () in paths:
        return event
    kept: dict[str, Any] = {}
    for name, value in event.items():
        inner = tuple([path[1:] for path in paths if path[0] == name])
        if () in inner:
            kept[name] = value
        elif inner and isinstance(value, dict):
            found = _kept(value, inner)
            if found:
                kept[name] = found
    return kept


def _parent(event: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """The object that the last name of `path` would stand in; None = there is none."""
    place: Any = event
    for name in path[:-1]:
        place = place.get(name)
        if not isinstance(place, dict):
            return None
    return place if isinstance(place, dict) else None


def _take(event: dict[str, Any], path: Path) -> tuple[Any, ...]:
    """Remove the field; its value in a tuple, or nothing in one."""
    place = _parent(event, path)
    return () if place is None or path[-1] not in place else (place.pop(path[-1]),)


def _redact(event: dict[str, Any], path: Path) -> None:
    place = _parent(event, path)
    if place is not None and path[-1] in place:
        place[path[-1]] = REDACTED


def _rename(event: dict[str, Any], source: Path, target: Path) -> None:
    moved = _take(event, source)
    place: dict[str, Any] = event
    for name in target[:-1]:
        inner = place.get(name)
        if not isinstance(inner, dict):
            # A plain value in the way gives room even if nothing moves: whether it stays mustn't depend on the event.
            inner = place[name] = {}
        place = inner
    place.pop(target[-1], None)
    if moved:
        place[target[-1]] = moved[0]
