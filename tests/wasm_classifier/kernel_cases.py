"""What every engine that runs the kernel is asked, and what the reference and the standard library answer.

A case is a pair: bytes in hexadecimal, and how often they are repeated; so a megabyte travels as a few characters.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wasm_classifier.reference import classify

VECTORS = Path(__file__).parents[1] / "data" / "classifier_vectors.jsonl"
MEGABYTE = 1_000_000
RATE_BYTES = 136
INPUT_BYTES = 1 << 20

Case = tuple[str, int]

#: Beside the recorded texts: what could run past an end, be taken for text, or not be text at all.
HOSTILE: tuple[tuple[bytes, int], ...] = (
    (b"", 1),
    (b"\0", 1),
    (b"\0", MEGABYTE),
    (b"\xff", MEGABYTE),
    (b"compare? ", MEGABYTE // 9),
    (b"a", MEGABYTE),
    (b"word ", INPUT_BYTES // 5 + 1),  # a little more than the kernel holds
    (b"\xe2\x80", 5_000),
    (b"\xe2", 1),
    (b"\xe2\x80", 1),
    (b"x" * 8_190 + b"\xe2\x80\x99s", 1),  # the window ends inside a sign
    (b"x" * 8_189 + b"\xe2\x80\x9ctop 5", 1),
    (b"top " * 2_048, 1),
    (b"9999 paragraphs ", 600),
    ("🎉👩‍👩‍👧‍👦🇳🇴 ".encode(), 400),
    ("מה ההבדל בין שני אלה? ".encode(), 40),
    ("‮gnihtyreve esrever‬ ".encode(), 40),
    ("\ud800".encode("utf-8", "surrogatepass"), 3),
    ("第一，请比较这两个方案。为什么？".encode(), 30),
    ("¿Qué es 3×4÷2? ".encode(), 20),
    (b"`" * 10, 1),
    (b"1+1+1+1=4\n1.\n12)\n- a\n* b\n A. c\nF) d", 1),
    (b"isn't isn\xe2\x80\x99t 'top' 5", 1),
)


def bytes_of(case: Case) -> bytes:
    return bytes.fromhex(case[0]) * case[1]


def recorded() -> list[tuple[bytes, dict[str, Any]]]:
    """The texts of the vector file, each with the score it was recorded with."""
    rows = [json.loads(line) for line in VECTORS.read_text("ascii").splitlines()]
    return [
        (bytes.fromhex(row["text_hex"]) if "text_hex" in row else row["text"].encode(), row["score"]) for row in rows
    ]


def text_cases() -> list[Case]:
    return [(text.hex(), 1) for text, _ in recorded()] + [(text.hex(), times) for text, times in HOSTILE]


def message_cases() -> list[Case]:
    """Every length across the first block borders, and around what the kernel holds at once."""
    lengths = [*range(2 * RATE_BYTES + 3), INPUT_BYTES - 1, INPUT_BYTES, INPUT_BYTES + 1, 3 * INPUT_BYTES + 7]
    return [("a7", length) for length in lengths] + [(bytes(range(256)).hex(), times) for times in (1, 2, 17)]


def expected(texts: list[Case], messages: list[Case]) -> dict[str, Any]:
    """The answers: scores as objects, digests in hexadecimal."""
    return {
        "scores": [asdict(classify(bytes_of(case))) for case in texts],
        "digests": [hashlib.sha3_256(bytes_of(case)).hexdigest() for case in messages],
    }
