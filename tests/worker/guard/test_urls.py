"""Which URLs of tenants may be called, and which addresses a name may have."""

from __future__ import annotations

import pytest

from worker.guard.urls import CheckedUrl, UrlRefused, UrlRules, check_address, check_url, choose_address, is_public

RULES = UrlRules()

ALLOWED = [
    ("https://example.com", CheckedUrl("https", "example.com", 443, "/", "")),
    ("HTTPS://Example.COM/a/b?c=d#e", CheckedUrl("https", "example.com", 443, "/a/b?c=d#e", "")),
    ("https://hooks.example.com:8443/x", CheckedUrl("https", "hooks.example.com", 8443, "/x", "")),
    ("https://example.com:443?x", CheckedUrl("https", "example.com", 443, "/?x", "")),
    ("https://example.com.", CheckedUrl("https", "example.com.", 443, "/", "")),
    ("https://xn--bcher-kva.example2.com/", CheckedUrl("https", "xn--bcher-kva.example2.com", 443, "/", "")),
    ("https://1a.example.com/", CheckedUrl("https", "1a.example.com", 443, "/", "")),
    ("https://8.8.8.8/dns", CheckedUrl("https", "8.8.8.8", 443, "/dns", "8.8.8.8")),
    ("https://[2606:4700::1111]/", CheckedUrl("https", "[2606:4700::1111]", 443, "/", "2606:4700::1111")),
    ("https://[2606:4700:0:0::1111]:8443/", CheckedUrl("https", "[2606:4700:0:0::1111]", 8443, "/", "2606:4700::1111")),
]

REFUSED = {
    "scheme": [
        "http://example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "gopher://x.com",
    ],
    "no URL": ["", "example.com", "//example.com", "https:/example.com", "https://", "https:///x", "https:example.com"],
    "user name": ["https://user@example.com", "https://user:pw@example.com", "https://example.com@127.0.0.1/"],
    "blanks and signs": [
        "https://example.com /",
        " https://example.com",
        "https://example.com/\n",
        "https://exa\tmple.com",
        "https://example.com\\@127.0.0.1",
        "https://example.com/a|b",
        "https://example.com/\x7f",
        "https://example.com/<x>",
    ],
    "port": [
        "https://example.com:22/",
        "https://example.com:80/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:4 43/",
        "https://example.com:+443/",
        "https://example.com:443:443/",
        "https://example.com:0x1bb/",
    ],
    "another script": [
        "https://ex\u0430mple.com",
        "https://１２７.０.０.１",
        "https://ⓛocalhost",
        "https://example。com",
    ],
    "percent": ["https://127%2e0.0.1/", "https://%6cocalhost/", "https://[fe80::1%25eth0]/"],
    "names of a network": [
        "https://localhost",
        "https://localhost:8443",
        "https://localhost.",
        "https://foo.localhost",
        "https://intranet",
        "https://printer.local",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://router.lan",
        "https://x.home.arpa",
        "https://x.onion",
        "https://a..b.com",
        "https://-a.com",
        "https://" + "a" * 64 + ".com",
        "https://" + "a." * 130 + "com",
    ],
    "IPv4": [
        "https://127.0.0.1",
        "https://127.0.0.1:8443/",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://172.31.255.255",
        "https://192.168.1.1",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.100.100.200",
        "https://168.63.129.16",
        "https://192.0.0.192",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://198.18.0.1",
    ],
    "IPv4, oddly spelled": [
        "https://2130706433",
        "https://017700000001",
        "https://0x7f000001",
        "https://0x7f.0.0.1",
        "https://0177.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://127.0.0.1.",
        "https://8.8.8.8.",
        "https://08.8.8.8",
        "https://8.8.8.256",
        "https://1.2.3.4.5",
        "https://example.0x1",
        "https://example.1",
    ],
    "IPv6": [
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:8.8.8.8]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::7f00:1]",
        "https://[2002:7f00:1::]",
        "https://[2001:0:7f00:1::]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[fc00::1]",
        "https://[ff02::1]",
        "https://[2001:db8::1]",
        "https://[::1",
        "https://[::1]x",
        "https://[8.8.8.8]",
        "https://[2606:4700::1111]:8443:1",
    ],
    "too long": ["https://example.com/" + "a" * 2_048],
}


@pytest.mark.parametrize(("url", "parts"), ALLOWED)
def test_a_public_url_is_taken_apart(url: str, parts: CheckedUrl) -> None:
    assert check_url(url, RULES) == parts


@pytest.mark.parametrize("url", [url for urls in REFUSED.values() for url in urls])
def test_it_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(UrlRefused) as refusal:
        check_url(url, RULES)
    assert refusal.value.status == 400
    assert "pw" not in refusal.value.message


def test_the_operator_may_allow_more() -> None:
    rules = UrlRules(schemes=("http", "https"), ports=(8080,))
    assert check_url("http://example.com:8080/", rules).port == 8080
    assert check_url("http://example.com/", rules).port == 80
    for url in ("http://127.0.0.1/", "https://example.com:8443/", "https://example.com:80/"):
        with pytest.raises(UrlRefused):
            check_url(url, rules)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)
    assert check_address(address) == address


@pytest.mark.parametrize("address", ["", "x", "8.8.8", "::ffff:8.8.8.8", "fe80::1%eth0", "2606:4700::1%1", "3fff::1"])
def test_what_is_no_public_address(address: str) -> None:
    assert not is_public(address)


def test_one_private_address_spoils_a_name() -> None:
    assert choose_address(["8.8.8.8", "2606:4700::1"]) == "8.8.8.8"
    for addresses in ([], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"], ["8.8.8.8", "fd00::1"]):
        with pytest.raises(UrlRefused):
            choose_address(addresses)
