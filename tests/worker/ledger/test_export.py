"""The offline verifier against whoever holds the file: what it detects, and what nobody could without an anchor."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.decision_kit import NOW_US, config, world
from tests.worker.ledger.log_kit import (
    OTHER_SEED,
    PUBLIC_KEY,
    SHA3,
    changed,
    check,
    checkpoint_of,
    erase,
    export_of,
    fill,
    signed,
)
from worker.ledger.audit import Report
from worker.ledger.checkpoint import Checkpoint
from worker.ledger.entry import entry_from_text, leaf_hash
from worker.ledger.export import checkpoint_line, entry_line, header_line
from worker.ledger.merkle import Frontier

EARLY = 9


class Exported:
    """A log's export with a checkpoint in the middle, and the ones that a careful reader kept."""

    def __init__(self, lines: list[bytes], early: Checkpoint, late: Checkpoint) -> None:
        self.lines = lines
        self.early = early
        self.late = late

    def entry_lines(self) -> list[int]:
        return [at for at, line in enumerate(self.lines) if b'"entry":' in line[:12]]

    def without(self, *at: int) -> list[bytes]:
        return [line for place, line in enumerate(self.lines) if place not in at]

    def entry(self, at: int) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(json.loads(self.lines[at])["entry"])
        return parsed


@cache
def the_export() -> Exported:
    return asyncio.run(make_export())


async def make_export() -> Exported:
    async with world(config(default_cap=10**9)) as state:
        await fill(state)
        await erase(state, "grace")
        lines = await export_of(state, (EARLY,))
        return Exported(lines, await checkpoint_of(state, EARLY), await checkpoint_of(state))


@pytest.fixture
def exported() -> Exported:
    return the_export()


@pytest.fixture
def honest(exported: Exported) -> Report:
    report = check(exported.lines, exported.early, exported.late, key=PUBLIC_KEY)
    assert report.ok, report.fault
    return report


def fault_of(report: Report) -> tuple[str, int | None]:
    assert not report.ok
    assert report.fault is not None
    return report.fault.reason, report.fault.seq


def test_an_honest_export_verifies_and_says_what_is_in_it(exported: Exported, honest: Report) -> None:
    assert honest.size == len(exported.entry_lines()) == exported.late.size
    assert honest.root == exported.late.root.hex()
    assert honest.erased == 3
    assert honest.opened >= 3
    assert honest.evidence >= 11
    assert (honest.dropped, honest.checkpoints) == (0, 4)
    # Without an anchor and without a key it says the same of the log, and less of who vouches for it.
    alone = check(exported.lines)
    assert alone == honest._replace(checkpoints=2)


def test_every_edit_of_any_member_of_any_line_is_detected(exported: Exported) -> None:
    """Each value of each object, however deep: changed, removed, and one added beside it."""
    for at, line in enumerate(exported.lines):
        for text in edits(json.loads(line)):
            lines = [*exported.lines]
            lines[at] = text
            says_less = is_unsealing(line, text) or "public_key" in json.loads(line).keys() - json.loads(text).keys()
            assert check(lines).ok == check(lines, key=PUBLIC_KEY).ok == says_less, (at, text)


def is_unsealing(line: bytes, edited: bytes) -> bool:
    """What opens personal fields may be left out of an export: that is what it is apart for."""
    before, after = json.loads(line), json.loads(edited)
    return "opening" not in after and {**after, "opening": before.get("opening")} == before


def edits(members: dict[str, Any]) -> list[bytes]:
    found = []
    for name, value in members.items():
        found.append({key: kept for key, kept in members.items() if key != name})
        if isinstance(value, dict):
            found += [{**members, name: json.loads(text)} for text in edits(value)]
            continue
        found.append({**members, name: f"{value}x"})
        for inner in inner_edits(value):
            found.append({**members, name: inner})
    found.append({**members, "zz": "0"})
    return [
        json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for one in found
    ]


def inner_edits(text: str) -> list[str]:
    """An entry's or an evidence's JSON text with each of its members changed; a checkpoint's with each of its lines."""
    if text.startswith("{"):
        members = json.loads(text)
        numbers = {name: value + 1 for name, value in members.items() if type(value) is int}
        texts = {name: value + "0" for name, value in members.items() if isinstance(value, str)}
        changes = [{**members, name: value} for name, value in (numbers | texts).items()]
        changes += [{key: kept for key, kept in members.items() if key != name} for name in members]
        return [json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for one in changes]
    lines = text.split("\n")
    if len(lines) < 4:
        return []
    return ["\n".join([*lines[:at], line + "0", *lines[at + 1 :]]) for at, line in enumerate(lines)]


def test_deletion_insertion_duplication_and_swaps_are_detected(exported: Exported) -> None:
    places = exported.entry_lines()
    for at in places:
        duplicate = [*exported.lines[:at], exported.lines[at], *exported.lines[at:]]
        assert fault_of(check(duplicate))[0] == "SEQ_MISMATCH"
        removed = check(exported.without(at))
        if at == places[-1]:
            # The checkpoint that ends the export has seen it.
            assert fault_of(removed)[0] == "CHECKPOINT_MISMATCH"
        else:
            assert fault_of(removed)[0] in ("SEQ_MISMATCH", "CHECKPOINT_MISMATCH")
        for other in places:
            if other != at:
                lines = [*exported.lines]
                lines[at], lines[other] = lines[other], lines[at]
                assert not check(lines).ok, (at, other)


def test_an_entry_can_not_be_slipped_in_even_with_its_numbers_right(exported: Exported) -> None:
    """Inserted, and all that follow renumbered: only a checkpoint tells, and the export has one."""
    places = exported.entry_lines()
    lines = renumbered(exported, [*places[:4], places[3], *places[4:]])
    assert fault_of(check([*lines, exported.lines[-1]]))[0] == "CHECKPOINT_MISMATCH"


def renumbered(exported: Exported, places: list[int]) -> list[bytes]:
    """These entries under numbers from 0 on, with the evidence they have, and no checkpoint."""
    lines = [exported.lines[0]]
    for seq, at in enumerate(places):
        members = json.loads(exported.lines[at])
        entry = json.dumps({**exported.entry(at), "seq": seq}, sort_keys=True, separators=(",", ":"))
        lines.append(entry_line(entry, members.get("evidence"), members.get("opening")))
    return lines


def test_truncation_is_detected_exactly_when_a_later_checkpoint_is_held(exported: Exported) -> None:
    places = exported.entry_lines()
    for kept in range(EARLY, len(places)):
        cut = [line for at, line in enumerate(exported.lines[:-1]) if at <= places[kept - 1]]
        unexplained = {"EVIDENCE_MISSING", "TRUNCATED"}
        # Negative: what is left is a log in good order, and nothing in it says that there was more.
        assert check(cut).ok, kept
        assert check(cut, key=PUBLIC_KEY).ok
        # Negative: a checkpoint from before the cut agrees with it too.
        assert check([*cut], exported.early).ok or kept < EARLY
        # Positive: one that has seen more.
        assert fault_of(check(cut, exported.late))[0] in unexplained
        assert fault_of(check(cut, exported.early, exported.late)) == ("TRUNCATED", kept)


def test_a_rewrite_is_detected_exactly_when_a_checkpoint_is_held(exported: Exported) -> None:
    """Whoever can write the log can write another one; he can't make it agree with what somebody has kept."""
    places = exported.entry_lines()
    rewritten = renumbered(exported, [places[0], *places[2:]])
    # Negative: without a checkpoint it is as good as the true one.
    assert check(rewritten).ok
    # Negative: the same with its own checkpoints, signed by a key of the forger's that the header names.
    size, root = len(places) - 1, root_of(rewritten)
    forged = asyncio.run(signed(Checkpoint("acme", size, root, NOW_US), OTHER_SEED))
    named = json.loads(exported.lines[0])
    other_key = forged_key()
    own = [header_line("acme", other_key.hex()), *rewritten[1:], checkpoint_line(forged.to_text())]
    assert named["public_key"] != other_key.hex()
    assert check(own).ok
    # Positive: a reader who knows the true key, or who kept a checkpoint, sees it.
    assert fault_of(check([exported.lines[0], *own[1:]]))[0] == "SIGNATURE_INVALID"
    assert fault_of(check(own, key=PUBLIC_KEY))[0] == "SIGNATURE_INVALID"
    assert fault_of(check(rewritten, exported.early)) == ("CHECKPOINT_MISMATCH", EARLY - 1)
    assert fault_of(check(rewritten, exported.late))[0] == "TRUNCATED"


def forged_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(OTHER_SEED).public_key().public_bytes_raw()


def root_of(lines: list[bytes]) -> bytes:
    frontier = Frontier(SHA3)
    for line in lines[1:]:
        frontier.append(leaf_hash(SHA3, json.loads(line)["entry"].encode()))
    return frontier.root()


def test_two_logs_from_one_beginning_are_told_apart_by_their_checkpoints(exported: Exported) -> None:
    """Equivocation: one log for the auditor, another for the tenant."""
    places = exported.entry_lines()
    other = renumbered(exported, [*places[:EARLY], *places[EARLY + 1 :]])
    assert check(other, exported.early).ok
    assert fault_of(check(other, exported.late))[0] == "TRUNCATED"


def test_a_torn_last_line_is_reported_and_what_comes_before_it_is_verified(exported: Exported) -> None:
    places = exported.entry_lines()
    last = exported.lines[places[-1]]
    for cut in range(1, len(last), 7):
        report = check([*exported.lines[: places[-1]], last[:cut]])
        assert fault_of(report) == ("TORN_LINE", len(places) - 1)
        assert (report.size, report.root) == (len(places) - 1, root_before(exported, len(places) - 1))
    header = exported.lines[0]
    assert fault_of(check([header[:-1]])) == ("TORN_LINE", None)
    assert fault_of(check([])) == ("TORN_LINE", None)


def root_before(exported: Exported, size: int) -> str:
    return root_of([exported.lines[0], *[exported.lines[at] for at in exported.entry_lines()[:size]]]).hex()


def test_evidence_may_be_missing_only_where_the_log_says_so(exported: Exported) -> None:
    for at in exported.entry_lines():
        if "evidence" in json.loads(exported.lines[at]):
            lines = [*exported.lines]
            lines[at] = changed(lines[at], lambda members: (members.pop("evidence"), members.pop("opening", None)))
            report = check(lines)
            assert fault_of(report) == ("EVIDENCE_MISSING", exported.entry(at)["seq"])


def test_openings_open_what_was_committed_to_and_nothing_else(exported: Exported) -> None:
    opened = [at for at in exported.entry_lines() if "opening" in json.loads(exported.lines[at])]
    assert opened
    for at in opened:
        for name, value in (("user_id", "eve"), ("session_id", "s-8"), ("salt", "00" * 32)):
            lines = [*exported.lines]
            lines[at] = changed(lines[at], lambda members: members["opening"].update({name: value}))  # noqa: B023
            assert fault_of(check(lines)) == ("COMMITMENT_MISMATCH", exported.entry(at)["seq"])
    # On an entry that committed to nothing there is nothing to open.
    first = exported.entry_lines()[0]
    lines = [*exported.lines]
    lines[first] = changed(lines[first], lambda m: m.update(opening={"user_id": "a", "session_id": "", "salt": "00"}))
    assert fault_of(check(lines)) == ("COMMITMENT_MISMATCH", 0)


MALFORMED = [
    b"\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'{"entry":1}\n',
    b'{"entry":null}\n',
    b'{"evidence":"x"}\n',
    b'{"checkpoint":1}\n',
    b'{"checkpoint":"x"}\n',
    b'{"checkpoint":"","entry":""}\n',
    b'{"entry":"","entry":""}\n',
    b'{"entry": ""}\n',
    b'{"entry":"{}"}\n',
    b'{"entry":"","opening":{}}\n',
    b'{"entry":"","opening":{"salt":"zz","session_id":"","user_id":""}}\n',
    b'{"entry":"\\ud800"}\n',
    b'{"entry":"1e999"}\n',
    b"\xff\xfe\n",
    b"[" * 200 + b"\n",
]


@pytest.mark.parametrize("line", MALFORMED)
def test_what_is_no_line_is_a_fault_and_no_exception(exported: Exported, line: bytes) -> None:
    assert not check([line]).ok
    assert not check([exported.lines[0], line]).ok
    assert not check([*exported.lines[:5], line, *exported.lines[5:]]).ok


@pytest.mark.parametrize(
    "header",
    [
        {"format": "harpoon-ledger-export/v2", "tenant": "acme"},
        {"format": "harpoon-ledger-export/v1"},
        {"format": "harpoon-ledger-export/v1", "tenant": 1},
        {"format": "harpoon-ledger-export/v1", "tenant": "acme", "public_key": "00"},
        {"format": "harpoon-ledger-export/v1", "tenant": "acme", "public_key": "Z" * 64},
        {"format": "harpoon-ledger-export/v1", "tenant": "acme", "more": ""},
        {"format": "harpoon-ledger-export/v1", "tenant": "other"},
    ],
)
def test_another_header_is_none(exported: Exported, header: dict[str, Any]) -> None:
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert not check([line, *exported.lines[1:]]).ok


@settings(max_examples=300)
@given(st.data())
def test_no_single_byte_can_be_changed(data: st.DataObject) -> None:
    lines = the_export().lines
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    flipped = lines[at][place] ^ (1 << data.draw(st.integers(0, 7)))
    edited = [*lines]
    edited[at] = lines[at][:place] + bytes([flipped]) + lines[at][place + 1 :]
    assert not check(edited).ok


def test_an_entry_is_read_only_as_it_was_written() -> None:
    good = '{"at_us":1,"kind":"ACTION","payload":{},"seq":0,"tenant":"acme","v":2}'
    assert entry_from_text(good).kind == "ACTION"
