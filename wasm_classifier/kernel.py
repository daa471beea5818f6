"""The kernel's ABI: what the compiled module exports, and what its numbers mean. No instance lives here.

A host writes the text into the module's `input`, calls `score`, and reads `output`: signed 32-bit integers,
little-endian, in the order of FIELDS. Exports (all take and give i32):

    memory                                  never grows, so a view of it stays good
    input() input_bytes()                   where bytes go in, and how many fit
    score_bytes()                           how many leading bytes of a text `score` looks at
    score(length)                           length of the whole text, whatever fits; always 0
    output() digest()                       where the scores, and the 32 bytes of a digest, come out
    sha3_256(length)                        0, or 1 and nothing done when `input` can't hold so much
    sha3_256_start() sha3_256_update(length) sha3_256_finish()     the same for data in pieces
    about() about_bytes()                   JSON: see `about_text`

One instance serves one caller at a time: it has one input.
"""

from __future__ import annotations

import json
from struct import Struct
from typing import Final

from wasm_classifier.domain import DOMAINS
from wasm_classifier.reference import MODEL_VERSION, Complexity, Score, Task

ABI: Final = 1
#: Beside this module, where it was built (`python -m deploy.kernel.build`).
FILE_NAME: Final = "kernel.wasm"
DIGEST_BYTES: Final = 32
#: A text's length is told as a positive i32. No score changes with a length beyond it.
LENGTH_MAX: Final = 2**31 - 1

COMPLEXITIES: Final[tuple[Complexity, ...]] = ("simple", "moderate", "complex")
TASKS: Final[tuple[Task, ...]] = ("code", "math", "classification", "extraction", "summarisation", "other")
#: The integers of `output`, in order; a field with values holds the place of one of them.
FIELDS: Final[tuple[tuple[str, tuple[str | bool, ...]], ...]] = (
    ("p_small_fails_ppm", ()),
    ("complexity", COMPLEXITIES),
    ("task", TASKS),
    ("expected_output_tokens", ()),
    ("domain", DOMAINS),
    ("personal_data", (False, True)),
)
_OUTPUT: Final = Struct("<6i")
OUTPUT_BYTES: Final = _OUTPUT.size


class KernelMismatch(Exception):
    """The module is no kernel of this ABI and model version."""


def about_text() -> bytes:
    """What a kernel of this source says of itself, as JSON: hosts that know no Python read its outputs by it."""
    about = {
        "abi": ABI,
        "model_version": MODEL_VERSION,
        "fields": [{"name": name, "values": list(values)} for name, values in FIELDS],
    }
    return json.dumps(about, separators=(",", ":")).encode()


def check_about(said: bytes) -> None:
    """See that a module is a kernel of this source's ABI and model. Raises: KernelMismatch."""
    if said != about_text():
        raise KernelMismatch("the kernel was built from another version: build it again")


def decode(output: bytes | bytearray | memoryview) -> Score:
    """The score in the OUTPUT_BYTES bytes of `output`."""
    p_ppm, complexity, task, tokens, domain, personal = _OUTPUT.unpack(output)
    return Score(
        p_small_fails_ppm=p_ppm,
        complexity=COMPLEXITIES[complexity],
        task=TASKS[task],
        expected_output_tokens=tokens,
        model_version=MODEL_VERSION,
        domain=DOMAINS[domain],
        personal_data=personal == 1,
    )
