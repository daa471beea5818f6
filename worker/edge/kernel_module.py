"""Scorer and Hasher over the compiled kernel that is uploaded with the Worker.

The runtime compiles the module when the Worker is published; bytes can't be compiled inside an isolate. Importing it
works in handlers only. An isolate has one instance, whose memory takes a little over a megabyte: calls never overlap,
because none of them awaits. It holds no I/O, so every request and object of the isolate may use it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import js
from pyodide.ffi import JsException
from workers import import_from_javascript

from wasm_classifier.kernel import (
    DIGEST_BYTES,
    FILE_NAME,
    LENGTH_MAX,
    OUTPUT_BYTES,
    KernelMismatch,
    check_about,
    decode,
)
from wasm_classifier.reference import Score
from worker.classification import Classification, classification_of
from worker.errors import StateError

#: Its path from the root of the uploaded modules.
MODULE = f"wasm_classifier/{FILE_NAME}"


class ModuleKernel:
    """One instance of a compiled kernel. A crossing into JavaScript costs microseconds, so calls make few."""

    def __init__(self, module: Any) -> None:
        """Instantiate and check `module`, a WebAssembly.Module. Raises: KernelMismatch, JsException."""
        exports = js.WebAssembly.Instance.new(module).exports
        buffer = exports.memory.buffer  # never grows, so views of it stay good
        about = js.Uint8Array.new(buffer, exports.about(), exports.about_bytes())
        check_about(about.to_bytes())
        self._input_bytes, self._score_bytes = exports.input_bytes(), exports.score_bytes()
        self._input = js.Uint8Array.new(buffer, exports.input(), self._input_bytes)
        self._output = js.Uint8Array.new(buffer, exports.output(), OUTPUT_BYTES)
        self._digest = js.Uint8Array.new(buffer, exports.digest(), DIGEST_BYTES)
        self._score, self._sha3_256 = exports.score, exports.sha3_256
        self._start, self._update, self._finish = (
            exports.sha3_256_start,
            exports.sha3_256_update,
            exports.sha3_256_finish,
        )

    def score(self, text: bytes) -> Score:
        """The score of one text, any bytes of any length."""
        self._write(text[: self._score_bytes])
        self._score(min(len(text), LENGTH_MAX))
        return decode(self._output.to_bytes())

    def sha3_256(self, data: bytes) -> bytes:
        """The digest of `data`, of any length."""
        if len(data) <= self._input_bytes:
            self._write(data)
            self._sha3_256(len(data))
        else:
            self._start()
            for at in range(0, len(data), self._input_bytes):
                piece = data[at : at + self._input_bytes]
                self._write(piece)
                self._update(len(piece))
            self._finish()
        return bytes(self._digest.to_bytes())

    def _write(self, data: bytes) -> None:
        if data:
            self._input.subarray(0, len(data)).assign(data)


def load_kernel(module: str = MODULE) -> ModuleKernel:
    """The isolate's instance. Raises: StateError when no kernel of this version was uploaded."""
    try:
        return _instance(module)
    except (ImportError, JsException, AttributeError, KernelMismatch) as exc:
        raise StateError(f"The kernel can't be used: {exc}") from exc


@lru_cache(maxsize=1)
def _instance(module: str) -> ModuleKernel:
    return ModuleKernel(import_from_javascript(module).default)


class KernelScorer:
    """`worker.ports.Scorer` over the kernel."""

    def __init__(self) -> None:
        self._kernel: ModuleKernel | None = None

    async def load(self) -> None:
        """Make `score` ready, inside a handler. Raises: StateError when no kernel of this version was uploaded."""
        self._kernel = load_kernel()

    def score(self, text: bytes) -> Classification:
        """Classify one text, any bytes of any length. Raises: StateError before `load`."""
        if self._kernel is None:
            raise StateError("The scorer has not been loaded.")
        return classification_of(self._kernel.score(text))
