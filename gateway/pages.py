"""Serves presentation/ from memory: the pages, their scripts and styles, and the classifier's kernel.

Everything is read at start-up, and a path that was not listed then is not served. A file is compressed and hashed when
it is first asked for, so that no start waits for it. Whether a client has a file already is decided by its entity tag
(RFC 9110 section 13.1.2).
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from gateway.page_files import CONTENT_TYPES, HEADERS, HOME, HOME_VARIES_BY, KERNEL_PATH, page_files
from worker.api.answers import Headers, header_of
from worker.api.pages import PAGE_NAMES, accepts_gzip, accepts_html
from worker.errors import CallerError

#: presentation/ lies beside this package, in a checkout as in what a wheel installs.
PRESENTATION = Path(__file__).parents[1] / "presentation"
KERNEL = Path(__file__).parents[1] / "wasm_classifier" / "kernel.wasm"
COMPRESSION = 9
READ = frozenset({"GET", "HEAD"})


class KernelNotBuilt(CallerError):
    """The classifier's kernel is asked for, and this gateway has none."""

    status = 404
    code = "kernel_not_built"


class Variant(NamedTuple):
    """A file as it is sent: its bytes, and the headers that go with them."""

    body: bytes
    tag: bytes
    headers: Headers


class Page(NamedTuple):
    """A file, plain and compressed; `compressed` is None where that would gain nothing."""

    plain: Variant
    compressed: Variant | None

    def variant(self, scope: Scope) -> Variant:
        """The one for what a request accepts."""
        if self.compressed is not None and accepts_gzip(header_of(scope, b"accept-encoding")):
            return self.compressed
        return self.plain


class Pages(Mapping[str, Page]):
    """What is served, by path, the further names of pages included; each is built when it is first looked up."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self._paths = {path: path for path in files} | {name: at for name, at in PAGE_NAMES.items() if at in files}
        self._built: dict[str, Page] = {}

    def __getitem__(self, path: str) -> Page:
        at = self._paths[path]
        if at not in self._built:
            self._built[at] = build_page(at, self._files.pop(at))
        return self._built[at]

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def load_pages(presentation: Path = PRESENTATION, kernel: Path = KERNEL) -> Pages:
    """Read what is served. Raises: OSError."""
    return Pages({path: file.read_bytes() for path, file in page_files(presentation, kernel).items()})


def build_page(path: str, body: bytes) -> Page:
    """A file's variants. Args: path: the suffix decides its content type."""
    content_type = CONTENT_TYPES[path[path.rindex(".") :]]
    shared = [("content-type", content_type), *HEADERS.items()]
    digest = hashlib.sha256(body).hexdigest()[:32]
    packed = gzip.compress(body, COMPRESSION, mtime=0)
    if len(packed) >= len(body):
        return Page(_variant(body, f'"{digest}"', shared), None)
    shared.append(("vary", f"{HOME_VARIES_BY}, Accept-Encoding" if path == HOME else "Accept-Encoding"))
    compressed = _variant(packed, f'"{digest}-gzip"', [*shared, ("content-encoding", "gzip")])
    return Page(_variant(body, f'"{digest}"', shared), compressed)


def _variant(body: bytes, tag: str, headers: list[tuple[str, str]]) -> Variant:
    raw = [(name.encode(), value.encode()) for name, value in [*headers, ("etag", tag)]]
    return Variant(body, tag.encode(), raw)


def has_already(tag: bytes, if_none_match: str | None) -> bool:
    """Whether an If-None-Match names the entity tag, compared weakly (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    named = {one.strip(" \t").removeprefix("W/") for one in if_none_match.split(",")}
    return tag.decode() in named or "*" in named


class PageRoute(BaseRoute):
    """The route to every page; it stands after the application's own, and matches only what is listed."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"] if scope["type"] == "http" else ""
        if path not in self._pages and (path != KERNEL_PATH or not self._pages):
            return Match.NONE, {}
        if scope["method"] not in READ:
            return Match.NONE if path == "/" else Match.PARTIAL, {}
        if path == "/" and not accepts_html(header_of(scope, b"accept")):
            return Match.NONE, {}
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in READ:
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        page = self._pages.get(scope["path"])
        if page is None:
            raise KernelNotBuilt(
                "the classifier's kernel is not built here: `python -m deploy.kernel.build`, then start again"
            )
        body, tag, headers = page.variant(scope)
        status = 304 if has_already(tag, header_of(scope, b"if-none-match")) else 200
        if status == 304:
            headers, body = [one for one in headers if one[0] != b"content-type"], b""
        else:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
