"""Commands find the server where it was started: a flag, then the settings of this machine, then the usual address."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.address import server_url
from gateway.failure import CommandFailed

HERE = "http://127.0.0.1:8080"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "HARPOON_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://gateway.example/v1", "http://gateway.example/v1"),
        ("https://h", "https://h"),
        ("127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("localhost:8123/v1", "http://localhost:8123/v1"),
        ("LOCALHOST", "http://LOCALHOST"),
        ("[::1]:8123", "http://[::1]:8123"),
        ("", HERE),
    ],
)
def test_an_address_is_completed(given: str, found: str) -> None:
    assert server_url(given) == found


@pytest.mark.parametrize(
    "given", ["gateway.example", "no url", "10.0.0.1:80", "127.0.0.1.example:80", ":8080", "localhost.example"]
)
def test_a_stranger_needs_a_scheme(given: str) -> None:
    with pytest.raises(CommandFailed, match="http://"):
        server_url(given)


@pytest.mark.parametrize(
    ("host", "port", "found"),
    [
        ("", "9000", "http://127.0.0.1:9000"),
        ("0.0.0.0", "", HERE),
        ("::", "9000", "http://[::1]:9000"),
        ("::1", "9000", "http://[::1]:9000"),
        ("gateway.example", "80", "http://gateway.example:80"),
        ("", "0", HERE),
        ("", "eighty", HERE),
    ],
)
def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, host: str, port: str, found: str) -> None:
    for name, value in (("SERVICE_HOST", host), ("SERVICE_PORT", port)):
        monkeypatch.setenv(name, value)
    assert server_url("") == found


def test_the_configuration_file_says_where_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".orchestrator" / "config.yaml"
    file.parent.mkdir()
    file.write_text("service:\n  host: 127.0.0.9\n  port: 9001\n")
    assert server_url("") == "http://127.0.0.9:9001"
    monkeypatch.setenv("SERVICE_PORT", "9002")
    assert server_url("") == "http://127.0.0.9:9002"
    monkeypatch.setenv("HARPOON_CONFIG", str(tmp_path / "nowhere.yaml"))
    assert server_url("") == "http://127.0.0.1:9002"
    file.write_bytes(b"\xff")
    monkeypatch.delenv("HARPOON_CONFIG")
    assert server_url("") == "http://127.0.0.1:9002"
