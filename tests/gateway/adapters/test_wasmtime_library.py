"""wasmtime's library without wasmtime's package: what is declared of it fits, and whatever does not is refused."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import tomllib
import weakref
from pathlib import Path

import pytest

from gateway.adapters import wasmtime_library
from gateway.adapters.wasmtime_library import RELEASE, WasmInstance, WasmtimeFailed, installed_release
from tests.kernel_build import built_kernel

ROOT = Path(__file__).parents[3]
#: (module (memory (export "memory") 1) (func (export "same") (param i32) (result i32) local.get 0)
#:   (func (export "trap") (result i32) unreachable)
#:   (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))
MODULE = bytes.fromhex(
    "0061736d01000000010a0260017f017f6000017f0304030001000503010001071f04066d656d6f727902000473616d6500000474726170"
    "0001047065656b00020a1203040020000b0300000b070020002802000b"
)


def test_it_is_declared_for_the_release_that_is_pinned_and_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"wasmtime=={RELEASE}" in project["dependencies"]
    assert installed_release() == RELEASE


def test_the_layouts_are_those_of_the_package() -> None:
    from wasmtime import _ffi as package

    ours = wasmtime_library
    pairs = (
        (ours._Instance, package.wasmtime_instance_t),
        (ours._Function, package.wasmtime_func_t),
        (ours._Memory, package.wasmtime_memory_t),
        (ours._AnyExport, package.wasmtime_extern_union_t),
        (ours._Export, package.wasmtime_extern_t),
        (ours._Value, package.wasmtime_val_raw_t),
        (ours._Bytes, package.wasm_byte_vec_t),
    )
    for own, theirs in pairs:
        assert (ctypes.sizeof(own), ctypes.alignment(own)) == (ctypes.sizeof(theirs), ctypes.alignment(theirs)), own
    assert (ours._Export.of.offset, ours._Bytes.data.offset) == (
        package.wasmtime_extern_t.of.offset,
        package.wasm_byte_vec_t.data.offset,
    )
    kinds = package.WASMTIME_EXTERN_FUNC, package.WASMTIME_EXTERN_MEMORY
    assert tuple(getattr(kind, "value", kind) for kind in kinds) == (ours._FUNCTION, ours._MEMORY)


def test_the_functions_take_what_the_package_says() -> None:
    from wasmtime import _bindings as package

    for name, (answer, arguments) in wasmtime_library._INTERFACE.items():
        theirs = getattr(package, f"_{name}")
        assert len(arguments) == len(theirs.argtypes), name
        assert (answer is None) == (theirs.restype is None), name
        for own, other in zip(arguments, theirs.argtypes, strict=True):
            assert ctypes.sizeof(own) == ctypes.sizeof(other), name


def test_a_module_is_called_and_its_memory_is_seen() -> None:
    instance = WasmInstance(MODULE)
    same, peek = instance.function("same"), instance.function("peek")
    assert [same(number) for number in (0, 1, -1, 2**31 - 1, -(2**31))] == [0, 1, -1, 2**31 - 1, -(2**31)]
    ctypes.c_int32.from_address(instance.memory() + 64).value = 77
    assert peek(64) == 77


def test_a_trap_is_told_and_stays() -> None:
    instance = WasmInstance(MODULE)
    trap, peek = instance.function("trap"), instance.function("peek")
    assert trap(0) is None
    assert trap(0) is None
    assert peek(65_536) is None  # beyond its memory
    assert instance.function("peek")(0) == 0


@pytest.mark.parametrize(
    "module",
    [b"", b"no module", MODULE[:-1], MODULE + b"\x00", b"\x00asm\x02\x00\x00\x00"],
    ids=["empty", "text", "cut", "more", "version"],
)
def test_what_is_no_module_is_refused_in_words(module: bytes) -> None:
    with pytest.raises(WasmtimeFailed, match=r"\w"):
        WasmInstance(module)


@pytest.mark.parametrize("name", ["nothing", "memory", ""])
def test_what_a_module_lacks_is_named(name: str) -> None:
    with pytest.raises(WasmtimeFailed, match=f"the module has no {name}"):
        WasmInstance(MODULE).function(name)


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasmtime_library, "RELEASE", "49.0.0")
    with pytest.raises(WasmtimeFailed, match=rf"runs with wasmtime 49\.0\.0, and {RELEASE}"):
        WasmInstance(MODULE)


def test_an_instance_is_given_back() -> None:
    seen = []
    for _ in range(50):
        instance = WasmInstance(built_kernel().read_bytes())
        seen.append(weakref.ref(instance))
        del instance
    gc.collect()
    assert [one for one in seen if one() is not None] == []


def test_the_package_is_not_imported() -> None:
    program = (
        "import asyncio, sys\nfrom gateway.adapters.wasmtime_kernel import KernelScorer\nscorer = KernelScorer()\n"
        "asyncio.run(scorer.load())\nscorer.score(b'hello')\nprint('wasmtime' in sys.modules)"
    )
    built_kernel()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr
