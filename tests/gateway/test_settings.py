"""Settings: where they come from, which of them wins, and that every wrong one is refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import ALL_SETTINGS, HostSettings, read_settings
from worker.errors import IntegrityError, SettingsError
from worker.routing.catalogue import to_plain
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

SECRETS = {
    "HARPOON_TOKENS": "hk_acme_s3cret",
    "HOSTED_AI_API_KEY": "hush-hosted",
    "GROQ_API_KEY": "hush-groq",
    "OPENAI_API_KEY": "hush-openai",
    "WORKERS_AI_API_KEY": "hush-workers",
}


def read(environment: dict[str, str] | None = None, **flags: str) -> HostSettings:
    return read_settings(environment or {}, flags, None)


def read_yaml(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **flags: str) -> HostSettings:
    path = tmp_path / "harpoon.yaml"
    path.write_text(text)
    return read_settings(environment or {}, flags, path)


def test_a_newcomer_has_to_set_nothing() -> None:
    settings = read()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    configuration = settings.configuration
    assert configuration.keyring().is_open
    assert configuration.configured == {"simulator"}
    assert (configuration.default_cap, configuration.caps) == (None, {})


def test_flags_win_over_the_environment_that_over_the_file_that_over_defaults(tmp_path: Path) -> None:
    text = "SERVICE_PORT: 1\nHARPOON_WORKERS: 2\nHARPOON_MAX_RETRIES: 3\n"
    environment = {"SERVICE_PORT": "11", "HARPOON_WORKERS": "12", "HARPOON_MAX_FALLBACKS": "", "PATH": "/bin"}
    settings = read_yaml(tmp_path, text, environment, SERVICE_PORT="21", SERVICE_HOST="")
    assert (settings.port, settings.workers, settings.host) == (21, 12, "127.0.0.1")
    assert settings.configuration.limits.attempts.max_retries == 3
    assert settings.configuration.limits.attempts.max_fallbacks == 1


def test_a_file_says_plain_names_and_values(tmp_path: Path) -> None:
    text = (
        "# what this house needs\n"
        "HARPOON_BUDGET_USD: 0.25\n"
        "HARPOON_TOKENS: hk_acme_1, hk_b_2\n"
        'HARPOON_SIMULATOR: "on"\n'
        "SERVICE_HOST: 0.0.0.0\n"
    )
    settings = read_yaml(tmp_path, text)
    assert settings.configuration.default_cap == 250_000
    assert settings.configuration.tokens == ("hk_acme_1", "hk_b_2")
    assert settings.host == "0.0.0.0"
    assert read_yaml(tmp_path, "").port == read_yaml(tmp_path, "# nothing\n").port == 8080


BAD_FILES = [
    ("SERVICE_PROT: 8080", "no setting 'SERVICE_PROT'"),
    ("service_port: 8080", "no setting 'service_port'"),
    ("8080: SERVICE_PORT", "no setting 8080"),
    ("- SERVICE_PORT", "NAME: value lines"),
    ("just words", "NAME: value lines"),
    ("a: b: c", "line 1: not YAML"),
    ("SERVICE_PORT: 1\n\tx: 2", "line 2: not YAML"),
    ("HARPOON_SIMULATOR: on", "HARPOON_SIMULATOR must be a text or a number"),
    ("HARPOON_TOKENS: [hk_a_b]", "HARPOON_TOKENS must be a text or a number"),
    ("HARPOON_BUDGET_USD: {a: 1}", "HARPOON_BUDGET_USD must be a text or a number"),
    ("SERVICE_PORT:", "SERVICE_PORT must be a text or a number"),
    ("HARPOON_STATE: 2026-01-01", "HARPOON_STATE must be a text or a number"),
    ("SERVICE_HOST: !!python/object/apply:os.getcwd []", "not YAML"),
    ("SERVICE_PORT: 1\nSERVICE_PORT: 2", "SERVICE_PORT is there twice"),
]


@pytest.mark.parametrize(("text", "words"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_malformed_file_is_refused_by_name_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_yaml(tmp_path, text)
    assert words in raised.value.message
    assert "harpoon.yaml" in raised.value.message


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.yaml", tmp_path, binary):
        with pytest.raises(SettingsError, match="can't be read"):
            read_settings({}, {}, path)


MALFORMED: list[tuple[str, str]] = [
    *[("SERVICE_PORT", value) for value in ("65536", "-1", "80a", "8 0", "1e3", "٨٠", "8080.0", "0" * 12 + "99999")],
    *[("HARPOON_WORKERS", value) for value in ("0", "65", "two", "1.5")],
    *[("HARPOON_SIMULATOR_SPEED", value) for value in ("-1", "1000001", "fast", "0.5")],
    *[("HARPOON_SIMULATOR", value) for value in ("yes", "ON", "1")],
    *[("HARPOON_ESTIMATES", value) for value in ("learn", "Observed")],
    *[("HARPOON_OPEN", value) for value in ("true", "2", "yes")],
    *[("HARPOON_REQUEST_TIMEOUT_S", value) for value in ("0", "86401", "1.5", "-5", "٣")],
    *[("HARPOON_MAX_BODY_BYTES", value) for value in ("0", "10MB", "1048576000")],
    *[("HARPOON_MAX_BODY_MEMBERS", value) for value in ("0", "many", "100000001")],
    *[("HARPOON_MAX_RETRIES", value) for value in ("-1", "6", "x")],
    *[("HARPOON_MAX_FALLBACKS", value) for value in ("-1", "17")],
    *[("HARPOON_BUDGET_USD", value) for value in ("ten", "-1", "1e3", "0.0000001", "$5", "1.", ".5", "nan", "٣")],
    # A limit for somebody who doesn't exist is a limit for nobody.
    *[("HARPOON_BUDGET_USD", value) for value in ("=5", "Acme=5", "a b=5", "a=", "a=x", "a=1=2", "a=1,a=2", "1,2")],
    *[("HARPOON_TOKENS", value) for value in ("secret", "hk_a", "sk-123", "hk_a_b,oops", "hk_A_b", "hk_a_ü")],
    *[("HOSTED_AI_BASE_URL", value) for value in ("pod.example", "ftp://pod", "http://")],
    ("GROQ_API_KEY", "two words"),
    ("HARPOON_CATALOGUE", "/nowhere/catalogue.json"),
    *[("HARPOON_CATALOGUE_JSON", value) for value in ("{", "[]", "{}", '{"version": 1}', '{"a":1,"a":2}')],
]
#: How a message may call a setting.
CALLED = {
    "HARPOON_TOKENS": "token",
    "HOSTED_AI_BASE_URL": "base URL",
    "GROQ_API_KEY": "API key of groq",
    "HARPOON_CATALOGUE_JSON": "catalogue",
}


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(IntegrityError) as raised:
        read({name: value})
    assert isinstance(raised.value, SettingsError)
    assert CALLED.get(name, name) in raised.value.message


def test_budgets_are_for_all_or_for_each() -> None:
    for text, default, caps in (
        ("10", 10_000_000, {}),
        ("a=1", None, {"a": 1_000_000}),
        (" 0.5 , a=1, b-2 = 0.000001 ,", 500_000, {"a": 1_000_000, "b-2": 1}),
        ("0", 0, {}),
    ):
        configuration = read({"HARPOON_BUDGET_USD": text}).configuration
        assert (configuration.default_cap, configuration.caps) == (default, caps)


OPEN_HOSTS = ["127.0.0.1", "::1", "localhost"]
PUBLIC_HOSTS = ["0.0.0.0", "::", "192.168.1.5", "harpoon.example", "127.0.0.1.example", "LOCALHOST"]


@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_nobody_is_served_without_a_token_beyond_the_loopback(host: str) -> None:
    with pytest.raises(SettingsError, match="HARPOON_TOKENS"):
        read({"SERVICE_HOST": host})
    with_token = read({"SERVICE_HOST": host, "HARPOON_TOKENS": "hk_a_b"})
    assert not with_token.configuration.keyring().is_open
    with pytest.raises(SettingsError, match="HARPOON_TOKENS"):
        read({"SERVICE_HOST": host, "HARPOON_OPEN": "1"})


@pytest.mark.parametrize("host", OPEN_HOSTS)
def test_the_loopback_is_open_until_there_is_a_token(host: str) -> None:
    assert read({"SERVICE_HOST": host}).configuration.keyring().is_open
    assert not read({"SERVICE_HOST": host, "HARPOON_TOKENS": "hk_a_b"}).configuration.keyring().is_open
    assert not read({"HARPOON_TOKENS": "hk_a_b", "HARPOON_OPEN": "1"}).configuration.keyring().is_open


def test_tokens_that_are_only_commas_open_nothing() -> None:
    with pytest.raises(SettingsError):
        read({"HARPOON_TOKENS": " , "})


PROVIDERS: list[tuple[dict[str, str], set[str]]] = [
    ({"GROQ_API_KEY": "k"}, {"groq"}),
    ({"OPENAI_API_KEY": "k", "GROQ_API_KEY": "k"}, {"groq", "openai"}),
    ({"OPENAI_BASE_URL": "http://localhost:1/v1"}, {"openai"}),
    ({"HOSTED_AI_BASE_URL": "http://pod"}, {"hosted-ai"}),
    ({"HOSTED_AI_API_KEY": "k"}, {"simulator"}),
    ({"WORKERS_AI_API_KEY": "k"}, {"simulator"}),
    ({"GROQ_API_KEY": "k", "HARPOON_SIMULATOR": "on"}, {"groq", "simulator"}),
    ({"HARPOON_SIMULATOR": "off"}, set()),
]


@pytest.mark.parametrize(("environment", "configured"), PROVIDERS)
def test_a_provider_is_there_once_it_can_be_called(environment: dict[str, str], configured: set[str]) -> None:
    assert read(environment).configuration.configured == configured


def test_no_secret_shows_in_any_repr_or_help() -> None:
    settings = read({**SECRETS, "WORKERS_AI_BASE_URL": "https://w.example", "HOSTED_AI_BASE_URL": "https://h.example"})
    shown = f"{settings!r} {settings.configuration!r} {settings.configuration.access!r} {ALL_SETTINGS!r}"
    for secret in SECRETS.values():
        assert secret not in shown
    assert {setting.name for setting in ALL_SETTINGS if setting.secret} == set(SECRETS)


def test_every_setting_says_what_it_does_and_its_default_holds() -> None:
    names = [setting.name for setting in ALL_SETTINGS]
    assert len(names) == len(set(names))
    assert all(setting.help for setting in ALL_SETTINGS)
    defaults = {setting.name: setting.default for setting in ALL_SETTINGS}
    assert read({name: value for name, value in defaults.items() if value}).values == read().values


def test_a_catalogue_of_ones_own(tmp_path: Path) -> None:
    plain: dict[str, Any] = to_plain(DEFAULT_CATALOGUE)
    plain["version"] = "mine"
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(plain))
    assert read({"HARPOON_CATALOGUE": str(path)}).configuration.catalogue.source.version == "mine"
    assert read({"HARPOON_CATALOGUE_JSON": json.dumps(plain)}).configuration.catalogue.source.version == "mine"
    plain["offers"][0]["provider"] = "nobody"
    path.write_text(json.dumps(plain))
    with pytest.raises(SettingsError, match="nobody"):
        read({"HARPOON_CATALOGUE": str(path)})


def test_the_state_folder_may_be_in_ones_home() -> None:
    assert read({"HARPOON_STATE": "~/x"}).state == Path.home() / "x"
    assert read({"HARPOON_STATE": "/srv/x"}).state == Path("/srv/x")
