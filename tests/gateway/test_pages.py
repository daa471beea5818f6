"""Which files the gateway has ready to serve, and how; over HTTP tests/presentation asks both hosts for them."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

import pytest

from gateway.page_files import CONTENT_TYPES, HEADERS, KERNEL_PATH, page_files
from gateway.pages import KERNEL, PRESENTATION, KernelNotBuilt, PageRoute, build_page, has_already, load_pages
from worker.api.answers import Message, Scope
from worker.api.pages import accepts_gzip, accepts_html, file_named

ROOT = Path(__file__).parents[2]
TEXT = "a line that is long enough to be worth its compression\n" * 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A presentation/ with good files, and with everything in it that must not be served."""
    pages = tmp_path / "presentation"
    for name in ("index.html", "dashboard.html", "demo/main.js", "demo/.secret.js", "demo/_draft.html"):
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text(TEXT)
    for name in ("serve.py", ".env", "notes.md", "key.pem", "demo/main.js.map"):
        (pages / name).write_text("not for anybody")
    (tmp_path / "outside.html").write_text("not for anybody")
    (pages / "link.html").symlink_to(tmp_path / "outside.html")
    (pages / "folder.html").mkdir()
    return pages


def test_only_pages_are_listed_and_nothing_hidden_or_outside(folder: Path, tmp_path: Path) -> None:
    assert set(page_files(folder, tmp_path / "no.wasm")) == {"/index.html", "/dashboard.html", "/demo/main.js"}
    (tmp_path / "kernel.wasm").write_bytes(b"\0asm")
    assert page_files(folder, tmp_path / "kernel.wasm")[KERNEL_PATH] == tmp_path / "kernel.wasm"
    assert page_files(tmp_path / "nowhere", tmp_path / "kernel.wasm") == {}


def test_a_page_has_its_other_names(folder: Path, tmp_path: Path) -> None:
    pages = load_pages(folder, tmp_path / "no.wasm")
    assert pages["/"] is pages["/index.html"]
    assert pages["/dashboard"] is pages["/dashboard/"] is pages["/dashboard.html"]


def test_the_compressed_variant_is_the_same_under_another_tag() -> None:
    page = build_page("/x.css", TEXT.encode())
    assert page.compressed is not None
    assert gzip.decompress(page.compressed.body) == page.plain.body == TEXT.encode()
    assert page.compressed.tag != page.plain.tag
    assert build_page("/x.css", b"short").compressed is None
    for variant in (page.plain, page.compressed):
        sent = {name.decode(): value.decode() for name, value in variant.headers}
        assert HEADERS.items() <= sent.items()
        assert sent["content-type"] == CONTENT_TYPES[".css"]


async def answer_of(route: PageRoute, path: str) -> list[Message]:
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("a page needs no body")

    async def send(message: Message) -> None:
        sent.append(message)

    await route.handle(scope, receive, send)
    return sent


async def test_a_kernel_that_was_not_built_is_said_to_be_missing(folder: Path, tmp_path: Path) -> None:
    route = PageRoute(load_pages(folder, tmp_path / "no.wasm"))
    with pytest.raises(KernelNotBuilt) as problem:
        await answer_of(route, KERNEL_PATH)
    assert (problem.value.status, problem.value.code) == (404, "kernel_not_built")
    assert "deploy.kernel.build" in problem.value.message


async def test_what_was_read_at_the_start_is_what_is_served(folder: Path, tmp_path: Path) -> None:
    route = PageRoute(load_pages(folder, tmp_path / "no.wasm"))
    (folder / "demo" / "main.js").write_text("another text")
    _, body = await answer_of(route, "/demo/main.js")
    assert body["body"] == TEXT.encode()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/*", False),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", True),
        ("application/xhtml+xml", True),
        ("application/json, text/html;q=0.9", False),
        ("application/json;q=0.9,text/html", True),
        ("text/html;q=0", False),
        ("text/html; q=0.001", True),
        ("text/html;level=1;q=0.5, application/json;q=0.6", False),
        ("text/html;q=oops", False),
        ("text/html;q=1.5", True),
        ("text/html;q=-1", False),
        ("text/html;q=٣", False),
        ("," * 100_000 + "text/html", False),
    ],
)
def test_html_is_for_those_who_ask_for_it(accept: str | None, wanted: bool) -> None:
    assert accepts_html(accept) is wanted
    assert file_named("/", accept) == ("/index.html" if wanted else None)
    assert file_named("/dashboard", accept) == "/dashboard.html"
    assert file_named("/dashboard/data", accept) is None


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0, *", False),
        ("gzip;q=0.000", False),
        ("*", True),
        ("x-gzip", True),
        ("gzipped", False),
    ],
)
def test_gzip_is_for_those_who_accept_it(accept: str | None, wanted: bool) -> None:
    assert accepts_gzip(accept) is wanted


@pytest.mark.parametrize(
    ("header", "has"),
    [(None, False), ("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ("a", False)],
)
def test_a_tag_tells_whether_a_client_has_the_file(header: str | None, has: bool) -> None:
    assert has_already(b'"a"', header) is has


def test_a_wheel_holds_every_page() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "presentation*" in setuptools["packages"]["find"]["include"]
    packed = {pattern.removeprefix("*") for pattern in setuptools["package-data"]["*"]}
    files = [file for path, file in page_files(PRESENTATION, KERNEL).items() if path != KERNEL_PATH]
    assert files
    for file in files:
        assert file.suffix in packed, file
        # A folder is a package to the build, so its name must be one's.
        assert all(part.isidentifier() for part in file.parent.relative_to(ROOT).parts), file
