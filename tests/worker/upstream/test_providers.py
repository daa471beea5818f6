"""Where a provider is called, and that its key is seen by nobody but the provider."""

from __future__ import annotations

import pytest

from worker.errors import SettingsError
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.upstream.providers import build_access, chat_url

URLS = [
    ("http://pod.example", "http://pod.example/v1/chat/completions"),
    ("http://pod.example/", "http://pod.example/v1/chat/completions"),
    ("  http://pod.example:8000 ", "http://pod.example:8000/v1/chat/completions"),
    ("https://pod.example/v1", "https://pod.example/v1/chat/completions"),
    ("https://pod.example/v1/", "https://pod.example/v1/chat/completions"),
    ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions"),
    ("https://gateway.example/v1/a/g/compat", "https://gateway.example/v1/a/g/compat/chat/completions"),
    ("https://pod.example/v1?api-version=2", "https://pod.example/v1/chat/completions?api-version=2"),
    ("https://pod.example/v1#here", "https://pod.example/v1/chat/completions"),
    ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
]


@pytest.mark.parametrize(("base", "url"), URLS)
def test_chat_completions_are_under_the_base_url(base: str, url: str) -> None:
    assert str(chat_url(base)) == url


@pytest.mark.parametrize(
    "base", ["", " ", "pod.example", "pod.example:8000/v1", "ftp://pod.example", "http://", "/v1", "http://a:b"]
)
def test_what_is_no_web_address_is_refused(base: str) -> None:
    with pytest.raises(SettingsError, match="base URL"):
        chat_url(base)


def test_only_providers_with_an_address_are_reachable() -> None:
    access = build_access(DEFAULT_CATALOGUE, {"groq": "https://g.example/v1", "openai": ""}, {"openai": "sk-lost"})
    assert list(access) == ["groq"]
    assert "authorization" not in access["groq"].headers


def test_the_key_opens_the_door_and_shows_nowhere() -> None:
    access = build_access(DEFAULT_CATALOGUE, {"groq": "https://g.example"}, {"groq": "gsk_hush"})
    assert access["groq"].headers["authorization"] == "Bearer gsk_hush"
    assert "hush" not in repr(access)
    assert "hush" not in str(access["groq"])


@pytest.mark.parametrize("key", ["two words", "line\nfeed", "tab\t", "schlüssel", "\x00"])
def test_a_key_that_would_break_the_header_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(SettingsError) as raised:
        build_access(DEFAULT_CATALOGUE, {"groq": "https://g.example"}, {"groq": key})
    assert "groq" in raised.value.message
    assert key not in raised.value.message


def test_only_the_simulator_is_told_the_pool() -> None:
    access = build_access(DEFAULT_CATALOGUE, {p.id: "http://h.example" for p in DEFAULT_CATALOGUE.providers}, {})
    told = {name: found.headers_for("shared-4x").get("x-harpoon-pool") for name, found in access.items()}
    assert {name for name, pool in told.items() if pool} == {"simulator"}
    assert told["simulator"] == "shared-4x"
