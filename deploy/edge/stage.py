"""Stage exactly the files the Worker needs into one folder, the module root that wrangler uploads.

wrangler takes the folder of `main` as the import root. Pointing it at the checkout would upload the gateway and the
tests too; pointing it at worker/ would upload `worker.x` as `x`. So the edge packages are copied side by side into a
generated folder with the entry module at its top. Files that didn't change keep their time stamp, and files that are
gone from the source are removed, so that a watching wrangler reloads only for a reason.

The pages, which are static assets and no modules, go into a folder beside it, with a `_headers` file that gives them
the headers the gateway gives them.

Usage: stage.py [--entry FILE] [--add FILE]... [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("worker", "wasm_classifier")
SUFFIXES = (".py", ".wasm", ".bin")
ENTRY = ROOT / "worker" / "entry.py"
TRAINING_ONLY = ("train.py",)
#: Of what wrangler calls so (https://developers.cloudflare.com/workers/static-assets/headers/).
HEADERS_FILE = "_headers"


def plan(root: Path, entry: Path, added: Sequence[Path] = ()) -> dict[str, Path]:
    """Return the source file of every staged path (relative, with `/`); `added` modules lie beside the entry."""
    staged = {"entry.py": entry} | {path.name: path for path in added}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            wanted = path.suffix in SUFFIXES and path.name not in TRAINING_ONLY and path != ENTRY
            if wanted and "__pycache__" not in path.parts and path.is_file():
                staged[path.relative_to(root).as_posix()] = path
    return staged


def plan_pages(root: Path) -> dict[str, Path | bytes]:
    """Return the source of every static asset, and the text of the file with their headers."""
    sys.path.insert(0, str(ROOT))
    from gateway.page_files import HEADERS, HOME, HOME_VARIES_BY, page_files

    files = page_files(root / "presentation", root / "wasm_classifier" / "kernel.wasm")
    headers = ["/*", *(f"  {name}: {value}" for name, value in HEADERS.items()), HOME, f"  vary: {HOME_VARIES_BY}", ""]
    return {HEADERS_FILE: "\n".join(headers).encode()} | {path[1:]: file for path, file in files.items()}


def stage(staged: Mapping[str, Path | bytes], out: Path) -> None:
    """Make `out` hold exactly the planned files."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(out).as_posix() not in staged:
            path.unlink()
    for name, source in staged.items():
        target = out / name
        content = source if isinstance(source, bytes) else source.read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description="Stage the Worker's files for wrangler.")
    parser.add_argument("--entry", type=Path, default=ENTRY, help="module that becomes entry.py")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build" / "edge",
        help="folder to fill; the pages go to the one beside it that is called the same with -pages",
    )
    parser.add_argument("--add", type=Path, action="append", default=[], help="further module to put beside it")
    options = parser.parse_args()
    staged = plan(ROOT, options.entry.resolve(), options.add)
    out = options.out.resolve()
    stage(staged, out)
    pages = plan_pages(ROOT)
    stage(pages, out.with_name(f"{out.name}-pages"))
    print(f"staged {len(staged)} files into {options.out}, {len(pages)} of the pages beside it")


if __name__ == "__main__":
    main()
