"""Calls the kernel with made-up bytes, many times: no call may trap, and none may differ from the reference.

    python -m bench.kernel_fuzz [--calls 10000000] [--compared 100000] [--seed 1] [--checked]

The texts mix random bytes, halves of UTF-8 sequences, the classifier's own words and signs, and lengths around every
border of the kernel, now and then a megabyte; the length told is sometimes not the length written. `--checked` runs
the build that traps on undefined behaviour and on an index beyond its array, so a read past an array's end can't stay
unseen. Needs ziglang (the dev extra).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator

from deploy.kernel.build import BuildError, build
from deploy.kernel.tables import keywords
from gateway.adapters.wasmtime_kernel import WasmtimeKernel
from wasm_classifier import features, lexicon
from wasm_classifier.reference import classify
from worker.errors import StateError

#: A pool of texts is made, and calls take slices of it: making each text anew would take most of the time.
POOL_BYTES = 1 << 16
CALLS_PER_POOL = 20_000
MEGABYTE = 1 << 20
#: Lengths at which something changes: nothing, a SHA3 block, the window, the input.
BORDERS = (0, 1, 2, 3, 135, 136, 137, 8_190, 8_191, 8_192, 8_193)
LONG_SHARE = 0.01
MEGABYTE_SHARE = 0.00002


#: Signs of ASCII that are counted or part something, choices, numbers, and data that points at a person.
ASCII_FRAGMENTS = (
    *(b" ", b" ", b"\n", b"\t", b"\r", b"\0", b"?", b". ", b"!", b"'", b"`", b"```", b"{", b"2+2", b"17", b"1,250.5"),
    *(
        b"1999",
        b"2099",
        b"0000",
        b"\n- ",
        b"\n* ",
        b"\n1.",
        b"\n12)",
        b"\nA. ",
        b"\nA) ",
        b"\nB. ",
        b"\nC) 4",
        b"\nJ. ",
    ),
    *(b"a@b.c", b"@", b"x@y-z.", b"555 010 (123)", b"1-2/3 4)(5", b"123456789", b"DE44", b"DE44500105175407"),
    *(b"10.0.0.1", b"256.1.2.3.", b"1.2.", b"A", b"0"),
)


def pool(chance: random.Random) -> bytes:
    """Some 64 KiB of fragments the classifier looks for, among bytes it doesn't."""
    signs = (features._PARTING, features._QUESTION_MARKS, features._FULL_STOPS, features._WIDE_MATH_SIGNS)
    others = (features._CURLY_APOSTROPHE, "🎉".encode(), "שלום".encode())
    words = (*keywords(), *sorted(lexicon.KEYWORDS | lexicon.NUMBER_WORDS.keys()))
    rare = (*(sign for group in signs for sign in group), *others)
    made = bytearray()
    while len(made) < POOL_BYTES:
        kind = chance.random()
        if kind < 0.45:
            made += chance.choice(words) + chance.choice((b"", b" ", b" "))
        elif kind < 0.65:
            made += chance.choice(ASCII_FRAGMENTS)
        elif kind < 0.75:
            made += chance.choice(rare)
        elif kind < 0.85:
            made += chance.choice(rare)[: chance.randrange(1, 3)]
        elif kind < 0.97:
            made += chance.randbytes(chance.randrange(1, 20))
        else:  # a long line, as something pasted is
            made += b"\n" + chance.choice(words) * chance.randrange(20, 60) + b"\n"
    return bytes(made)


def texts(count: int, chance: random.Random) -> Iterator[bytes]:
    """`count` texts, nearly all of them short."""
    source = b""
    for number in range(count):
        if number % CALLS_PER_POOL == 0:
            source = pool(chance)
        kind = chance.random()
        if kind < MEGABYTE_SHARE:
            yield source * (MEGABYTE // len(source) + 1)
            continue
        length = (
            chance.choice((*BORDERS, chance.randrange(9_000))) if kind < LONG_SHARE else int(chance.random() ** 3 * 400)
        )
        start = int(chance.random() * (len(source) - length))
        yield source[start : start + length]


def fuzz(kernel: WasmtimeKernel, calls: int, *, compared: int, seed: int) -> list[bytes]:
    """Score `calls` texts, and hold the first `compared` against the reference; returns the texts that differ.

    Raises: StateError when the kernel traps.
    """
    chance = random.Random(seed)
    different = []
    for number, text in enumerate(texts(calls, chance)):
        if number < compared:
            if kernel.score(text) != classify(text):
                different.append(text)
        elif number % 16:
            kernel.score(text)
        else:  # what was written before lies behind it, and the length told is any at all
            kernel.score_as(text, chance.randrange(1 << 31))
    return different


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kernel_fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--compared", type=int, default=100_000, help="how many of them the reference scores, too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checked", action="store_true", help="the build that traps on undefined behaviour")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        kernel = WasmtimeKernel(build(checked=options.checked))
        different = fuzz(kernel, options.calls, compared=options.compared, seed=options.seed)
    except (BuildError, StateError) as problem:
        print(f"kernel_fuzz: {problem}", file=sys.stderr)
        return 1
    for text in different[:5]:
        print(f"differs from the reference: {text.hex()}", file=sys.stderr)
    compared = min(options.calls, options.compared)
    print(
        f"{options.calls:,} calls without a trap, {compared - len(different):,} of {compared:,} equal to the "
        f"reference, seed {options.seed}, {time.monotonic() - began:.0f} s"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
