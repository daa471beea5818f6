"""presentation/ledger.js in Node and in a browser says of every export and proof what the Python verifier says."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.edge.harness import setup_edge
from tests.kernel_build import built_kernel
from tests.presentation.browser import FAILURE_BOUND_S, said_by_page
from tests.worker.ledger import test_merkle
from tests.worker.ledger.log_kit import OTHER_SEED, PUBLIC_KEY, SHA3, check, signed
from tests.worker.ledger.test_export import MALFORMED, edits, renumbered, the_export
from worker.errors import LedgerFault
from worker.ledger.checkpoint import Checkpoint
from worker.ledger.export import entry_line
from worker.ledger.merkle import verify_consistency, verify_inclusion

HERE = Path(__file__).parent
PRESENTATION = HERE.parents[1] / "presentation"
ANSWERS = HERE / "ledger_answers.mjs"
Case = tuple[list[bytes], tuple[Checkpoint, ...], bytes | None]


def export_cases() -> list[Case]:
    """The honest export, every edit of it, every cut, every malformed line, with and without anchors."""
    found = the_export()
    lines, places = found.lines, found.entry_lines()
    cases: list[Case] = [(lines, (found.early, found.late), PUBLIC_KEY), (lines, (), None), ([], (), None)]
    for at, line in enumerate(lines):
        for text in edits(json.loads(line)):
            cases.append(([*lines[:at], text, *lines[at + 1 :]], (), None))
    for at in places:
        cases.append((found.without(at), (), None))
        cases.append(([*lines[:at], lines[at], *lines[at:]], (), None))
        cases.append((lines[: at + 1], (found.late,), PUBLIC_KEY))
        cases.append((lines[: at + 1], (), None))
        cases.append(([*lines[:at], lines[at][:-9]], (), None))
    rewritten = renumbered(found, [places[0], *places[2:]])
    cases += [(rewritten, (), None), (rewritten, (found.early,), None), (rewritten, (found.late,), bytes(32))]
    old = asyncio.run(signed(found.early, OTHER_SEED))
    unsigned = found.early._replace(key_id="", signature=b"")
    for one in (old, unsigned, old._replace(root=bytes(32)), found.early._replace(signature=bytes(64))):
        cases += [(lines, (one,), None), (lines, (one,), PUBLIC_KEY)]
    # As deep as a canonical value may be, and by one deeper: empty, and with something in it.
    for depth in (61, 62, 63, 64):
        for inner in ("", "1"):
            nested = "[" * depth + inner + "]" * depth
            entry = f'{{"at_us":1,"kind":"ACTION","payload":{{"a":{nested}}},"seq":0,"tenant":"acme","v":2}}'
            cases.append(([lines[0], entry_line(entry, None)], (), None))
    unusual = [
        b'{"entry":"\xf4\x8f\xbf\xbf"}\n',
        b'{"__proto__":"x"}\n',
        b'{"entry":"1.0"}\n',
        b'\xef\xbb\xbf{"a":1}\n',
    ]
    for line in [*MALFORMED, *unusual]:
        cases += [([line], (), None), ([*lines[:5], line, *lines[5:]], (), None)]
    return cases


def inclusion_cases() -> list[dict[str, Any]]:
    """Right proofs, and each with a hash changed, left out, or of another size."""
    cases = []
    for size in (1, 2, 3, 8, 13, 64, 70):
        for entry in range(0, size, 3):
            path = [step.hex() for step in test_merkle.path_of(entry, size)]
            right = {
                "leaf_hash": test_merkle.LEAVES[entry].hex(),
                "entry": entry,
                "size": size,
                "path": path,
                "root": test_merkle.ROOTS[size].hex(),
            }
            cases += [right, {**right, "size": size + 1}, {**right, "root": "00" * 32}, {**right, "entry": entry + 1}]
            cases += [{**right, "path": [*path[:at], "11" * 32, *path[at + 1 :]]} for at in range(len(path))]
            cases += [{**right, "path": [*path, "11" * 32]}, {**right, "path": path[:-1]}]
    return cases


def consistency_cases() -> list[dict[str, Any]]:
    cases = []
    for second in (1, 2, 3, 8, 13, 64, 70):
        for first in range(1, second + 1, 3):
            path = [step.hex() for step in test_merkle.proof_of(first, second)]
            roots = {"first_root": test_merkle.ROOTS[first].hex(), "second_root": test_merkle.ROOTS[second].hex()}
            right = {"first": first, "second": second, "path": path, **roots}
            cases += [right, {**right, "first_root": "00" * 32}, {**right, "second_root": "00" * 32}]
            cases += [{**right, "path": [*path[:at], "11" * 32, *path[at + 1 :]]} for at in range(len(path))]
            cases += [{**right, "path": [*path, "11" * 32]}, {**right, "path": path[:-1]}, {**right, "first": 0}]
    return cases


@cache
def cases() -> bytes:
    exports = []
    for lines, held, key in export_cases():
        given = {"checkpoints": [one.to_text() for one in held], "publicKey": key.hex() if key else ""}
        exports.append({"file": base64.b64encode(b"".join(lines)).decode(), **given})
    asked = {"exports": exports, "inclusions": inclusion_cases(), "consistencies": consistency_cases()}
    return json.dumps(asked).encode()


@cache
def right_answers() -> dict[str, Any]:
    """What the Python verifier says, without its sentences."""
    reports = []
    for lines, held, key in export_cases():
        plain = check(b"".join(lines).splitlines(keepends=True), *held, key=key).to_plain()
        reports.append(without_sentences(plain))

    def inclusion(case: dict[str, Any]) -> None:
        leaf, root = bytes.fromhex(case["leaf_hash"]), bytes.fromhex(case["root"])
        verify_inclusion(SHA3, leaf, case["entry"], case["size"], [bytes.fromhex(one) for one in case["path"]], root)

    def consistency(case: dict[str, Any]) -> None:
        roots = bytes.fromhex(case["first_root"]), bytes.fromhex(case["second_root"])
        verify_consistency(SHA3, case["first"], case["second"], [bytes.fromhex(one) for one in case["path"]], *roots)

    return {
        "reports": reports,
        "inclusions": [reason_of(inclusion, case) for case in inclusion_cases()],
        "consistencies": [reason_of(consistency, case) for case in consistency_cases()],
    }


def without_sentences(report: dict[str, Any]) -> dict[str, Any]:
    fault = report["fault"]
    return {**report, "fault": fault and {"reason": fault["reason"], "seq": fault["seq"]}}


def reason_of(verify: Any, case: dict[str, Any]) -> str | None:
    try:
        verify(case)
    except LedgerFault as fault:
        return fault.reason
    return None


def compare(said: dict[str, Any]) -> None:
    assert "failure" not in said, said
    expected = right_answers()
    assert said["inclusions"] == expected["inclusions"]
    assert said["consistencies"] == expected["consistencies"]
    for number, (report, right) in enumerate(zip(said["reports"], expected["reports"], strict=True)):
        assert without_sentences(report) == right, (number, report)


def test_the_cases_hold_good_and_bad_of_everything() -> None:
    expected = right_answers()
    reasons = {report["fault"]["reason"] for report in expected["reports"] if report["fault"]}
    assert reasons >= {"SEQ_MISMATCH", "NOT_CANONICAL", "EVIDENCE_MISMATCH", "EVIDENCE_MISSING", "COMMITMENT_MISMATCH"}
    assert reasons >= {
        "CHECKPOINT_MISMATCH",
        "TRUNCATED",
        "SIGNATURE_INVALID",
        "BAD_LINE",
        "TORN_LINE",
        "BAD_CHECKPOINT",
    }
    assert sum(report["ok"] for report in expected["reports"]) > 10
    assert len(expected["reports"]) > 300
    for name in ("inclusions", "consistencies"):
        assert set(expected[name]) == {None, "PROOF_MISMATCH"}


def test_node_says_what_the_python_verifier_says() -> None:
    command = [
        setup_edge.ensure().node,
        ANSWERS,
        PRESENTATION / "kernel.js",
        PRESENTATION / "ledger.js",
        built_kernel(),
    ]
    done = subprocess.run(
        [str(part) for part in command], input=cases(), capture_output=True, timeout=FAILURE_BOUND_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    compare(json.loads(done.stdout))


def test_a_browser_says_what_the_python_verifier_says(tmp_path: Path) -> None:
    files = {
        "/": ("text/html", (HERE / "ledger_page.html").read_bytes()),
        "/kernel.js": ("text/javascript", (PRESENTATION / "kernel.js").read_bytes()),
        "/ledger.js": ("text/javascript", (PRESENTATION / "ledger.js").read_bytes()),
        "/ledger_answers.mjs": ("text/javascript", ANSWERS.read_bytes()),
        "/kernel.wasm": ("application/wasm", built_kernel().read_bytes()),
        "/cases.json": ("application/json", cases()),
    }
    compare(json.loads(said_by_page(files, tmp_path)))
