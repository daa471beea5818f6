"""Which files of presentation/ are served, where, and with which headers: the one table of both hosts.

Standard library only, because deploy/edge/stage.py, which any Python runs, writes the Worker's `_headers` from it. It
decides no negotiation (worker/api/pages.py does) and sends nothing (gateway/pages.py and worker/edge/pages.py do).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: Nothing from elsewhere, nothing inline, nothing evaluated but WebAssembly; pages may frame each other, nobody else.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
    )
)
#: Of every file on both hosts. `no-cache` lets a browser keep a file and makes it ask whether that is still the one.
HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
#: What `/` is answered with depends on what the client accepts.
HOME, HOME_VARIES_BY = "/index.html", "Accept"
#: What is served has one of these suffixes.
CONTENT_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
KERNEL_PATH = "/kernel.wasm"


def page_files(presentation: Path, kernel: Path) -> dict[str, Path]:
    """The file behind every path that is served: nothing hidden, nothing of another kind, no way out of the folder.

    Args:
        presentation: the pages' folder; nothing is served of one that isn't there.
        kernel: the classifier's kernel, which is served only once it is built.
    """
    root = presentation.resolve()
    found = {}
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root)
        is_hidden = any(part.startswith((".", "_")) for part in name.parts)
        if file.suffix in CONTENT_TYPES and not is_hidden and file.is_file() and file.resolve().is_relative_to(root):
            found[f"/{name.as_posix()}"] = file
    if found and kernel.is_file():
        found[KERNEL_PATH] = kernel
    return found
