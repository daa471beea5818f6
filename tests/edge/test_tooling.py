"""The edge tools: staging, packing, and the check that the deployed configuration uploads what it should."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.page_files import HEADERS, page_files
from gateway.pages import KERNEL, PRESENTATION
from tests.edge.harness import setup_edge
from tests.kernel_build import built_kernel

ROOT = Path(__file__).resolve().parents[2]


def stage(out: Path, *arguments: str) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "edge" / "stage.py"), "--out", str(out), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def staged_names(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_staging_takes_the_edge_packages_and_nothing_else(tmp_path: Path) -> None:
    stage(tmp_path)
    names = staged_names(tmp_path)
    assert {"entry.py", "worker/edge/asgi.py", "worker/ports.py", "worker/errors.py"} <= names
    assert "worker/entry.py" not in names
    assert {name.partition("/")[0] for name in names} <= {"entry.py", "worker", "wasm_classifier"}
    assert {Path(name).suffix for name in names} <= {".py", ".wasm", ".bin"}


def test_staging_again_changes_only_what_differs(tmp_path: Path) -> None:
    stage(tmp_path)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in staged_names(tmp_path)}
    (tmp_path / "worker" / "gone.py").write_text("")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "too.py").write_text("")
    (tmp_path / "worker" / "ports.py").write_text("something else")
    stage(tmp_path)
    after = {name: (tmp_path / name).stat().st_mtime_ns for name in staged_names(tmp_path)}
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} == {"worker/ports.py"}


def test_the_pages_are_staged_beside_with_the_gateway_s_headers(tmp_path: Path) -> None:
    stage(tmp_path / "src")
    pages = tmp_path / "src-pages"
    assert {f"/{name}" for name in staged_names(pages)} == {*page_files(PRESENTATION, KERNEL), "/_headers"}
    assert (pages / "index.html").read_bytes() == (PRESENTATION / "index.html").read_bytes()
    first, *lines = (pages / "_headers").read_text("utf-8").splitlines()
    assert first == "/*"
    assert {f"  {name}: {value}" for name, value in HEADERS.items()} <= set(lines)


def test_another_entry_takes_the_place_of_the_product_s(tmp_path: Path) -> None:
    entry = Path(__file__).resolve().parent / "proof_entry.py"
    stage(tmp_path, "--entry", str(entry))
    assert (tmp_path / "entry.py").read_bytes() == entry.read_bytes()


def read_bundle(message: bytes) -> list[tuple[str, int, int, bytes]]:
    """Decode (name, kind, tag, body) of each module, written from the encoding's own text."""
    segments, words = struct.unpack_from("<II", message)
    assert (segments, 8 + words * 8) == (0, len(message))
    segment = message[8:]

    def list_at(word: int) -> tuple[int, int, int]:
        low, high = struct.unpack_from("<II", segment, word * 8)
        assert low & 3 == 1
        return word + 1 + (low >> 2), high & 7, high >> 3

    def content_at(word: int) -> bytes:
        start, size, count = list_at(word)
        assert size == 2
        return segment[start * 8 : start * 8 + count]

    assert struct.unpack_from("<IHH", segment) == (0, 0, 1)
    tag_word, size, _ = list_at(1)
    assert size == 7
    count, data_words, pointers = struct.unpack_from("<IHH", segment, tag_word * 8)
    modules = []
    for index in range(count >> 2):
        word = tag_word + 1 + index * (data_words + pointers)
        kind, tag = struct.unpack_from("<HH", segment, word * 8)
        name = content_at(word + data_words)
        assert name.endswith(b"\0")
        modules.append((name[:-1].decode(), kind, tag, content_at(word + data_words + 1)))
    return modules


def test_a_bundle_decodes_to_what_was_packed() -> None:
    modules = [("a", 0, b""), ("runtime:b", 1, b"\0asm\1"), ("c" * 7, 2, bytes(range(256)))]
    decoded = read_bundle(setup_edge.pack_pyodide_bundle.encode_bundle(modules))
    assert decoded == [(name, 2, tag, body) for name, tag, body in modules]


def test_glue_of_another_release_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="use the pinned release"):
        setup_edge.pack_pyodide_bundle.edit_glue("export default somethingElse;")


def test_missing_tools_are_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "edge" / "setup_edge.py")]
    nowhere = {**os.environ, "HARPOON_TOOLS": str(tmp_path), "PATH": str(tmp_path)}
    installing = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False)
    assert installing.returncode == 1
    assert "npm install needs `npm`, which is not on PATH" in installing.stderr
    checking = subprocess.run([*command, "--check"], env=nowhere, capture_output=True, text=True, check=False)
    assert checking.returncode == 1
    assert "missing: node, wrangler and pyodide" in checking.stderr


def publish(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/edge/publish.py as somebody with an empty home and no account."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HARPOON_TOOLS": str(setup_edge.tools_folder().parent),
        "WRANGLER_SEND_METRICS": "false",
        "CI": "true",
        **environment,
    }
    command = [sys.executable, str(ROOT / "deploy" / "edge" / "publish.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def test_the_deployed_configuration_uploads_the_staged_files(tmp_path: Path) -> None:
    setup_edge.ensure()
    built_kernel()
    done = publish(tmp_path, "--dry-run", "--outdir", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "env.MEDIATOR (MediatorAgent)" in done.stdout
    assert "env.SESSIONS (SessionSpool)" in done.stdout
    assert "env.ASSETS" in done.stdout
    assert "--var GATEWAY_URL:https://" in done.stderr
    names = staged_names(tmp_path / "out") - {"README.md"}
    assert {"entry.py", "worker/edge/asgi.py", "python_modules/workers/__init__.py"} <= names
    assert "wasm_classifier/kernel.wasm" in names
    assert "is not built" not in done.stderr
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {"entry.py", "worker", "wasm_classifier", "python_modules"}


def test_nothing_is_published_without_an_account_or_the_tools(tmp_path: Path) -> None:
    setup_edge.ensure()
    nobody = publish(tmp_path)
    assert nobody.returncode == 1
    assert "set CLOUDFLARE_API_TOKEN, or run `wrangler login`" in nobody.stderr
    bare = publish(tmp_path, "--dry-run", HARPOON_TOOLS=str(tmp_path))
    assert bare.returncode == 1
    assert "run `python3 tests/edge/setup_edge.py`" in bare.stderr
