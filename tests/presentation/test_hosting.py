"""Both hosts serve the same files at the same paths, with the same headers, and nothing else."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.page_files import CONTENT_SECURITY_POLICY, CONTENT_TYPES, HEADERS, KERNEL_PATH, page_files
from gateway.pages import KERNEL, PRESENTATION
from tests.presentation.sites import Site, served_paths
from worker.api.pages import PAGE_NAMES

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def get(site: Site, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(method, site.url + path, headers=headers, trust_env=False)


def test_every_file_is_served_as_it_is_with_the_headers_of_a_page(site: Site) -> None:
    files = page_files(PRESENTATION, KERNEL)
    assert {"/index.html", "/hosted-ai-presentation.html", "/theme.css", "/ledger.js", KERNEL_PATH} <= files.keys()
    for path, file in files.items():
        answer = get(site, path)
        assert (answer.status_code, answer.content) == (200, file.read_bytes()), path
        assert answer.headers["content-type"].split(";")[0] == CONTENT_TYPES[file.suffix].split(";")[0], path
        assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS), path


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline() -> None:
    policy = dict(one.split(" ", 1) for one in CONTENT_SECURITY_POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert "'unsafe-eval'" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", PAGE_NAMES)
def test_a_browser_gets_the_page_behind_each_name(site: Site, path: str) -> None:
    answer = get(site, path, **BROWSER)
    assert answer.status_code == 200
    assert answer.content == (PRESENTATION / PAGE_NAMES[path][1:]).read_bytes()
    assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5"])
def test_a_program_gets_the_index_in_json(site: Site, accept: str) -> None:
    answer = get(site, "/", accept=accept)
    assert answer.json()["name"] == "harpoon"
    assert answer.headers["vary"] == "Accept"
    assert "Accept" in get(site, "/", **BROWSER).headers["vary"].split(", ")


def test_a_file_that_the_browser_has_is_not_sent_again(site: Site) -> None:
    for path, headers in (("/theme.css", {}), ("/", BROWSER)):
        for encoding in ("gzip", "identity"):
            first = get(site, path, **headers, **{"accept-encoding": encoding})
            tag = first.headers["etag"]
            again = get(site, path, **headers, **{"accept-encoding": encoding, "if-none-match": tag})
            assert (again.status_code, again.content) == (304, b""), (path, encoding)
            assert get(site, path, **headers, **{"if-none-match": '"another"'}).content == first.content


def test_it_is_compressed_for_those_who_accept_it(site: Site) -> None:
    packed = get(site, "/ledger.js", **{"accept-encoding": "gzip"})
    plain = get(site, "/ledger.js", **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


@pytest.mark.parametrize("path", ["/", "/theme.css", "/dashboard", KERNEL_PATH])
def test_head_says_the_same_without_a_body(site: Site, path: str) -> None:
    got, head = get(site, path, **BROWSER), get(site, path, "HEAD", **BROWSER)
    assert (head.status_code, head.content) == (200, b"")
    for name in (*HEADERS, "content-type", "etag"):
        assert head.headers[name] == got.headers[name], name


HIDDEN = [
    "/_headers",
    "/.env",
    "/gateway/pages.py",
    "/worker/app.py",
    "/wrangler.toml",
    "/demo/",
    "/slides",
    "/theme.css/",
    "/THEME.CSS",
    "//theme.css",
    "/demo/../../gateway/app.py",
    "/../wrangler.toml",
    "/..%2fwrangler.toml",
    "/%2e%2e/wrangler.toml",
    "/demo/..%5c..%5cwrangler.toml",
    "/theme.css%00.html",
]


@pytest.mark.parametrize("path", HIDDEN)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    """Sent as it stands here: a client's library would tidy the path up."""
    address = urlsplit(site.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    connection.putrequest("GET", path)
    connection.putheader("accept", BROWSER["accept"])
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status == 307:  # the Worker's assets tidy a path up by sending the browser to the tidy one
        assert answer.getheader("location") == "/theme.css"
        return
    assert answer.status in (400, 404), body
    assert b"harpoon" not in body or b"is not served here" in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_can_only_be_read(site: Site, method: str) -> None:
    assert get(site, "/theme.css", method).status_code == 405
    assert get(site, "/", method, **BROWSER).status_code == 405


def test_every_page_names_only_files_that_are_served(site: Site) -> None:
    """Each script's imports and each page's links, as the browser would ask for them."""
    for path in served_paths():
        if path.endswith((".html", ".js", ".css")):
            for reference in references(path):
                # What asks for a token is served to whoever has one.
                assert get(site, reference, **BROWSER).status_code in (200, 401), (path, reference)


def references(path: str) -> set[str]:
    """What a file of ours refers to by src, href, `from "..."` or `import("...")`; anchors and data left out."""
    text = (PRESENTATION / path[1:]).read_text("utf-8") if path != KERNEL_PATH else ""
    found = re.findall(r"""\b(?:src|href)="([^"#?]+)[#?]?[^"]*"|\bfrom "([./][^"]+)"|\bimport\("([^"]+)"\)""", text)
    names = {name for groups in found for name in groups if name and not name.startswith(("data:", "http"))}
    base = httpx.URL(f"http://site{path}")
    return {base.join(name).path for name in names}
