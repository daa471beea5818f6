"""Scorer and Hasher of an ordinary machine over the compiled kernel, run by wasmtime.

Calls go through wasmtime's C API with arguments laid out once: the package's own call looks up the function's type and
converts values each time, which takes five times as long as scoring a short text. An instance serves one thread at a
time, so each adapter has one of its own behind a lock.

Compiling takes some 20 ms and leaves 9 MB behind, so `deploy/kernel/build.py` keeps what the compiler made beside the
module, under a name that holds what it was made of. Any other module, engine or setting is another name, and compiles.

SHA3 of short data by this costs twice what safe-pysha3 takes, so the container keeps that; this one shows that the
kernel's digests are the same.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import wasm_classifier
from gateway.adapters.wasmtime_library import WasmInstance, WasmtimeFailed, installed_release
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

#: What of an engine's settings decides what it compiles: a word to change with them.
_SETTINGS = "one thread"


def kernel_path() -> Path:
    """Where the built kernel lies, if it was built."""
    return Path(wasm_classifier.__file__).with_name(FILE_NAME)


def compiled_path(path: Path, module: bytes) -> Path:
    """Where the machine code of `module` lies, which lies at `path`, if it was kept. Raises: WasmtimeFailed."""
    made_of = hashlib.sha256(module + f"{installed_release()} {_SETTINGS}".encode())
    return path.with_name(f"{path.stem}-{made_of.hexdigest()[:16]}.cwasm")


def compile_kernel(module: bytes) -> bytes:
    """The machine code of `module`, for `compiled_path`. Raises: ImportError without wasmtime; wasmtime's own error."""
    import wasmtime

    config = wasmtime.Config()
    config.parallel_compilation = False  # as gateway/adapters/wasmtime_library.py has it
    return bytes(wasmtime.Module(wasmtime.Engine(config), module).serialize())


class WasmtimeKernel:
    """One instance of the kernel; any thread may call it."""

    def __init__(self, module: bytes, compiled: bytes | None = None) -> None:
        """Load and check `module`, by its machine code if that is given and fits this machine.

        Raises: StateError for no kernel of this version, or without wasmtime.
        """
        self._lock = Lock()
        try:
            self._instance = WasmInstance(module, compiled)
            self._base = self._instance.memory()
            check_about(self._about())
            self._prepare()
        except (WasmtimeFailed, KernelMismatch) as exc:
            raise StateError(f"The kernel can't be used: {exc}") from exc

    def score(self, text: bytes) -> Score:
        """The score of one text, any bytes of any length."""
        return self.score_as(text, len(text))

    def score_as(self, text: bytes, length: int) -> Score:
        """The score of `text` as if it were `length` bytes long."""
        with self._lock:
            self.write(text[: self._score_bytes])
            self._score(min(length, LENGTH_MAX))
            return decode(bytes(self._output))

    def sha3_256(self, data: bytes) -> bytes:
        """The digest of `data`, of any length."""
        with self._lock:
            if len(data) <= self._input_bytes:
                self.write(data)
                self._sha3_256(len(data))
            else:
                self._start()
                for at in range(0, len(data), self._input_bytes):
                    piece = data[at : at + self._input_bytes]
                    self.write(piece)
                    self._update(len(piece))
                self._finish()
            return bytes(self._digest)

    def write(self, data: bytes) -> None:
        """Put bytes at the start of the kernel's input. Raises: StateError for more than it holds."""
        if len(data) > self._input_bytes:
            raise StateError(f"The kernel holds {self._input_bytes} bytes, not {len(data)}.")
        ctypes.memmove(self._input, data, len(data))

    def call(self, name: str, argument: int = 0) -> int:
        """Call an export of one result by its name: for tests and for set-up. Raises: WasmtimeFailed if it traps."""
        answer = self._instance.function(name)(argument)
        if answer is None:
            raise WasmtimeFailed(f"it trapped in {name}")
        return answer

    def _about(self) -> bytes:
        return ctypes.string_at(self._base + self.call("about"), self.call("about_bytes"))

    def _prepare(self) -> None:
        """Addresses of the module's places in this process: its memory never grows, so they stay."""
        base = self._base
        self._input = base + self.call("input")
        self._input_bytes, self._score_bytes = self.call("input_bytes"), self.call("score_bytes")
        self._output = (ctypes.c_ubyte * OUTPUT_BYTES).from_address(base + self.call("output"))
        self._digest = (ctypes.c_ubyte * DIGEST_BYTES).from_address(base + self.call("digest"))
        self._score, self._sha3_256 = self._function("score"), self._function("sha3_256")
        self._start, self._finish = self._function("sha3_256_start"), self._function("sha3_256_finish")
        self._update = self._function("sha3_256_update")

    def _function(self, name: str) -> Callable[..., None]:
        """An export of at most one i32 with its call prepared. Calling it raises StateError if it traps or refuses."""
        call = self._instance.function(name)

        def invoke(length: int = 0) -> None:
            answer = call(length)
            if answer is None:
                raise StateError(f"The kernel trapped in {name}.")
            if answers and answer:
                raise StateError(f"The kernel refused {length} bytes in {name}.")

        answers = name not in ("sha3_256_start", "sha3_256_finish")
        return invoke


class _OverKernel:
    """What both adapters share: one instance of their own, made when it is first asked for."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or kernel_path()
        self._loaded: WasmtimeKernel | None = None

    async def load(self) -> None:
        """Compile the kernel, once. Raises: StateError when there is none, or none of this version."""
        if self._loaded is None:
            self._loaded = _read_kernel(self._path)

    @property
    def _kernel(self) -> WasmtimeKernel:
        if self._loaded is None:
            raise StateError("The kernel has not been loaded.")
        return self._loaded


class KernelScorer(_OverKernel):
    """`worker.ports.Scorer` over the kernel."""

    def score(self, text: bytes) -> Classification:
        """Classify one text, any bytes of any length. Raises: StateError before `load`."""
        return classification_of(self._kernel.score(text))


class KernelHasher(_OverKernel):
    """`worker.ports.Hasher` over the kernel."""

    def sha3_256(self, data: bytes) -> bytes:
        """The 32-byte SHA3-256 digest of `data` (FIPS 202). Raises: StateError before `load`."""
        return self._kernel.sha3_256(data)


def _read_kernel(path: Path) -> WasmtimeKernel:
    try:
        module = path.read_bytes()
    except OSError as exc:
        raise StateError(f"There is no {path.name}: build it with `python -m deploy.kernel.build`.") from exc
    try:
        compiled = compiled_path(path, module).read_bytes()
    except (WasmtimeFailed, OSError):
        compiled = None
    return WasmtimeKernel(module, compiled)
