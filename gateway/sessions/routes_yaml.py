"""routes.yaml: YAML read by the safe loader into plain values, every problem told with its line and column.

What surprises readers of YAML is refused rather than interpreted: anchors, aliases, tags, several documents, keys that
are there twice, `yes` and `no` for truth, and numbers that are not plainly decimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from worker.errors import SettingsError
from worker.sessions.rules import Routes
from worker.sessions.rules_form import RoutesRefused, Where, compile_routes

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 12
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{1,12}")
_TAG: Final = "tag:yaml.org,2002:"


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class RoutesFileRefused(SettingsError):
    """A file that is not used; `problems` has a line `file:line:column: what is wrong` for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_routes(path: Path) -> Routes:
    """The routes that the file at `path` describes. Raises: RoutesFileRefused."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise RoutesFileRefused((f"{path}: it has more than {MAX_FILE_BYTES} bytes",))
        text = data.decode()
    except OSError as problem:
        raise RoutesFileRefused((f"{path} can't be read: {problem.strerror or problem}",)) from problem
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise RoutesFileRefused((f"{path}:{line}: it is not UTF-8",)) from problem
    return parse_routes(str(path), text)


def parse_routes(name: str, text: str) -> Routes:
    """As `load_routes`, from the file's text. Args: name: what problems call it. Raises: RoutesFileRefused."""
    found: list[tuple[Place, str]] = []
    try:
        found.extend(_refused(text))
        if not found:
            reader = _Reader()
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            plain = reader.plain(node, ()) if node is not None else None
            found.extend(reader.problems)
            if not found:
                return compile_routes(plain)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        found.append((place, f"not YAML: {getattr(problem, 'problem', None) or 'a character that no text file has'}"))
    except RoutesRefused as refused:
        found.extend((reader.place(one.where, one.is_key), one.to_text()) for one in refused.problems)
    lines = [f"{name}:{place.line}:{place.column}: {message}" for place, message in sorted(found)]
    raise RoutesFileRefused(tuple(lines))


def _refused(text: str) -> Iterator[tuple[Place, str]]:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark: Any = event.start_mark  # None only for events that nobody parsed
        place = Place(mark.line + 1, mark.column + 1)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > MAX_DEPTH or documents > 1:
            yield place, f"there is one document, of at most {MAX_DEPTH} levels"
            return
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            yield place, "anchors (&name) and aliases (*name) are not read: write the value out"
        elif getattr(event, "tag", None) is not None:
            yield place, "tags (!name) are not read: quote a text that begins so"


class _Reader:
    """Makes plain values of nodes, and remembers where each key and each value stands."""

    def __init__(self) -> None:
        self.problems: list[tuple[Place, str]] = []
        self._keys: dict[Where, Place] = {}
        self._values: dict[Where, Place] = {}

    def place(self, where: Where, is_key: bool) -> Place:
        """Of a value, or of its key; of what it lies in, if it has no place of its own."""
        for end in range(len(where), -1, -1):
            places = self._keys if is_key and where[:end] in self._keys else self._values
            if where[:end] in places:
                return places[where[:end]]
        return Place(1, 1)

    def plain(self, node: yaml.Node, where: Where) -> Any:
        place = _place(node)
        self._values[where] = place
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(one, (*where, index)) for index, one in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append((_place(key), "a key must be a word"))
                continue
            name = key.value
            if name in members:
                self.problems.append((_place(key), f"{name} is there twice"))
                continue
            self._keys[(*where, name)] = _place(key)
            members[name] = self.plain(value, (*where, name))
        return members

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        text = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            if text in ("true", "false"):
                return text == "true"
            self.problems.append((place, f"{text} may mean true or false: write that, or quote it as a text"))
        elif kind in ("int", "float"):
            if _INTEGER.fullmatch(text):
                return int(text)
            if _DECIMAL.fullmatch(text):
                return Decimal(text)
            self.problems.append((place, f"{text} is not plainly decimal: write it so, or quote it as a text"))
        return text


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
