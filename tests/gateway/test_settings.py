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
    "HARPOON_ADMIN_TOKEN": "hk_admin_hush-0123456789abcdef0123",
    "HOSTED_AI_API_KEY": "hush-hosted",
    "GROQ_API_KEY": "hush-groq",
    "OPENAI_API_KEY": "hush-openai",
    "WORKERS_AI_API_KEY": "hush-workers",
    "LEDGER_SIGNING_KEY": "5ec2e7" * 10 + "beef",
}
OPERATORS = ("SCR_API_KEY", "SCR_PUBLIC_KEYS", "SCR_DASHBOARD_PASSWORD", "MCP_API_KEY", "GITHUB_CLIENT_SECRET")
OTHERS = ("HOSTED_AI_PANEL_KEY", "HOSTED_AI_ADMIN_PASSWORD", "NATIVE_API_KEY", "OPENROUTER_API_KEY", "AI_GATEWAY_TOKEN")
SECRETS |= {name: f"hush-{name}-0123" for name in (*OPERATORS, *OTHERS)}


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
    *[("HARPOON_MAX_RETRY_AFTER_S", value) for value in ("-1", "61")],
    *[("HARPOON_FIRST_BYTE_TIMEOUT_S", value) for value in ("0", "86401", "1.5")],
    *[("HARPOON_KEEP_ALIVE_S", value) for value in ("-1", "3601")],
    *[(f"HARPOON_MAX_CONNECTIONS{which}", value) for which in ("", "_PER_HOST") for value in ("0", "x")],
    *[("HARPOON_LIVE_POLL_MS", value) for value in ("0", "9", "60001", "fast")],
    *[("HARPOON_LIVE_LIMIT_S", value) for value in ("0", "86401")],
    *[("HARPOON_LIVE_CONNECTIONS", value) for value in ("-1", "10001")],
    *[("HARPOON_BUDGET_USD", value) for value in ("ten", "-1", "1e3", "0.0000001", "$5", "1.", ".5", "nan", "٣")],
    # A limit for somebody who doesn't exist is a limit for nobody.
    *[("HARPOON_BUDGET_USD", value) for value in ("=5", "Acme=5", "a b=5", "a=", "a=x", "a=1=2", "a=1,a=2", "1,2")],
    *[("HARPOON_TOKENS", value) for value in ("secret", "hk_a", "sk-123", "hk_a_b,oops", "hk_A_b", "hk_a_ü")],
    *[("HOSTED_AI_BASE_URL", value) for value in ("pod.example", "ftp://pod", "http://")],
    ("GROQ_API_KEY", "two words"),
    *[("DEPLOYMENT_MODE", value) for value in ("cloud", "nativ", "hosted.ai")],
    *[("SERVICE_LOG_LEVEL", value) for value in ("loud", "2")],
    *[("NATIVE_ATTESTS", value) for value in ("secure", "local_only,fast")],
    *[("NATIVE_MODELS", value) for value in ("llama", "qwen,gpt-4o")],
    *[("NATIVE_REGIONS", value) for value in ("Germany", "DE,XX", "de")],
    *[("HOSTED_AI_POOL_ID", value) for value in ("shared-2x", "serverless")],
    *[("HOSTED_AI_OVERCOMMIT", value) for value in ("0", "1001", "4.5", "4x", "-4", ".", "4.", "1e1", "yes")],
    *[("HOSTED_AI_TIMEOUT_S", value) for value in ("0", "3601", "30s")],
    *[("HOSTED_AI_MAX_RETRIES", value) for value in ("-1", "6")],
    *[("HARPOON_GEMMA_REPO", value) for value in ("two words", "a,b", "gpt-4o", "GPT-4O", "qwen", "x" * 201)],
    *[("HARPOON_QWEN_CONTEXT_LIMIT", value) for value in ("0", "10000001", "8k")],
    *[("HARPOON_QWEN_MAX_NEW_TOKENS", value) for value in ("0", "-1", "8193")],
    *[("HARPOON_GEMMA_TEMPERATURE", value) for value in ("2.1", "-1", "warm", ".7")],
    *[("HARPOON_GEMMA_TOP_P", value) for value in ("1.1", "x")],
    *[("HARPOON_QWEN_ENABLE_THINKING", value) for value in ("yes", "True", "1")],
    *[("HARPOON_HYGIENE_THRESHOLD", value) for value in ("1.1", "-0.1", "x")],
    *[("HARPOON_MAX_ITERATIONS", value) for value in ("0", "many")],
    *[("HARPOON_THREAD_COUNT", value) for value in ("0", "auto")],
    *[("MCP_WS_PORT", value) for value in ("65536", "ws")],
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
    ({"NATIVE_BASE_URL": "http://127.0.0.1:11434/v1"}, {"native"}),
    ({"NATIVE_API_KEY": "k"}, {"simulator"}),
    ({"GROQ_API_KEY": "k", "NATIVE_BASE_URL": "http://n", "DEPLOYMENT_MODE": "Native"}, {"native"}),
    ({"GROQ_API_KEY": "k", "HOSTED_AI_BASE_URL": "http://h", "DEPLOYMENT_MODE": "HostedAI"}, {"hosted-ai"}),
    ({"GROQ_API_KEY": "k", "DEPLOYMENT_MODE": "lightweight"}, {"simulator"}),
    ({"GROQ_API_KEY": "k", "DEPLOYMENT_MODE": "MOCK"}, {"simulator"}),
    # Nothing real is left, so the simulator stands in, as it does without any provider.
    ({"GROQ_API_KEY": "k", "DEPLOYMENT_MODE": "native"}, {"simulator"}),
    ({"GROQ_API_KEY": "k", "DEPLOYMENT_MODE": "mlx", "HARPOON_SIMULATOR": "off"}, set()),
    ({"NATIVE_BASE_URL": "http://n", "DEPLOYMENT_MODE": "cpu", "HARPOON_SIMULATOR": "on"}, {"native", "simulator"}),
]


@pytest.mark.parametrize(("environment", "configured"), PROVIDERS)
def test_a_provider_is_there_once_it_can_be_called(environment: dict[str, str], configured: set[str]) -> None:
    assert read(environment).configuration.configured == configured


def test_no_secret_shows_in_any_repr_or_help() -> None:
    bases = {"WORKERS_AI_BASE_URL": "https://w.example", "HOSTED_AI_BASE_URL": "https://h.example"}
    settings = read({**SECRETS, **bases, "SCR_DASHBOARD_USER": "ops"})
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


def test_a_wrong_setting_does_not_hide_the_others() -> None:
    wrong = {"SERVICE_PORT": "x", "HARPOON_WORKERS": "0", "GROQ_API_KEY": "two words", "HARPOON_TOKENS": "hush"}
    with pytest.raises(SettingsError) as raised:
        read({**wrong, "SERVICE_HOST": "0.0.0.0"})
    lines = raised.value.message.splitlines()
    assert len(lines) == len(wrong)  # with a token, listening everywhere would be all right
    assert all(any(word in line for line in lines) for word in ("SERVICE_PORT", "HARPOON_WORKERS", "groq", "token 1"))
    assert "hush" not in raised.value.message


def test_the_simulator_cannot_be_the_deployment_and_off() -> None:
    with pytest.raises(SettingsError, match="DEPLOYMENT_MODE"):
        read({"DEPLOYMENT_MODE": "lightweight", "HARPOON_SIMULATOR": "off"})


def routes_of(provider: str, **environment: str) -> list[str]:
    routes = read(environment).configuration.catalogue.routes
    return [f"{route.model}@{route.pool}" for route in routes if route.provider == provider]


@pytest.mark.parametrize(
    ("environment", "pools"),
    [
        ({"HOSTED_AI_POOL_ID": "shared-4x"}, {"shared-4x"}),
        ({"HOSTED_AI_OVERCOMMIT": "8"}, {"private-1x", "shared-4x", "shared-8x"}),
        ({"HOSTED_AI_OVERCOMMIT": "true"}, {"private-1x", "shared-4x", "shared-8x"}),
        ({"HOSTED_AI_OVERCOMMIT": "7"}, {"private-1x", "shared-4x"}),
        ({"HOSTED_AI_OVERCOMMIT": "2.0"}, {"private-1x"}),
        ({"HOSTED_AI_OVERCOMMIT": "False"}, {"private-1x"}),
        ({"HOSTED_AI_POOL_ID": "shared-4x", "HOSTED_AI_OVERCOMMIT": "8"}, {"shared-4x"}),
        ({"HOSTED_AI_POOL_ID": "private-1x", "HOSTED_AI_OVERCOMMIT": "1.0"}, {"private-1x"}),
        ({"HOSTED_AI_POOL_ID": "team-7", "HOSTED_AI_OVERCOMMIT": "4"}, {"team-7"}),
    ],
)
def test_hosted_ai_has_the_pools_that_are_accepted_and_others_keep_theirs(
    environment: dict[str, str], pools: set[str]
) -> None:
    found = routes_of("hosted-ai", **environment)
    assert {name.partition("@")[2] for name in found} == pools
    assert len(found) == 2 * len(pools)  # both models are still there
    for provider in ("simulator", "groq", "native"):
        assert routes_of(provider, **environment) == routes_of(provider)


@pytest.mark.parametrize(
    ("ratio", "like"),
    [("4", "shared-4x"), ("2", "shared-4x"), ("10", "shared-8x"), ("true", "shared-8x"), ("false", "private-1x")],
)
def test_a_pool_of_ones_own_is_planned_as_one_that_is_shared_at_least_as_much(ratio: str, like: str) -> None:
    catalogue = read({"HOSTED_AI_POOL_ID": "team-7", "HOSTED_AI_OVERCOMMIT": ratio}).configuration.catalogue
    usual = read().configuration.catalogue
    mine = catalogue.by_id["hosted-ai/qwen3-30b-a3b@team-7"]
    theirs = usual.by_id[f"hosted-ai/qwen3-30b-a3b@{like}"]
    assert mine == theirs._replace(id=mine.id, pool="team-7")
    for weights in catalogue.source.weights.values():
        assert weights.pools.get("team-7") == weights.pools.get(like)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HOSTED_AI_POOL_ID": "shared-4x", "HOSTED_AI_OVERCOMMIT": "3"}, "the sharing ratio of shared-4x is 4"),
        ({"HOSTED_AI_POOL_ID": "team 7", "HOSTED_AI_OVERCOMMIT": "4"}, "without blanks"),
        ({"HOSTED_AI_POOL_ID": "serverless", "HOSTED_AI_OVERCOMMIT": "4"}, "no other pool's"),
        ({"HOSTED_AI_POOL_ID": "team-7"}, "private-1x (1), shared-4x (4), shared-8x (8)"),
    ],
)
def test_a_pool_that_fits_nothing_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(environment)
    assert words in raised.value.message


def test_a_native_server_attests_what_its_operator_says() -> None:
    def native(**environment: str) -> tuple[frozenset[str], frozenset[str]]:
        route = read(environment).configuration.catalogue.by_id["native/qwen3-30b-a3b@local"]
        return route.attests, route.regions

    assert native() == (frozenset(), frozenset())
    said = native(NATIVE_ATTESTS="local_only, no_logging", NATIVE_REGIONS="DE,UK")
    assert said == (frozenset({"local_only", "no_logging"}), frozenset({"DE", "GB"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NATIVE_BASE_URL", "http://127.0.0.1:11434"),
        ("NATIVE_MODELS", "qwen3-30b-a3b"),
        ("NATIVE_REGIONS", "DE"),
        ("DEPLOYMENT_MODE", "native"),
    ],
)
def test_a_catalogue_without_a_native_server_can_not_have_one(name: str, value: str) -> None:
    plain = to_plain(DEFAULT_CATALOGUE)
    del plain["labels"]
    for part, member in (("providers", "id"), ("offers", "provider")):
        plain[part] = [row for row in plain[part] if row[member] != "native"]
    older = {"HARPOON_CATALOGUE_JSON": json.dumps(plain)}
    assert read(older).configuration.configured == {"simulator"}
    with pytest.raises(SettingsError, match=f"{name}: the catalogue has no provider 'native'"):
        read({**older, name: value})


@pytest.mark.parametrize(
    ("models", "served"),
    [
        ("qwen", ["qwen3-30b-a3b@local"]),
        ("Gemma", ["gemma-3-270m-it@local"]),
        ("qwen3-30b-a3b, gemma", ["gemma-3-270m-it@local", "qwen3-30b-a3b@local"]),
    ],
)
def test_a_native_server_serves_what_its_operator_says(models: str, served: list[str]) -> None:
    assert routes_of("native", NATIVE_MODELS=models) == served
    assert len(routes_of("hosted-ai", NATIVE_MODELS=models)) == 6


def test_a_repo_names_the_label_and_what_a_native_server_calls_it() -> None:
    catalogue = read({"HARPOON_QWEN_REPO": "mlx-community/Qwen3-30B-4bit"}).configuration.catalogue
    assert catalogue.by_id["native/qwen3-30b-a3b@local"].served_id == "mlx-community/Qwen3-30B-4bit"
    assert catalogue.by_id["hosted-ai/qwen3-30b-a3b@shared-4x"].served_id == "qwen3-30b-a3b"
    for name in ("Qwen/Qwen-30B", "mlx-community/Qwen3-30B-4bit", "MLX-community/qwen3-30b-4BIT"):
        assert catalogue.by_name[catalogue.name_of(name)] == catalogue.by_name["qwen"]
    # A model's own id, and a name that is the label's already, say nothing new.
    assert read({"HARPOON_QWEN_REPO": "qwen3-30b-a3b"}).configuration.catalogue.source.labels == (
        read().configuration.catalogue.source.labels
    )
    assert read({"HARPOON_GEMMA_REPO": "google/gemma-270m"}).configuration.catalogue == read().configuration.catalogue


def test_settings_change_their_label_alone() -> None:
    labels = {
        label.id: label
        for label in read(
            {
                "HARPOON_GEMMA_CONTEXT_LIMIT": "100",
                "HARPOON_GEMMA_TEMPERATURE": "0.25",
                "HARPOON_GEMMA_TOP_P": "1",
                "HARPOON_GEMMA_ENABLE_THINKING": "false",
            }
        ).configuration.catalogue.source.labels
    }
    gemma = labels["gemma"]
    assert (gemma.context_limit_tokens, gemma.max_output_tokens) == (100, 100)  # the usual 256 give way
    assert (gemma.temperature, gemma.top_p, gemma.enable_thinking) == ("0.25", "1", "false")
    assert labels["qwen"] == DEFAULT_CATALOGUE.labels[1]


def test_settings_of_what_a_catalogue_lacks_are_refused() -> None:
    plain: dict[str, Any] = to_plain(DEFAULT_CATALOGUE)
    plain["labels"] = []
    for name, value in (("HARPOON_GEMMA_TOP_P", "0.5"), ("HARPOON_QWEN_REPO", "x")):
        with pytest.raises(SettingsError, match=name):
            read({"HARPOON_CATALOGUE_JSON": json.dumps(plain), name: value})
    plain["providers"] = [item for item in plain["providers"] if item["id"] != "native"]
    plain["offers"] = [item for item in plain["offers"] if item["provider"] != "native"]
    for name, value in (("NATIVE_ATTESTS", "gdpr"), ("NATIVE_REGIONS", "DE")):
        with pytest.raises(SettingsError, match=name):
            read({"HARPOON_CATALOGUE_JSON": json.dumps(plain), name: value})


def test_hosted_ai_may_be_silent_for_its_own_time() -> None:
    environment = {"HOSTED_AI_BASE_URL": "http://h", "GROQ_API_KEY": "k", "HOSTED_AI_TIMEOUT_S": "30"}
    access = read(environment).configuration.access
    assert (access["hosted-ai"].silence_timeout_us, access["groq"].silence_timeout_us) == (30_000_000, 0)
