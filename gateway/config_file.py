"""The configuration file: YAML read without any conversion, so that every value keeps its text, line and column.

Everything that is wrong is found in one reading. Refused are the parts of YAML that a configuration has no use for and
that surprise or attack a reader: anchors and aliases, tags, several documents, deep nesting, large files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from gateway.config_keys import KEYS, NULLABLE, SECTIONS, SETTINGS_SECTION, keys_of
from gateway.config_problem import Problem
from worker.errors import SettingsError

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 8
MAX_EVENTS: Final = 20_000
_NULL: Final = "tag:yaml.org,2002:null"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_VARIABLE_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}|^\$([A-Z_][A-Z0-9_]*)$")


class Written(NamedTuple):
    """A value as it stands in a file: its text, under which key, and where (both from 1)."""

    text: str
    key: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as read: values by setting name, and everything that is wrong with it, in the order of its lines."""

    path: Path
    written: Mapping[str, Written]
    problems: tuple[Problem, ...]


def read_config_file(path: Path, names: Collection[str]) -> ConfigFile:
    """The file at `path`. Args: names: the settings there are. Raises: SettingsError if it can't be read at all."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as problem:
        raise SettingsError(f"{path} can't be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise SettingsError(f"{path}:{line}: can't be read: it is not UTF-8") from problem
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path} can't be read: it has more than {MAX_FILE_BYTES} bytes")
    return parse_config(path, text, names)


def parse_config(path: Path, text: str, names: Collection[str]) -> ConfigFile:
    """As `read_config_file`, from the file's text; raises nothing."""
    try:
        refused = tuple(_refused(text))
        if refused:
            return ConfigFile(path, {}, refused)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        return ConfigFile(path, {}, (_syntax(problem, text),))
    reader = _Reader(frozenset(names))
    reader.read(node)
    return ConfigFile(path, reader.written, tuple(sorted(reader.problems)))


def _refused(text: str) -> Iterator[Problem]:
    """What of YAML is not read here; stops where more would only cost."""
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        mark: Any = event.start_mark  # None only for events that nobody parsed
        line, column = mark.line + 1, mark.column + 1
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > MAX_DEPTH or count > MAX_EVENTS or documents > 1:
            limits = f"one document, {MAX_DEPTH} levels and {MAX_EVENTS // 2} values"
            yield Problem(line, column, "", f"a configuration has at most {limits}")
            return
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            yield Problem(line, column, "", "anchors (&name) and aliases (*name) are not read: write the value out")
        else:
            # What looks like a tag may be a secret that should have been quoted, so it is not shown.
            if getattr(event, "tag", None) is not None:
                yield Problem(line, column, "", "tags (!name) are not read: quote a text that begins so")


def _syntax(problem: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    if mark is None:
        at = getattr(problem, "position", 0)
        line = text.count("\n", 0, at) + 1
        return Problem(line, at - text.rfind("\n", 0, at), "", "not YAML: a character that no text file has")
    what = getattr(problem, "problem", None) or "it can't be read"
    if "tag handle" in what:
        what = "a tag (!name!) that nobody defines: quote a text that begins so"
    lines = text.split("\n")
    if mark.line < len(lines) and "\t" in lines[mark.line]:
        what = "a tab can't indent or separate here: use blanks"
    return Problem(mark.line + 1, mark.column + 1, "", f"not YAML: {what}")


class _Reader:
    """Walks the nodes of one file, and gathers values and problems."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.written: dict[str, Written] = {}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node | None) -> None:
        """The whole file; None = it is empty."""
        if isinstance(node, yaml.MappingNode):
            self._section("", node)
        elif node is not None and not _is_null(node):
            self._complain(node, "", "expected `section:` or NAME: value lines; `harpoon settings` lists the names")

    def _complain(self, node: yaml.Node, key: str, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(mark.line + 1, mark.column + 1, key, message))

    def _section(self, section: str, node: yaml.MappingNode) -> None:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, section, "a key must be a word")
                continue
            word = key_node.value
            key = f"{section}.{word}" if section else word
            line = key_node.start_mark.line + 1
            if word in seen:
                self._complain(key_node, key, f"is there twice, first in line {seen[word]}")
                continue
            seen[word] = line
            if key in SECTIONS:
                self._enter(key, key_node, value)
            elif key in KEYS:
                self._value(KEYS[key], key, key_node, value)
            elif word in self._names and section in ("", SETTINGS_SECTION):
                self._value(word, key, key_node, value)
            else:
                self._complain(key_node, key, self._unknown(section, word))

    def _enter(self, key: str, key_node: yaml.ScalarNode, value: yaml.Node) -> None:
        if isinstance(value, yaml.MappingNode):
            self._section(key, value)
        elif not _is_null(value):
            known = ", ".join(keys_of(key)) or "NAME: value lines"
            self._complain(value, key, f"must be a section, with {known} in lines of their own, indented")

    def _unknown(self, section: str, word: str) -> str:
        own = [name for name in keys_of(section) if name]
        known = own + (sorted(self._names) if section in ("", SETTINGS_SECTION) else [])
        by_fold = {name.lower(): name for name in known}
        near = get_close_matches(word.lower(), by_fold, n=1, cutoff=0.6)
        if near:
            return f"there is no such key here: did you mean {by_fold[near[0]]}?"
        listed = ", ".join(own)
        rest = "the names that `harpoon settings` lists" if section in ("", SETTINGS_SECTION) else ""
        return f"there is no such key here; there are {' and '.join(filter(None, (listed, rest)))}"

    def _value(self, name: str, key: str, key_node: yaml.ScalarNode, value: yaml.Node) -> None:
        if not isinstance(value, yaml.ScalarNode):
            what = "a list" if isinstance(value, yaml.SequenceNode) else "a section"
            self._complain(value, key, f"must be a text or a number, not {what}; several values stand apart by commas")
            return
        if _is_null(value):
            if key not in NULLABLE:
                self._complain(key_node, key, "has no value: give one, or take the line out")
            return
        if _SURROGATE.search(value.value):
            self._complain(value, key, "half of a surrogate pair is no character: write the character itself")
            return
        variable = _VARIABLE.search(value.value)
        if variable:
            named = variable[1] or variable[2] or ""
            shown = named if _VARIABLE_NAME.fullmatch(named) else "..."
            self._complain(
                value, key, f"${{{shown}}} is not filled in here: set {name} in the environment, which wins over a file"
            )
            return
        if name in self.written:
            first = self.written[name]
            self._complain(key_node, key, f"sets {name}, which {first.key} in line {first.line} sets already")
            return
        mark = value.start_mark
        self.written[name] = Written(value.value, key, mark.line + 1, mark.column + 1)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL
