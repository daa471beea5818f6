"""The kernel in CPython: the reference's integers, FIPS 202's digests, and no bytes that could upset it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.kernel_fuzz import fuzz
from deploy.kernel import tables
from deploy.kernel.build import OUTPUT, build, keep_compiled, write
from gateway.adapters.wasmtime_kernel import KernelScorer, WasmtimeKernel, compile_kernel, compiled_path
from tests.kernel_build import built_kernel, checked_kernel
from tests.wasm_classifier.kernel_cases import (
    HOSTILE,
    INPUT_BYTES,
    RATE_BYTES,
    bytes_of,
    message_cases,
    recorded,
)
from tests.worker.ledger.test_sha3 import published_vectors
from wasm_classifier import kernel as abi
from wasm_classifier.reference import Complexity, Score, Task, classify
from worker.errors import StateError

SHORT_FUZZ = 4_000


@pytest.fixture(scope="module")
def kernel() -> WasmtimeKernel:
    return WasmtimeKernel(built_kernel().read_bytes())


@pytest.fixture(scope="module")
def checked() -> WasmtimeKernel:
    return WasmtimeKernel(checked_kernel())


def test_building_again_gives_the_same_bytes() -> None:
    assert build() == built_kernel().read_bytes()


def test_an_equal_module_is_not_written_again(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "kernel.wasm"
    assert write(b"one", out)
    assert not write(b"one", out)
    assert write(b"two", out)
    assert [path.name for path in out.parent.iterdir()] == ["kernel.wasm"]
    assert out.read_bytes() == b"two"


def test_the_module_is_small_and_imports_nothing() -> None:
    import wasmtime

    module = wasmtime.Module(wasmtime.Engine(), built_kernel().read_bytes())
    assert list(module.imports) == []
    assert len(built_kernel().read_bytes()) <= 100_000
    assert OUTPUT.name == abi.FILE_NAME


def test_its_machine_code_is_kept_for_this_engine_alone(tmp_path: Path) -> None:
    module, out = built_kernel().read_bytes(), tmp_path / "kernel.wasm"
    (tmp_path / "kernel-0123456789abcdef.cwasm").write_bytes(b"of another engine")
    kept = keep_compiled(module, out)
    assert kept is not None
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert compiled_path(out, module) == kept
    assert compiled_path(out, module + b"\x00") != kept


@pytest.mark.parametrize("size", [None, 0, 100], ids=["whole", "empty", "cut short"])
def test_the_kernel_is_the_same_with_and_without_its_machine_code(size: int | None) -> None:
    module = built_kernel().read_bytes()
    loaded = WasmtimeKernel(module, compile_kernel(module)[:size])
    for text, score in recorded():
        assert asdict(loaded.score(text)) == score, text


def test_the_table_of_words_finds_each_word_and_ends() -> None:
    words = tables.keywords()
    assert len(set(words)) == len(words)
    slots = tables._slots(words)
    assert slots.count(tables.NO_KEYWORD) >= len(slots) // 2
    assert sorted(place for place in slots if place != tables.NO_KEYWORD) == list(range(len(words)))


def test_recorded_texts_score_as_recorded(kernel: WasmtimeKernel) -> None:
    for text, score in recorded():
        assert asdict(kernel.score(text)) == score, text


@pytest.mark.parametrize(
    ("text", "times"), HOSTILE, ids=lambda value: value[:12] if isinstance(value, bytes) else value
)
def test_no_bytes_upset_it(kernel: WasmtimeKernel, checked: WasmtimeKernel, text: bytes, times: int) -> None:
    whole = text * times
    assert kernel.score(whole) == checked.score(whole) == classify(whole)


@given(st.one_of(st.binary(max_size=3_000), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_score_as_the_reference_says(kernel: WasmtimeKernel, checked: WasmtimeKernel, text: bytes) -> None:
    assert kernel.score(text) == checked.score(text) == classify(text)


def test_what_lies_behind_a_text_is_not_read(kernel: WasmtimeKernel) -> None:
    texts = [text for text, _ in recorded()]
    for rest in (b"\xff" * 9_000, b" top 5 analyze" * 600, b"\x80\x99.\n1." * 1_500):
        for text in texts:
            kernel.score(rest)  # leaves its bytes in the input
            assert kernel.score(text) == classify(text)


def test_any_length_is_taken_and_only_the_window_is_looked_at(kernel: WasmtimeKernel) -> None:
    text = b"compare " * 2_000
    kernel.score(text)
    for told in (len(text), INPUT_BYTES, INPUT_BYTES + 1, 2**31 - 1, -1, -(2**31)):
        assert kernel.call("score", told) == 0
    assert kernel.call("score_bytes") <= kernel.call("input_bytes") == INPUT_BYTES


def test_a_short_run_of_the_fuzzer(checked: WasmtimeKernel) -> None:
    assert fuzz(checked, SHORT_FUZZ, compared=SHORT_FUZZ, seed=7) == []


def test_the_names_are_those_of_the_reference() -> None:
    assert get_args(Complexity) == abi.COMPLEXITIES
    assert get_args(Task) == abi.TASKS


def test_published_digests(kernel: WasmtimeKernel) -> None:
    for message, digest in published_vectors():
        assert kernel.sha3_256(message) == digest


def test_digests_of_every_length_across_block_borders(kernel: WasmtimeKernel, checked: WasmtimeKernel) -> None:
    for case in message_cases():
        message = bytes_of(case)
        assert kernel.sha3_256(message) == hashlib.sha3_256(message).digest(), len(message)
    for length in range(5 * RATE_BYTES):
        message = random.Random(length).randbytes(length)
        assert checked.sha3_256(message) == hashlib.sha3_256(message).digest(), length


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_data_in_pieces_has_the_same_digest(kernel: WasmtimeKernel, pieces: list[bytes]) -> None:
    kernel._start()
    for piece in pieces:
        kernel.write(piece)
        kernel._update(len(piece))
    kernel._finish()
    assert bytes(kernel._digest) == hashlib.sha3_256(b"".join(pieces)).digest()


def test_a_length_the_input_cannot_hold_is_refused_and_nothing_is_done(kernel: WasmtimeKernel) -> None:
    before = kernel.sha3_256(b"before")
    for length in (INPUT_BYTES + 1, 2**31 - 1, -1, -(2**31)):
        assert kernel.call("sha3_256", length) == 1
        assert kernel.call("sha3_256_update", length) == 1
        with pytest.raises(StateError, match="refused"):
            kernel._sha3_256(length)
    assert bytes(kernel._digest) == before
    assert kernel.sha3_256(b"before") == before


def test_it_says_which_model_it_is(kernel: WasmtimeKernel) -> None:
    assert kernel.score(b"hello").model_version == classify(b"hello").model_version
    abi.check_about(abi.about_text())
    with pytest.raises(abi.KernelMismatch, match="another version"):
        abi.check_about(abi.about_text().replace(b'"abi":1', b'"abi":2'))


def test_the_layout_is_that_of_a_score() -> None:
    assert {name for name, _ in abi.FIELDS} == Score.__dataclass_fields__.keys() - {"model_version"}
    assert len(abi.FIELDS) * 4 == abi.OUTPUT_BYTES
    assert abi.decode(bytes(abi.OUTPUT_BYTES)).complexity == abi.COMPLEXITIES[0]


EMPTY_MODULE = b"\0asm\1\0\0\0"


@pytest.mark.parametrize("module", [b"", b"\0asm", EMPTY_MODULE, b"not wasm at all"])
async def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path, module: bytes) -> None:
    path = tmp_path / "kernel.wasm"
    path.write_bytes(module)
    with pytest.raises(StateError, match="The kernel can't be used"):
        await KernelScorer(path).load()


async def test_a_kernel_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel.wasm"
    said = abi.about_text()
    path.write_bytes(built_kernel().read_bytes().replace(said, said.replace(b'"abi":1', b'"abi":7')))
    with pytest.raises(StateError, match="build it again"):
        await KernelScorer(path).load()


async def test_without_a_built_kernel_the_message_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"python -m deploy\.kernel\.build"):
        await KernelScorer(tmp_path / "none.wasm").load()
