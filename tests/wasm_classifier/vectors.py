"""The texts every engine must score alike, and the file of their recorded scores.

`python -m tests.wasm_classifier.vectors` writes the file. All texts are made here from our own words: whole asks, asks
with choices, word problems, pasted text, code, signals, other scripts, and bytes that are no text at all.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

from tests.wasm_classifier.vector_words import ASKS, NAMES, SCRIPTS, SIGNS, THINGS, TOPICS, VERBS
from wasm_classifier import lexicon
from wasm_classifier.domain_table import WORDS
from wasm_classifier.features import WINDOW_BYTES
from wasm_classifier.reference import classify

VECTORS = Path(__file__).parents[1] / "data" / "classifier_vectors.jsonl"
#: Texts of each kind.
EACH = 260


def text_of(row: dict[str, str]) -> bytes:
    """The text of a recorded line: as it stands if it is ASCII, in hexadecimal digits otherwise."""
    return bytes.fromhex(row["text_hex"]) if "text_hex" in row else row["text"].encode("ascii")


def vector_texts() -> list[bytes]:
    """All texts, the same at every call and on every version of Python that keeps `random.random`."""
    chance = random.Random(20_260)
    kinds = (_ask, _listed, _sum, _pasted, _code, _signals, _script, _noise)
    made = [kind(chance) for _ in range(EACH) for kind in kinds]
    return list(dict.fromkeys([*(ask.encode() for ask in ASKS), *_edges(), *made]))


def _pick(chance: random.Random, of: tuple[str, ...]) -> str:
    return of[int(chance.random() * len(of))]


def _number(chance: random.Random, below: int) -> int:
    return int(chance.random() * below)


def _ask(chance: random.Random) -> bytes:
    verbs = " and ".join(_pick(chance, VERBS) for _ in range(1 + _number(chance, 3)))
    parts = [f"{verbs} {_pick(chance, TOPICS)}"]
    for _ in range(_number(chance, 4)):
        parts.append(_pick(chance, SIGNS).format(number=1 + _number(chance, 30), thing=_pick(chance, THINGS)))
    text = " ".join(parts)
    return (text[0].upper() + text[1:] if chance.random() < 0.7 else text).encode()


def _listed(chance: random.Random) -> bytes:
    sign = "." if chance.random() < 0.8 else ")"
    joint, figures = chance.random() < 0.3, chance.random() < 0.3
    pool = [_pick(chance, THINGS) for _ in range(3)]
    lines = []
    for letter in "ABCDEFGHIJ"[: 2 + _number(chance, 9)]:
        if figures:
            choice = f"{_number(chance, 5000) / 4} {_pick(chance, THINGS)}"
        elif joint:
            choice = f"{_pick(chance, tuple(pool))}, {_pick(chance, tuple(pool))}"
        else:
            choice = " ".join(_pick(chance, THINGS) for _ in range(1 + _number(chance, 12)))
        lines.append(f"{letter}{sign} {choice}")
    stem = f"Which of the following {_pick(chance, THINGS)} {_pick(chance, TOPICS)}?"
    if chance.random() < 0.4:
        stem = f"{1 + _number(chance, 90)} {_pick(chance, THINGS)} and two of {_pick(chance, NAMES)}. " * 3 + stem
    if chance.random() < 0.2:
        stem = _known(chance, 80) + "\n" + stem
    end = "\nAnswer:" if chance.random() < 0.6 else ""
    return ("\n".join([stem, *lines]) + end).encode()


def _sum(chance: random.Random) -> bytes:
    first, second = _pick(chance, NAMES), _pick(chance, NAMES)
    thing, other = _pick(chance, THINGS), _pick(chance, THINGS)
    parts = [
        f"{first} has {2 + _number(chance, 400)} {thing}.",
        f"{second} buys twice as many {other} at ${_number(chance, 900) / 4:.2f} each.",
        f"Every week {_number(chance, 90)}% of the {thing} are sold, and half of the rest are left.",
        f"Three of {2 + _number(chance, 9)} boxes hold {1_000 + _number(chance, 9_000):,} {other}.",
    ]
    kept = [part for part in parts if chance.random() < 0.7]
    return " ".join([*kept, f"How many {thing} remain in total?"]).encode()


def _known(chance: random.Random, count: int) -> str:
    """Words of the subject table, most of them from one stretch of it, so that subjects differ."""
    words = WORDS.split()
    start = _number(chance, len(words))
    return " ".join(words[(start + _number(chance, 200)) % len(words)] for _ in range(count))


def _pasted(chance: random.Random) -> bytes:
    lines = [_known(chance, 1 + _number(chance, 60)) for _ in range(1 + _number(chance, 5))]
    feed = "\n\n" if chance.random() < 0.5 else "\r\n"
    lines.insert(_number(chance, len(lines) + 1), f"{_pick(chance, VERBS)} {_pick(chance, TOPICS)}")
    return feed.join(lines).encode()


def _code(chance: random.Random) -> bytes:
    words = sorted(lexicon.CODE_NAME | lexicon.CODE_NOUN | lexicon.MATH_NOUN)
    names = [words[_number(chance, len(words))].decode() for _ in range(6)]
    body = f"{names[0]} {names[1]} = {_number(chance, 99)};\nif ({names[2]} >= 3) {{ {names[3]}({names[4]}, 7*8); }}"
    fence = "```\n" if chance.random() < 0.4 else ""
    return f"{_pick(chance, VERBS)} this {names[5]}:\n{fence}{body}\n{fence}".encode()


def _signals(chance: random.Random) -> bytes:
    digits = "".join(str(_number(chance, 10)) for _ in range(16))
    name = _pick(chance, NAMES).lower()
    kinds = (
        f"{name}@{_pick(chance, THINGS).replace(' ', '-')}.example",
        f"{name}@nowhere",
        f"+{digits[:2]} {digits[2:5]} {digits[5:8]}-{digits[8:11]}",
        f"({digits[:3]}) {digits[3:6]}-{digits[6:10]}",
        f"{digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:]}",
        f"{digits[:3]}-{digits[3:5]}-{digits[5:9]}",
        f"DE{digits}",
        f"de{digits[:6]}",
        f"10.{digits[:2]}.{digits[2:4]}.{digits[4:6]}",
        f"3.{digits}",
        f"{digits[:8]}",
    )
    return f"{_pick(chance, VERBS)} {_pick(chance, TOPICS)}: {_pick(chance, kinds)} and {_pick(chance, kinds)}".encode()


def _script(chance: random.Random) -> bytes:
    parts = [_pick(chance, SCRIPTS) for _ in range(1 + _number(chance, 6))]
    parts.insert(_number(chance, len(parts)), f"{_pick(chance, VERBS)} {_pick(chance, TOPICS)}")
    text = " ".join(parts).encode()
    return text[: _number(chance, len(text))] if chance.random() < 0.3 else text


def _noise(chance: random.Random) -> bytes:
    pool = tuple(b"\x00\xff\xc3\xa9 \n\t.,;:?!0123456789A)B.aZ{}=+-*/^%$'\"_@") + tuple(range(256))
    size = _number(chance, 40) ** 2 // 4
    return bytes(pool[_number(chance, len(pool))] for _ in range(size))


def _edges() -> list[bytes]:
    """Texts at the limits: of the window, of a long line, of the lines looked at, of what is counted."""
    window = b"plain words 1 + 1 " * WINDOW_BYTES
    return [
        b"",
        b" \n\t ",
        b"\x00",
        b"\xff" * 300,
        *[window[: WINDOW_BYTES + more] for more in (-1, 0, 1, 500)],
        *[b"x" * (200 + more) + b"\nwhat is it?" for more in (-1, 0, 1)],
        b"?" + b"\nA. x y" * 70,
        b"?" + b"\nA. x y\nB. y x" * 40,
        b"2 " * 300 + b"?\nA. one\nB. none",
        b"\n" * 9_000,
        b"A. a\nB. b",
        b"x\nA. \nB. \nC. ",
        b"x\nA) 1\nB. 2\nC) c",
        "na\u00efve \u2019tis \u201cquoted\u201d \u2026 \uff1f\u3002\u0964\u061f \u00d7\u00f7\u2211\u2265".encode(),
        "\U0001f600 \u200b\u202e\ufeff analyze".encode(),
        b"analyze " * 1_200,
        b"top 5 top 9999 name 12345 three paragraphs fifty words",
    ]


def lines() -> str:
    """The file's text, ASCII alone."""
    out = []
    for text in vector_texts():
        is_plain = text.isascii()
        key, shown = ("text", text.decode()) if is_plain else ("text_hex", text.hex())
        out.append(json.dumps({key: shown, "score": asdict(classify(text))}) + "\n")
    return "".join(out)


if __name__ == "__main__":
    VECTORS.write_text(lines(), "ascii")
