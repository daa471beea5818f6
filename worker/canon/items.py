"""Canon items: what a tenant knows, at one of three levels, with where it comes from and the hash of what it says.

It decides which items are well formed and what a set of them hashes to. What a level lets an item do is the gates'
business; how an item rises or falls is that of `worker.canon.store` and `worker.canon.promotion`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NamedTuple

from worker.errors import CanonicalError, MalformedRequest
from worker.ledger.canonical import MAX_INT, canonical_json, parse_canonical
from worker.ports import Hasher

EVIDENCE, PROPOSED, CANON = "EVIDENCE", "PROPOSED", "CANON"
LEVELS: Final = (EVIDENCE, PROPOSED, CANON)
KINDS: Final = ("definition", "invariant", "constraint", "policy", "model", "table")
SOURCES: Final = ("chat", "repo", "test", "prod", "import")
HARD_FAIL, SOFT_FAIL = "HARD_FAIL", "SOFT_FAIL"
SEVERITIES: Final = (HARD_FAIL, SOFT_FAIL)
#: The tag of an item that is in scope for every action.
EVERY_ACTION: Final = "*"

MAX_NAME_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 512
MAX_TAGS = 64
MAX_CONTENT_BYTES = 262_144
HASH_CHARACTERS = 64
_VISIBLE: Final = frozenset(map(chr, range(33, 127))) - {","}
_HEX: Final = frozenset("0123456789abcdef")
_MEMBERS: Final = frozenset(
    ("id", "kind", "level", "applies_to", "severity", "at_us", "provenance", "content", "content_hash")
)


class ItemError(MalformedRequest):
    """A value that is no canon item; `param` names the member."""

    code = "bad_canon_item"


class Provenance(NamedTuple):
    """Where an item comes from: the kind of source, what to look at there, and who says so ("" = not told)."""

    source: str
    ref: str
    author: str


class Item(NamedTuple):
    """One thing that is known. `content`: canonical JSON of what it says, "" = not at hand; its hash pins it.

    `applies_to`: the action tags it is in scope for, sorted; ("*",) = all. `severity`: an invariant's, else "".
    `at_us`: when it came to this level, UTC microseconds.
    """

    id: str
    kind: str
    level: str
    applies_to: tuple[str, ...]
    severity: str
    at_us: int
    provenance: Provenance
    content: str
    content_hash: str

    def is_in_scope(self, tags: Iterable[str]) -> bool:
        """Whether the item speaks of an action with these tags."""
        return EVERY_ACTION in self.applies_to or not frozenset(self.applies_to).isdisjoint(tags)


class Snapshot(NamedTuple):
    """Every item at one moment, sorted by id, ids unique; `hash`: hex SHA3-256 of the items without their content."""

    items: tuple[Item, ...]
    hash: str


def content_hash_of(hasher: Hasher, content: str) -> str:
    """Hex SHA3-256 of canonical content."""
    return hasher.sha3_256(content.encode()).hex()


def item_from_plain(plain: object, hasher: Hasher, field: str = "item") -> Item:
    """The item a JSON object describes; the inverse of `item_to_plain`.

    `content` is any JSON value that has a canonical form; `content_hash` may be left out beside it, and has to stand
    alone where the content is not at hand. Args: field: what the object is called in errors. Raises: ItemError.
    """
    if type(plain) is not dict:
        raise _wrong(field, "must be an object")
    unknown = sorted(str(name)[:MAX_NAME_CHARACTERS] for name in plain.keys() - _MEMBERS)
    if unknown:
        raise _wrong(f"{field}.{unknown[0]}", f"is not one of {', '.join(sorted(_MEMBERS))}")
    kind = _one_of(plain, "kind", KINDS, field)
    if (kind == "invariant") != bool(plain.get("severity")):
        raise _wrong(f"{field}.severity", f"must be {' or '.join(SEVERITIES)} for an invariant, and absent for others")
    at_us = plain.get("at_us")
    if type(at_us) is not int or not 1 <= at_us <= MAX_INT:
        raise _wrong(f"{field}.at_us", "must be UTC microseconds since 1970, a positive integer")
    content, content_hash = _content(plain, hasher, field)
    return Item(
        id=name_in(plain, "id", field),
        kind=kind,
        level=_one_of(plain, "level", LEVELS, field),
        applies_to=_tags(plain.get("applies_to", [EVERY_ACTION]), f"{field}.applies_to"),
        severity=_one_of(plain, "severity", SEVERITIES, field) if plain.get("severity") else "",
        at_us=at_us,
        provenance=provenance_from_plain(plain.get("provenance"), f"{field}.provenance"),
        content=content,
        content_hash=content_hash,
    )


def provenance_from_plain(plain: object, field: str = "provenance") -> Provenance:
    """Where something comes from: `source` and `ref` must be told, `author` may be. Raises: ItemError."""
    if type(plain) is not dict:
        raise _wrong(field, "must be an object with source and ref")
    unknown = sorted(str(name)[:MAX_NAME_CHARACTERS] for name in plain.keys() - {"source", "ref", "author"})
    if unknown:
        raise _wrong(f"{field}.{unknown[0]}", "is not one of author, ref, source")
    ref, author = plain.get("ref"), plain.get("author", "")
    for name, text in (("ref", ref), ("author", author)):
        if type(text) is not str or len(text) > MAX_TEXT_CHARACTERS:
            raise _wrong(f"{field}.{name}", f"must be a string of at most {MAX_TEXT_CHARACTERS} characters")
    if not ref:
        raise _wrong(f"{field}.ref", "must name what the item rests on")
    return Provenance(_one_of(plain, "source", SOURCES, field), str(ref), str(author))


def item_to_plain(item: Item, *, with_content: bool = True) -> dict[str, Any]:
    """The item as JSON-like values. Args: with_content: also what it says, where that is at hand."""
    plain: dict[str, Any] = {
        "id": item.id,
        "kind": item.kind,
        "level": item.level,
        "applies_to": list(item.applies_to),
        "at_us": item.at_us,
        "provenance": item.provenance._asdict(),
        "content_hash": item.content_hash,
    }
    if item.severity:
        plain["severity"] = item.severity
    if with_content and item.content:
        plain["content"] = parse_canonical(item.content.encode())
    return plain


def snapshot_of(hasher: Hasher, items: Iterable[Item]) -> Snapshot:
    """The items in the order of their ids, with their hash. Raises: ItemError if two have one id."""
    ordered = sorted(items, key=lambda item: item.id)
    for before, after in pairwise(ordered):
        if before.id == after.id:
            raise _wrong("canon", f"holds the item {before.id} twice")
    plain = [item_to_plain(item, with_content=False) for item in ordered]
    try:
        canonical = canonical_json(plain)
    except (CanonicalError, UnicodeEncodeError):
        raise _wrong("canon", "has no canonical form: a text in it is not Unicode") from None
    return Snapshot(tuple(ordered), hasher.sha3_256(canonical).hex())


def name_in(plain: dict[str, Any], member: str, field: str) -> str:
    """An id: visible ASCII without commas. Raises: ItemError."""
    name = plain.get(member)
    if not is_name(name):
        raise _wrong(f"{field}.{member}", f"must be 1 to {MAX_NAME_CHARACTERS} visible ASCII characters without commas")
    return str(name)


def is_name(value: object) -> bool:
    """Whether this can be the id of an item or an action, or a tag."""
    return type(value) is str and 1 <= len(value) <= MAX_NAME_CHARACTERS and _VISIBLE.issuperset(value)


def is_hash(value: object) -> bool:
    """Whether this is a digest: 64 lower-case hexadecimal digits."""
    return type(value) is str and len(value) == HASH_CHARACTERS and _HEX.issuperset(value)


def _one_of(plain: dict[str, Any], member: str, known: tuple[str, ...], field: str) -> str:
    value = plain.get(member)
    if type(value) is not str or value not in known:
        raise _wrong(f"{field}.{member}", f"must be one of {', '.join(known)}")
    return value


def _tags(value: object, field: str) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_TAGS or not all(is_name(tag) for tag in value):
        raise _wrong(field, f"must be a list of 1 to {MAX_TAGS} action tags, visible ASCII without commas")
    if len(set(value)) != len(value) or (EVERY_ACTION in value and len(value) > 1):
        raise _wrong(field, f"must not name a tag twice, nor {EVERY_ACTION} beside another")
    return tuple(sorted(value))


def _content(plain: dict[str, Any], hasher: Hasher, field: str) -> tuple[str, str]:
    claimed = plain.get("content_hash")
    if claimed is not None and not is_hash(claimed):
        raise _wrong(f"{field}.content_hash", "must be 64 lower-case hexadecimal digits")
    if "content" not in plain:
        if claimed is None:
            raise _wrong(f"{field}.content", "must say what the item says, or content_hash what that hashes to")
        return "", str(claimed)
    try:
        content = canonical_json(plain["content"])
    except CanonicalError as problem:
        raise _wrong(f"{field}.content", f"has no canonical form: {problem.message}") from None
    if len(content) > MAX_CONTENT_BYTES:
        raise _wrong(f"{field}.content", f"is longer than {MAX_CONTENT_BYTES} bytes")
    found = hasher.sha3_256(content).hex()
    if claimed not in (None, found):
        raise _wrong(f"{field}.content_hash", "is not the SHA3-256 of the content's canonical JSON")
    return content.decode(), found


def _wrong(field: str, problem: str) -> ItemError:
    return ItemError(f"{field} {problem}", param=field)
