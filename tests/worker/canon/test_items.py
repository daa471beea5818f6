"""Items: which are well formed, what their content hashes to, and what a set of them does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.decision_kit import NOW_US, hasher
from worker.canon.items import (
    KINDS,
    LEVELS,
    Item,
    ItemError,
    item_from_plain,
    item_to_plain,
    snapshot_of,
)
from worker.ledger.canonical import canonical_json

PLAIN: dict[str, Any] = {
    "id": "review-first",
    "kind": "definition",
    "level": "CANON",
    "applies_to": ["deploy", "rollback"],
    "at_us": NOW_US,
    "provenance": {"source": "chat", "ref": "what was said on Monday", "author": "ann"},
    "content": {"text": "a deployment is reviewed first", "times": 1},
}
#: Change when the canonical form of an item does; then every snapshot hash in every log does.
GOLDEN_CONTENT_HASH = "627ec3a07c95255440631b9caba2f1b89d402f55d282857fc5a32684c8c0fcad"
GOLDEN_SNAPSHOT_HASH = "6673cd441c0b3c231b579ce0708b7b7a6ba3f3f3faf6ce6ba79348813e377e7c"


def item(**changes: Any) -> Item:
    plain = {**PLAIN, **changes}
    return item_from_plain({name: value for name, value in plain.items() if value is not None}, hasher())


def test_an_item_is_read_back_as_it_was_written() -> None:
    for kind in KINDS:
        severity = "HARD_FAIL" if kind == "invariant" else None
        for level in LEVELS:
            found = item(kind=kind, level=level, severity=severity)
            assert item_from_plain(item_to_plain(found), hasher()) == found
            bare = item_from_plain(item_to_plain(found, with_content=False), hasher())
            assert bare == found._replace(content="")


def test_the_golden_hashes() -> None:
    assert item().content == '{"text":"a deployment is reviewed first","times":1}'
    assert item().content_hash == hasher().sha3_256(canonical_json(PLAIN["content"])).hex() == GOLDEN_CONTENT_HASH
    assert snapshot_of(hasher(), [item(), item(id="b")]).hash == GOLDEN_SNAPSHOT_HASH


def test_a_snapshot_is_sorted_and_knows_no_order_of_arrival() -> None:
    one, two = item(id="a"), item(id="b", level="EVIDENCE")
    assert snapshot_of(hasher(), [two, one]) == snapshot_of(hasher(), [one, two])
    assert [found.id for found in snapshot_of(hasher(), [two, one]).items] == ["a", "b"]
    with pytest.raises(ItemError, match="twice"):
        snapshot_of(hasher(), [one, one._replace(level="EVIDENCE")])


def test_every_member_but_the_content_itself_changes_the_snapshot() -> None:
    found = item(kind="invariant", severity="HARD_FAIL")
    changes: list[dict[str, Any]] = [
        {"id": "other"},
        {"kind": "constraint", "severity": ""},
        {"level": "PROPOSED"},
        {"applies_to": ("deploy",)},
        {"severity": "SOFT_FAIL"},
        {"at_us": NOW_US + 1},
        {"provenance": found.provenance._replace(source="test")},
        {"provenance": found.provenance._replace(ref="elsewhere")},
        {"provenance": found.provenance._replace(author="bob")},
        {"content_hash": "0" * 64},
    ]
    hashes = {snapshot_of(hasher(), [found._replace(**change)]).hash for change in ({}, *changes)}
    assert len(hashes) == len(changes) + 1
    # What it says is pinned by the hash of it, so it need not be at hand.
    assert snapshot_of(hasher(), [found._replace(content="")]).hash in hashes


def test_scope_is_by_tags() -> None:
    assert item().is_in_scope(("deploy",))
    assert item().is_in_scope(("other", "rollback"))
    assert not item().is_in_scope(("other",))
    assert not item().is_in_scope(())
    assert item(applies_to=["*"]).is_in_scope(())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "a,b"}, "id"),
        ({"id": "ä"}, "id"),
        ({"id": "x" * 129}, "id"),
        ({"id": 7}, "id"),
        ({"kind": "rumour"}, "kind"),
        ({"kind": ["definition"]}, "kind"),
        ({"level": "canon"}, "level"),
        ({"level": None}, "level"),
        ({"severity": "HARD_FAIL"}, "severity"),
        ({"kind": "invariant"}, "severity"),
        ({"kind": "invariant", "severity": "FATAL"}, "severity"),
        ({"at_us": 0}, "at_us"),
        ({"at_us": -1}, "at_us"),
        ({"at_us": True}, "at_us"),
        ({"at_us": 1.0}, "at_us"),
        ({"at_us": 2**53}, "at_us"),
        ({"at_us": None}, "at_us"),
        ({"applies_to": []}, "applies_to"),
        ({"applies_to": "deploy"}, "applies_to"),
        ({"applies_to": ["deploy", "deploy"]}, "applies_to"),
        ({"applies_to": ["*", "deploy"]}, "applies_to"),
        ({"applies_to": ["a b"]}, "applies_to"),
        ({"applies_to": [f"t{n}" for n in range(65)]}, "applies_to"),
        ({"provenance": None}, "provenance"),
        ({"provenance": {"source": "hearsay", "ref": "x"}}, "provenance.source"),
        ({"provenance": {"source": "chat"}}, "provenance.ref"),
        ({"provenance": {"source": "chat", "ref": ""}}, "provenance.ref"),
        ({"provenance": {"source": "chat", "ref": "x" * 513}}, "provenance.ref"),
        ({"provenance": {"source": "chat", "ref": "x", "author": 7}}, "provenance.author"),
        ({"provenance": {"source": "chat", "ref": "x", "hash": "y"}}, "provenance.hash"),
        ({"content": 1.5}, "content"),
        ({"content": {"a": 2**53}}, "content"),
        ({"content": "\ud800"}, "content"),
        ({"content": "x" * 262_143}, "content"),
        ({"content": None}, "content"),
        ({"content_hash": "0" * 64}, "content_hash"),
        ({"content_hash": "F" * 64}, "content_hash"),
        ({"content_hash": "0" * 63}, "content_hash"),
        ({"title": "no such member"}, "title"),
    ],
)
def test_what_is_not_an_item_is_refused_with_the_member_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ItemError) as problem:
        item(**changes)
    assert problem.value.param == f"item.{field}"
    assert problem.value.status == 400


@pytest.mark.parametrize("plain", [None, [], "item", 7])
def test_what_is_no_object_is_refused(plain: object) -> None:
    with pytest.raises(ItemError):
        item_from_plain(plain, hasher())


def test_a_text_that_is_not_unicode_has_no_snapshot() -> None:
    broken = item(provenance={"source": "chat", "ref": "\ud800"})
    with pytest.raises(ItemError):
        snapshot_of(hasher(), [broken])
