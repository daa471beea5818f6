"""Builds wasm_classifier/kernel.wasm from wasm_classifier/kernel/kernel.c and the tables of the Python reference.

    python -m deploy.kernel.build [--out FILE] [--checked] [--if-possible]

One command, and the same bytes every time: the compiler is `ziglang` from PyPI, pinned in pyproject.toml, and nothing
of the machine goes in. The module isn't committed; a host without one serves the reference. Beside it lies what
wasmtime makes of it on this machine, which saves a start the compilation and 9 MB. `--checked` builds one that traps on
undefined behaviour and on an index beyond its array, for the fuzzer. `--if-possible` says so and ends well where
ziglang isn't installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.kernel.tables import header

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "wasm_classifier" / "kernel" / "kernel.c"
OUTPUT = ROOT / "wasm_classifier" / "kernel.wasm"
#: The compiler's own cache: what it made of a source before.
CACHE = ROOT / "build" / "kernel"
#: What every engine of the last years can run, named, so that another compiler default can't change it.
TARGET = ("-target", "wasm32-freestanding", "-mcpu=mvp+bulk_memory+sign_ext+mutable_globals+nontrapping_fptoint")
COMPILE = ("-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-fno-ident", "-g0")
FAST = ("-O3", "-fno-sanitize=all")
CHECKED = ("-O1", "-fsanitize=undefined,bounds", "-fsanitize-trap=undefined,bounds")
LINK = ("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536")


class BuildError(Exception):
    """The module can't be built; the message says why."""


def is_possible() -> bool:
    """Whether the compiler is installed."""
    return importlib.util.find_spec("ziglang") is not None


def build(*, checked: bool = False) -> bytes:
    """Compile the kernel. Raises: BuildError without the compiler, or with what it said."""
    if not is_possible():
        raise BuildError("ziglang is not installed: pip install -e '.[dev]'")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        shutil.copy(SOURCE, folder / "kernel.c")
        (folder / "tables.h").write_text(header(), encoding="ascii")
        how = CHECKED if checked else FAST
        # Names relative to a folder of its own: no path of the machine can get in.
        compiler = (sys.executable, "-m", "ziglang", "cc")
        command = [*compiler, *TARGET, *COMPILE, *how, *LINK, "-o", "kernel.wasm", "kernel.c"]
        caches = {name: str(CACHE / "zig") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **caches}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"the kernel does not compile:\n{done.stderr.strip()}")
        return (folder / "kernel.wasm").read_bytes()


def write(module: bytes, out: Path) -> bool:
    """Put the module in place, in one step; leaves an equal file as it is and says whether it wrote."""
    if out.is_file() and out.read_bytes() == module:
        out.touch()  # newer than its sources, which is all that make looks at
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.{os.getpid()}")
    partial.write_bytes(module)
    partial.replace(out)
    return True


def keep_compiled(module: bytes, out: Path) -> Path | None:
    """Keep the machine code of the module beside it, instead of any older one; None where wasmtime isn't installed."""
    try:
        from gateway.adapters.wasmtime_kernel import compile_kernel, compiled_path
        from gateway.adapters.wasmtime_library import WasmtimeFailed
    except ImportError:
        return None
    try:
        kept = compiled_path(out, module)
        if not kept.is_file():
            write(compile_kernel(module), kept)
    except (ImportError, WasmtimeFailed):
        return None
    for older in out.parent.glob(f"{out.stem}-*.cwasm"):
        if older != kept:
            older.unlink()
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.kernel.build", description="Build the classifier's kernel.")
    parser.add_argument("--out", type=Path, default=OUTPUT, help="file to write")
    parser.add_argument("--checked", action="store_true", help="trap on undefined behaviour; slower")
    parser.add_argument("--if-possible", action="store_true", help="no failure where ziglang isn't installed")
    options = parser.parse_args()
    if options.if_possible and not is_possible():
        print("no kernel: ziglang is not installed, so the classifier's Python reference will serve")
        return 0
    try:
        module = build(checked=options.checked)
    except BuildError as problem:
        print(problem, file=sys.stderr)
        return 1
    wrote = write(module, options.out.resolve())
    if not options.checked:
        keep_compiled(module, options.out.resolve())
    print(f"{'built' if wrote else 'unchanged'}: {options.out.name}, {len(module)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
