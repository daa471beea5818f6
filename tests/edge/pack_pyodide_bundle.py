"""Pack the Pyodide bundle of a local workerd from the npm package `pyodide`: a test tool, never part of the product.

`wrangler dev` downloads a published bundle when it can; online there is nothing to do here. Where that host can't be
reached, workerd takes a bundle named `pyodide_dev.capnp.bin` from `--pyodide-bundle-disk-cache-dir`, provided that the
worker runs with the compatibility flags `python_workers_development` and `experimental`. Released bundle names are
checked against published checksums, and this tool doesn't touch them.

The bundle is one Cap'n Proto message (https://capnproto.org/encoding.html) in one segment: a root struct with one list
of module structs. A module has one data word (u16 kind, 2 = internal; u16 body tag, 0 = source, 1 = wasm, 2 = data) and
four pointers: name (text with NUL), body (bytes without NUL), and two that stay null.

The glue code comes ready for browsers. workerd allows neither compiling wasm nor random values through the usual
globals, and offers replacements in `pyodide-internal:builtin_wrappers`; `EDITS` puts them in place.

Usage: pack_pyodide_bundle.py <node_modules/pyodide> <bundle directory>
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

BUNDLE_NAME = "pyodide_dev.capnp.bin"
SOURCE, WASM, DATA = 0, 1, 2
INTERNAL = 2
BYTES, COMPOSITE = 2, 7  # element sizes of Cap'n Proto lists
MODULE_DATA_WORDS, MODULE_POINTERS = 1, 4

#: What workerd's own module needs to see in the glue: (text in the npm package, text in the bundle).
EDITS = (
    ("new WebAssembly.Module(", "newWasmModule("),
    ("return view=>crypto.getRandomValues(view)", "return view=>getRandomValues(Module,view)"),
    (
        'if(f){var libData=FS.readFile(f,{encoding:"binary"});',
        "if(f){var libData=patchedLoadLibData(Module,f,flags.rpath);",
    ),
    ("export default _createPyodideModule;", "export{_createPyodideModule};export default _createPyodideModule;"),
)
IMPORTS = 'import{newWasmModule,getRandomValues,patchedLoadLibData}from"pyodide-internal:builtin_wrappers";\n'


def edit_glue(source: str) -> str:
    """Return the glue as workerd accepts it. Raises: ValueError when the package no longer has a place to edit."""
    for old, new in EDITS:
        if old not in source:
            raise ValueError(f"this pyodide release has no {old!r} in its glue: use the pinned release")
        source = source.replace(old, new)
    return IMPORTS + source


def _struct_pointer(offset_words: int, data_words: int, pointers: int) -> bytes:
    return struct.pack("<IHH", offset_words << 2, data_words, pointers)


def _list_pointer(offset_words: int, element_size: int, count: int) -> bytes:
    return struct.pack("<II", offset_words << 2 | 1, count << 3 | element_size)


def encode_bundle(modules: list[tuple[str, int, bytes]]) -> bytes:
    """Encode (name, body tag, body) triples as one message."""
    module_words = MODULE_DATA_WORDS + MODULE_POINTERS
    head_words = 3 + len(modules) * module_words  # root pointer, list pointer, list tag, structs
    blobs: list[bytes] = []
    blob_words = 0

    def add_blob(content: bytes, pointer_word: int) -> bytes:
        nonlocal blob_words
        pointer = _list_pointer(head_words + blob_words - pointer_word - 1, BYTES, len(content))
        blobs.append(content + bytes(-len(content) % 8))
        blob_words += len(blobs[-1]) // 8
        return pointer

    head = [
        _struct_pointer(0, 0, 1),
        _list_pointer(0, COMPOSITE, len(modules) * module_words),
        _struct_pointer(len(modules), MODULE_DATA_WORDS, MODULE_POINTERS),
    ]
    for name, tag, body in modules:
        word = len(head) + 1
        name_pointer = add_blob(name.encode() + b"\0", word)
        body_pointer = add_blob(body, word + 1)
        head += [struct.pack("<HHI", INTERNAL, tag, 0), name_pointer, body_pointer, bytes(8), bytes(8)]
    return struct.pack("<II", 0, head_words + blob_words) + b"".join(head) + b"".join(blobs)


def pack(package: Path, directory: Path) -> Path:
    """Write the bundle of the npm package at `package` into `directory` and return its path."""
    glue = edit_glue((package / "pyodide.asm.mjs").read_text("utf-8"))
    prefix = "pyodideRuntime-internal:"
    content = encode_bundle(
        [
            (prefix + "pyodide.asm", SOURCE, glue.encode()),
            (prefix + "pyodide.asm.wasm", WASM, (package / "pyodide.asm.wasm").read_bytes()),
            (prefix + "python_stdlib.zip", DATA, (package / "python_stdlib.zip").read_bytes()),
        ]
    )
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / BUNDLE_NAME
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(target)
    return target


if __name__ == "__main__":
    print(f"packed {pack(Path(sys.argv[1]), Path(sys.argv[2]))}")
