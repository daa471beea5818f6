"""wasmtime's own library, called as C calls it: as much of its interface as a module without imports needs.

wasmtime's package declares all of the interface when it is imported, which takes longer than compiling the kernel does
and a tenth of a start. What is declared here fits the release that pyproject.toml pins, and no other is used: of values
that lie in memory, only the layouts below are relied on (wasmtime/extern.h, wasmtime/val.h).
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

RELEASE: Final = "50.0.1"
PACKAGE: Final = "wasmtime"
_LIBRARIES: Final = "*/_libwasmtime.*"
_FUNCTION, _MEMORY = 0, 3


class WasmtimeFailed(Exception):
    """The library can't be used, or refused a module; the message says why."""


class _Instance(ctypes.Structure):
    _fields_ = (("store_id", c_uint64), ("private", c_size_t))


class _Function(ctypes.Structure):
    _fields_ = (("store_id", c_uint64), ("private", c_void_p))


class _MemoryHead(ctypes.Structure):
    _fields_ = (("store_id", c_uint64), ("private1", c_uint32))


class _Memory(ctypes.Structure):
    _fields_ = (("head", _MemoryHead), ("private2", c_uint32))


class _AnyExport(ctypes.Union):
    #: The widest member is a global: an id and three words.
    _fields_ = (("function", _Function), ("memory", _Memory), ("words", c_uint64 * 3))


class _Export(ctypes.Structure):
    _fields_ = (("kind", c_uint8), ("of", _AnyExport))


class _Value(ctypes.Union):
    """An argument or a result, not checked against any type; the widest is a vector of 16 bytes."""

    _fields_ = (("i32", c_int32), ("i64", c_uint64), ("v128", c_uint8 * 16))


class _Bytes(ctypes.Structure):
    _fields_ = (("size", c_size_t), ("data", c_void_p))


#: Each function with what it returns and takes; every pointer to what the library made is a plain address.
_INTERFACE: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "wasm_config_new": (c_void_p, ()),
    "wasmtime_config_parallel_compilation_set": (None, (c_void_p, c_bool)),
    "wasm_engine_new_with_config": (c_void_p, (c_void_p,)),
    "wasm_engine_delete": (None, (c_void_p,)),
    "wasmtime_module_new": (c_void_p, (c_void_p, c_char_p, c_size_t, POINTER(c_void_p))),
    "wasmtime_module_deserialize": (c_void_p, (c_void_p, c_char_p, c_size_t, POINTER(c_void_p))),
    "wasmtime_module_delete": (None, (c_void_p,)),
    "wasmtime_store_new": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "wasmtime_store_context": (c_void_p, (c_void_p,)),
    "wasmtime_store_delete": (None, (c_void_p,)),
    "wasmtime_instance_new": (
        c_void_p,
        (c_void_p, c_void_p, c_void_p, c_size_t, POINTER(_Instance), POINTER(c_void_p)),
    ),
    "wasmtime_instance_export_get": (c_bool, (c_void_p, POINTER(_Instance), c_char_p, c_size_t, POINTER(_Export))),
    "wasmtime_memory_data": (c_void_p, (c_void_p, POINTER(_Memory))),
    "wasmtime_func_call_unchecked": (c_void_p, (c_void_p, POINTER(_Function), c_void_p, c_size_t, POINTER(c_void_p))),
    "wasmtime_error_message": (None, (c_void_p, POINTER(_Bytes))),
    "wasmtime_error_delete": (None, (c_void_p,)),
    "wasm_byte_vec_delete": (None, (POINTER(_Bytes),)),
}


def installed_release() -> str:
    """Which release of the package is installed. Raises: WasmtimeFailed if none is."""
    # Its folder of metadata is named after it; reading that with importlib.metadata takes as long as all the rest.
    named = [folder.name.removesuffix(".dist-info") for folder in _package().parent.glob(f"{PACKAGE}-*.dist-info")]
    if len(named) != 1:
        raise WasmtimeFailed("it is not clear which release of wasmtime is installed")
    return named[0].removeprefix(f"{PACKAGE}-")


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WasmtimeFailed("wasmtime can't be loaded: install it to run the kernel.")
    return Path(spec.origin).parent


def _load() -> Any:
    """The library with its interface declared. Raises: WasmtimeFailed."""
    release, found = installed_release(), sorted(_package().glob(_LIBRARIES))
    if release != RELEASE:
        raise WasmtimeFailed(f"the kernel runs with wasmtime {RELEASE}, and {release} is installed.")
    try:
        library = ctypes.CDLL(str(found[0]))
        for name, (answer, arguments) in _INTERFACE.items():
            function = getattr(library, name)
            function.restype, function.argtypes = answer, arguments
    except (IndexError, OSError, AttributeError) as problem:
        raise WasmtimeFailed(f"wasmtime can't be loaded: {problem}") from problem
    return library


class WasmInstance:
    """An instance of a module that imports nothing; one thread at a time may call it."""

    def __init__(self, module: bytes, compiled: bytes | None = None) -> None:
        """Load a module, by its machine code if that is given and fits this machine. Raises: WasmtimeFailed."""
        self._library = library = _load()
        config = library.wasm_config_new()
        # Its threads would stay for good, for a module this small.
        library.wasmtime_config_parallel_compilation_set(config, False)
        engine = library.wasm_engine_new_with_config(config)
        try:
            loaded = self._module(engine, module, compiled)
            store = library.wasmtime_store_new(engine, None, None)
        finally:
            library.wasm_engine_delete(engine)  # whoever needs it on holds it
        weakref.finalize(self, library.wasmtime_store_delete, store)
        self._context, self._instance, trap = library.wasmtime_store_context(store), _Instance(), c_void_p()
        try:
            self._check(
                library.wasmtime_instance_new(self._context, loaded, None, 0, byref(self._instance), byref(trap))
            )
        finally:
            library.wasmtime_module_delete(loaded)
        if trap:
            raise WasmtimeFailed("the module trapped when it was begun")

    def memory(self) -> int:
        """Where its memory begins in this process; it stays there while the memory does not grow."""
        memory = self._export("memory", _MEMORY).memory
        return int(self._library.wasmtime_memory_data(self._context, byref(memory)) or 0)

    def function(self, name: str) -> Callable[[int], int | None]:
        """An export of at most one i32 and one result, with its call prepared: the result, or None if it trapped.

        Of a function without a result what is returned has no meaning. After a trap it answers None for ever.
        """
        function, slots, trap = self._export(name, _FUNCTION).function, (_Value * 1)(), c_void_p()
        call, context, at, trap_at = (
            self._library.wasmtime_func_call_unchecked,
            self._context,
            byref(function),
            byref(trap),
        )
        slot = slots[0]

        def invoke(argument: int) -> int | None:
            slot.i32 = argument
            if call(context, at, slots, 1, trap_at) or trap:
                return None
            answer: int = slot.i32
            return answer

        return invoke

    def _export(self, name: str, kind: int) -> Any:
        found, written = _Export(), name.encode()
        there = self._library.wasmtime_instance_export_get(
            self._context, byref(self._instance), written, len(written), byref(found)
        )
        if not there or found.kind != kind:
            raise WasmtimeFailed(f"the module has no {name}")
        return found.of

    def _module(self, engine: int, module: bytes, compiled: bytes | None) -> c_void_p:
        loaded = c_void_p()
        if compiled is not None:
            error = self._library.wasmtime_module_deserialize(engine, compiled, len(compiled), byref(loaded))
            if not error:
                return loaded
            self._library.wasmtime_error_delete(error)  # for another processor, or cut short: it is compiled anew
        self._check(self._library.wasmtime_module_new(engine, module, len(module), byref(loaded)))
        return loaded

    def _check(self, error: int | None) -> None:
        if error:
            words = _Bytes()
            self._library.wasmtime_error_message(error, byref(words))
            message = ctypes.string_at(words.data, words.size).decode("utf-8", "replace")
            self._library.wasm_byte_vec_delete(byref(words))
            self._library.wasmtime_error_delete(error)
            raise WasmtimeFailed(message)
