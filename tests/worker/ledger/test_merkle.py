"""The Merkle tree by its definitions (RFC 6962 section 2.1), proofs at every size, and everything that is no proof."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import hasher
from worker.errors import LedgerFault
from worker.ledger.merkle import (
    Frontier,
    consistency_path,
    inclusion_path,
    node_hash,
    root_hash,
    subtree_of,
    verify_consistency,
    verify_inclusion,
)

SHA3 = hasher()
LEAVES = [SHA3.sha3_256(b"\x00entry %d" % number) for number in range(70)]
ROOTS = [root_hash(SHA3, subtree_of(SHA3, LEAVES[:size]), size) for size in range(len(LEAVES) + 1)]


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, by the standard library."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha3_256(b"").digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha3_256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def defined_path(entry: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if entry < split:
        return [*defined_path(entry, leaves[:split]), defined_root(leaves[split:])]
    return [*defined_path(entry - split, leaves[split:]), defined_root(leaves[:split])]


def defined_proof(first: int, leaves: Sequence[bytes], known: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if first == len(leaves):
        return [] if known else [defined_root(leaves)]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if first <= split:
        return [*defined_proof(first, leaves[:split], known), defined_root(leaves[split:])]
    return [*defined_proof(first - split, leaves[split:], False), defined_root(leaves[:split])]


def path_of(entry: int, size: int) -> tuple[bytes, ...]:
    return inclusion_path(SHA3, subtree_of(SHA3, LEAVES[:size]), entry, size)


def proof_of(first: int, second: int) -> tuple[bytes, ...]:
    return consistency_path(SHA3, subtree_of(SHA3, LEAVES[:second]), first, second)


def test_golden_roots() -> None:
    leaves = [SHA3.sha3_256(b"\x00" + bytes([number])) for number in range(4)]
    roots = [root_hash(SHA3, subtree_of(SHA3, leaves[:size]), size).hex() for size in range(5)]
    assert roots == [
        "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
        "762ba6a3d9312bf3e6dc71e74f34208e889fc44e6ff400724deecfeda7d5b3ce",
        "57de176bf29bb6a433d306264f70b5170cd3c1a2188589151cf81ea3bf77e2d8",
        "74fcbd55a09e7ee84754a8710e01b6205149eea83aa157b7a816291b7671ae5b",
        "631d189672aaf8b1c5c41d152b361512668f14e862e63a3a85d601086c34cb45",
    ]


def test_roots_are_those_of_the_definition() -> None:
    assert [defined_root(LEAVES[:size]) for size in range(len(LEAVES) + 1)] == ROOTS


def test_every_inclusion_proof_is_that_of_the_definition_and_verifies() -> None:
    for size in range(1, len(LEAVES) + 1):
        for entry in range(size):
            path = path_of(entry, size)
            assert list(path) == defined_path(entry, LEAVES[:size])
            verify_inclusion(SHA3, LEAVES[entry], entry, size, path, ROOTS[size])


def test_every_consistency_proof_is_that_of_the_definition_and_verifies() -> None:
    for second in range(1, len(LEAVES) + 1):
        for first in range(1, second + 1):
            path = proof_of(first, second)
            assert list(path) == defined_proof(first, LEAVES[:second])
            verify_consistency(SHA3, first, second, path, ROOTS[first], ROOTS[second])


def test_no_inclusion_proof_is_one_of_another_entry_size_or_root() -> None:
    for size in range(1, 24):
        for entry in range(size):
            path = path_of(entry, size)
            for other in range(size):
                if other != entry:
                    with pytest.raises(LedgerFault):
                        verify_inclusion(SHA3, LEAVES[entry], other, size, path, ROOTS[size])
            for other in range(1, 30):
                # Under the same root, no other size has this proof of the same entry; under another root, none at all.
                if other != size and ROOTS[other] != ROOTS[size]:
                    with pytest.raises(LedgerFault):
                        verify_inclusion(SHA3, LEAVES[entry], entry, size, path, ROOTS[other])


def test_no_consistency_proof_is_one_of_other_roots() -> None:
    for second in range(2, 20):
        for first in range(1, second):
            path = proof_of(first, second)
            for other in range(1, 20):
                if other != first:
                    with pytest.raises(LedgerFault):
                        verify_consistency(SHA3, first, second, path, ROOTS[other], ROOTS[second])
                if other != second:
                    with pytest.raises(LedgerFault):
                        verify_consistency(SHA3, first, second, path, ROOTS[first], ROOTS[other])


@given(st.integers(1, 40), st.data())
def test_a_changed_proof_never_verifies(size: int, data: st.DataObject) -> None:
    entry = data.draw(st.integers(0, size - 1))
    path = list(path_of(entry, size))
    edits = ["drop", "add", "swap", "flip"] if len(path) > 1 else ["add"]
    edit = data.draw(st.sampled_from(edits))
    at = data.draw(st.integers(0, max(0, len(path) - 1)))
    if edit == "drop":
        del path[at]
    elif edit == "add":
        path.insert(at, bytes(32))
    elif edit == "swap":
        path[at], path[at - 1] = path[at - 1], path[at]
    else:
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    with pytest.raises(LedgerFault):
        verify_inclusion(SHA3, LEAVES[entry], entry, size, path, ROOTS[size])


@given(st.integers(2, 40), st.data())
def test_a_changed_consistency_proof_never_verifies(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second - 1))
    path = list(proof_of(first, second))
    edit = data.draw(st.sampled_from(["drop", "add", "flip"]))
    at = data.draw(st.integers(0, len(path) - 1))
    if edit == "drop":
        del path[at]
    elif edit == "add":
        path.insert(at, bytes(32))
    else:
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    with pytest.raises(LedgerFault):
        verify_consistency(SHA3, first, second, path, ROOTS[first], ROOTS[second])


@pytest.mark.parametrize(
    ("entry", "size", "path", "leaf", "root"),
    [
        (0, 0, [], bytes(32), bytes(32)),
        (-1, 3, [], bytes(32), bytes(32)),
        (3, 3, [bytes(32)] * 2, bytes(32), bytes(32)),
        (0, 3, [], bytes(32), bytes(32)),
        (0, 3, [bytes(32)] * 70, bytes(32), bytes(32)),
        (0, 3, [bytes(31), bytes(32)], bytes(32), bytes(32)),
        (0, 1, [], bytes(31), bytes(31)),
        (0, 1, [], bytes(32), bytes(33)),
        (0, 2**62, [bytes(32)] * 3, bytes(32), bytes(32)),
    ],
)
def test_what_is_no_inclusion_proof_is_refused(
    entry: int, size: int, path: list[bytes], leaf: bytes, root: bytes
) -> None:
    with pytest.raises(LedgerFault) as caught:
        verify_inclusion(SHA3, leaf, entry, size, path, root)
    assert caught.value.reason == "PROOF_MISMATCH"


@pytest.mark.parametrize(
    ("first", "second", "path", "roots"),
    [
        (0, 3, [], (bytes(32), bytes(32))),
        (4, 3, [bytes(32)], (bytes(32), bytes(32))),
        (3, 3, [bytes(32)], (bytes(32), bytes(32))),
        (3, 3, [], (bytes(32), b"\x01" * 32)),
        (1, 3, [], (bytes(32), bytes(32))),
        (3, 7, [], (bytes(32), bytes(32))),
        (3, 7, [bytes(32)] * 70, (bytes(32), bytes(32))),
        (3, 7, [bytes(31)] * 4, (bytes(32), bytes(32))),
        (3, 7, [bytes(32)] * 4, (b"", bytes(32))),
    ],
)
def test_what_is_no_consistency_proof_is_refused(
    first: int, second: int, path: list[bytes], roots: tuple[bytes, bytes]
) -> None:
    with pytest.raises(LedgerFault):
        verify_consistency(SHA3, first, second, path, *roots)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for entry, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(LedgerFault):
            path_of(entry, size)
    for first, second in ((0, 3), (4, 3)):
        with pytest.raises(LedgerFault):
            proof_of(first, second)


def test_a_frontier_grows_into_every_root_and_can_be_laid_down_anywhere() -> None:
    for stop in range(len(LEAVES) + 1):
        frontier = Frontier(SHA3)
        for leaf in LEAVES[:stop]:
            frontier.append(leaf)
        again = Frontier(SHA3, frontier.size, frontier.peaks)
        assert again.root() == ROOTS[stop]
        for size, leaf in enumerate(LEAVES[stop:], stop + 1):
            again.append(leaf)
            assert again.root() == ROOTS[size]
    for size, peaks in ((1, []), (0, [bytes(32)]), (-1, [])):
        with pytest.raises(LedgerFault):
            Frontier(SHA3, size, peaks)


def test_a_leaf_can_not_be_passed_off_as_a_node() -> None:
    # The second preimage that RFC 6962's prefixes rule out: the text of two leaf hashes as an entry of its own.
    forged = SHA3.sha3_256(b"\x00" + LEAVES[0] + LEAVES[1])
    assert forged != node_hash(SHA3, LEAVES[0], LEAVES[1])
