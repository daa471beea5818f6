"""The configuration file: what it says holds, what is wrong is said with its line, and later sources win over it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config_file import MAX_DEPTH, MAX_FILE_BYTES, ConfigFile, parse_config
from gateway.config_keys import KEYS, PROVIDER_SECTIONS, SECTIONS, keys_of
from gateway.config_view import shown_settings
from gateway.settings import (
    ALL_SETTINGS,
    DEFAULTS,
    LATER_SETTINGS,
    HostSettings,
    gather_settings,
    read_settings,
)
from worker.errors import SettingsError
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.upstream.providers import setting_prefix

ROOT = Path(__file__).parents[2]
#: Every section and key; the pool and the key are made up.
WHOLE_FILE = """\
models:
  gemma:
    repo: google/gemma-270m
    context_limit: 4096
    temperature: 0.7
    top_p: 0.9
    max_new_tokens: 256
  qwen:
    repo: Qwen/Qwen-30B
    context_limit: 8192
    temperature: 0.8
    top_p: 0.95
    max_new_tokens: 1024
    enable_thinking: true
harpoon:
  hygiene_threshold: 0.7
  max_iterations: 10
  thread_count: null
hosted_ai:
  base_url: https://pods.example/v1
  api_key: hush-hosted
  pool: my-pool
  overcommit: 4.0
  timeout_secs: 30
  max_retries: 3
service:
  port: 9090
  log_level: info
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, environment: dict[str, str] | None = None, **flags: str) -> HostSettings:
    return read_settings(environment or {}, flags, write(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """The lines of the error, the path taken off."""
    path = write(folder, text)
    with pytest.raises(SettingsError) as raised:
        read_settings({}, {}, path)
    assert f"{path}" in raised.value.message
    return raised.value.message.replace(f"{path}:", "").splitlines()


def test_the_briefs_file_does_what_it_says(tmp_path: Path) -> None:
    settings = read(tmp_path, WHOLE_FILE)
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 9090, "info")
    configuration = settings.configuration
    assert configuration.configured == {"hosted-ai"}
    access = configuration.access["hosted-ai"]
    assert str(access.chat_url) == "https://pods.example/v1/chat/completions"
    assert access.headers["authorization"] == "Bearer hush-hosted"
    assert access.silence_timeout_us == 30_000_000
    catalogue = configuration.catalogue
    pools = {(route.pool, route.us_per_token) for route in catalogue.routes if route.provider == "hosted-ai"}
    assert pools == {("my-pool", 9_600), ("my-pool", 11_200)}  # planned as shared-4x
    # The file's labels are the built-in ones.
    assert catalogue.source.labels == DEFAULT_CATALOGUE.labels
    for name in ("gemma", "google/gemma-270m", "Qwen", "Qwen/Qwen-30B"):
        assert catalogue.by_name[catalogue.name_of(name)]
    assert settings.values["HARPOON_THREAD_COUNT"] == ""


def test_what_the_brief_says_and_nothing_reads_yet_is_named(tmp_path: Path) -> None:
    gathered = gather_settings({"MCP_WS_PORT": "3002"}, {}, write(tmp_path, WHOLE_FILE))
    unused = {row.name: row.later for row in shown_settings(gathered) if row.is_set and row.later}
    assert set(unused) == {
        "HARPOON_HYGIENE_THRESHOLD",
        "HARPOON_MAX_ITERATIONS",
        "HOSTED_AI_MAX_RETRIES",
        "MCP_WS_PORT",
    }
    assert unused["HARPOON_MAX_ITERATIONS"] == "read by fusion, when it lands"
    assert unused["MCP_WS_PORT"] == "read by a later part of Harpoon"


def test_every_key_writes_a_setting_of_its_own() -> None:
    assert len(set(KEYS.values())) == len(KEYS)
    assert set(KEYS.values()) <= set(DEFAULTS)
    assert {section.split(".")[0] for section in SECTIONS} == {
        "models",
        "harpoon",
        "service",
        "settings",
        *PROVIDER_SECTIONS,
    }
    real = {provider.id for provider in DEFAULT_CATALOGUE.providers if not provider.simulated}
    assert {setting_prefix(provider) for provider in real} == set(PROVIDER_SECTIONS.values())
    for provider in PROVIDER_SECTIONS:
        assert {"base_url", "api_key"} <= set(keys_of(provider))
    assert keys_of("models") == ["gemma", "qwen"]
    assert keys_of("service") == ["host", "log_level", "port"]
    assert {"models", "settings"} <= set(keys_of(""))


def test_the_example_of_the_documentation_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (example,) = [block for block in blocks if "orchestrator/config.yaml" in block]
    settings = read(tmp_path, example)
    assert settings.configuration.configured == {"hosted-ai", "native", "groq", "openai", "openrouter", "workers-ai"}
    gathered = gather_settings({}, {}, write(tmp_path, example))
    written = {row.key for row in shown_settings(gathered) if row.kind == "file"}
    # It shows every key of the file, but for the one that is empty in it.
    assert {key for key in written if not key.startswith("settings.")} == set(KEYS) - {"harpoon.thread_count"}
    for block in blocks:
        read(tmp_path, block)


def test_names_stand_at_the_top_or_under_settings(tmp_path: Path) -> None:
    for text in ("SERVICE_PORT: 9000\n", "settings:\n  SERVICE_PORT: 9000\n", '"SERVICE_PORT": "9000"\n'):
        assert read(tmp_path, text).port == 9000
    for text in ("", "# nothing\n", "---\n", "settings:\n", "service:\nmodels:\n  gemma:\n", "null\n", "\ufeff# bom\n"):
        assert read(tmp_path, text).port == 8080


def test_a_value_is_the_text_that_was_written(tmp_path: Path) -> None:
    """YAML would make other things of them: an octal number, a sexagesimal one, a truth, a day."""
    text = (
        "# what this house needs\n"
        "HARPOON_BUDGET_USD: 0.25\n"
        "HARPOON_TOKENS: hk_acme_1, hk_b_2\n"
        "HARPOON_SIMULATOR: on\n"
        "HARPOON_STATE: 2026-01-01\n"
        "SERVICE_HOST: 0.0.0.0\n"
        "SERVICE_PORT: 0700\n"
    )
    settings = read(tmp_path, text)
    assert settings.configuration.default_cap == 250_000
    assert settings.configuration.tokens == ("hk_acme_1", "hk_b_2")
    assert settings.configuration.configured == {"simulator"}
    assert (settings.host, settings.port, settings.state) == ("0.0.0.0", 700, Path("2026-01-01"))


MALFORMED: list[tuple[str, list[str]]] = [
    ("SERVICE_PROT: 8080", ["1:1: SERVICE_PROT: there is no such key here: did you mean SERVICE_PORT?"]),
    ("service_port: 8080", ["1:1: service_port: there is no such key here: did you mean SERVICE_PORT?"]),
    ("servce:\n  port: 1", ["1:1: servce: there is no such key here: did you mean service?"]),
    ("service:\n  prot: 1", ["2:3: service.prot: there is no such key here: did you mean port?"]),
    ("service:\n  colour: red", ["2:3: service.colour: there is no such key here; there are host, log_level, port"]),
    ("service:\n  SERVICE_PORT: 1", ["2:3: service.SERVICE_PORT: there is no such key here"]),
    ("models:\n  mistral:\n    repo: x", ["2:3: models.mistral: there is no such key here; there are gemma, qwen"]),
    (
        "zzz: 1",
        ["1:1: zzz: there is no such key here; there are " + ", ".join(keys_of(""))],
    ),
    ("8080: SERVICE_PORT", ["1:1: 8080: there is no such key here"]),
    ("HARPOON_CONFIG: x.yaml", ["1:1: HARPOON_CONFIG: there is no such key here"]),
    ("- SERVICE_PORT", ["1:1: expected `section:` or NAME: value lines"]),
    ("just words", ["1:1: expected `section:` or NAME: value lines"]),
    ("[a]: 1", ["1:1: a key must be a word"]),
    ("a: b: c", ["1:5: not YAML: mapping values are not allowed here"]),
    ("SERVICE_PORT: 1\n\tx: 2", ["2:1: not YAML: a tab can't indent"]),
    ("service:\n  port: 1\n\thost: x", ["3:1: not YAML: a tab can't indent"]),
    ("service: {port: 1", ["1:18: not YAML: expected ',' or '}'"]),
    ("x: 'open", ["1:9: not YAML: found unexpected end of stream"]),
    ("x: \x00", ["1:4: not YAML: a character that no text file has"]),
    ("\nx: \x1b", ["2:4: not YAML: a character that no text file has"]),
    ("service: 8080", ["1:10: service: must be a section, with host, log_level, port in lines of their own"]),
    ("service: [port]", ["1:10: service: must be a section"]),
    ("settings: x", ["1:11: settings: must be a section, with NAME: value lines"]),
    ("HARPOON_TOKENS: [hk_a_b]", ["1:17: HARPOON_TOKENS: must be a text or a number, not a list"]),
    ("service:\n  port: {a: 1}", ["2:9: service.port: must be a text or a number, not a section"]),
    ("SERVICE_PORT:", ["1:1: SERVICE_PORT: has no value: give one, or take the line out"]),
    ("service:\n  port: null", ["2:3: service.port: has no value"]),
    ("service:\n  port: ~", ["2:3: service.port: has no value"]),
    ("SERVICE_PORT: 1\nSERVICE_PORT: 2", ["2:1: SERVICE_PORT: is there twice, first in line 1"]),
    ("service:\n  port: 1\nservice:\n  port: 2", ["3:1: service: is there twice, first in line 1"]),
    ("service:\n  port: 1\nSERVICE_PORT: 2", ["3:1: SERVICE_PORT: sets SERVICE_PORT, which service.port in line 2"]),
    ("SERVICE_HOST: !!python/object/apply:os.getcwd []", ["1:15: tags (!name) are not read"]),
    ("SERVICE_PORT: !!int 1", ["1:15: tags (!name) are not read"]),
    ("GROQ_API_KEY: !hu!sh", ["1:15: not YAML: a tag (!name!) that nobody defines"]),
    ("SERVICE_HOST: &a x", ["1:15: anchors (&name) and aliases (*name) are not read"]),
    ("a: &a [x]\nb: *a", ["1:4: anchors", "2:4: anchors"]),
    ("service: &s\n  port: 1", ["1:10: anchors"]),
    ("service:\n  <<: {port: 1}", ["2:3: service.<<: there is no such key here"]),
    ("SERVICE_PORT: 1\n---\nSERVICE_PORT: 2", ["2:1: a configuration has at most one document"]),
    (
        "a: " + "[" * (MAX_DEPTH + 1),
        [f"1:{MAX_DEPTH + 3}: a configuration has at most one document, {MAX_DEPTH} levels"],
    ),
    ("a: [" + "x," * 20_000 + "]", ["a configuration has at most"]),
    ("hosted_ai:\n  api_key: ${KEY}", ["2:12: hosted_ai.api_key: ${KEY} is not filled in here: set HOSTED_AI_API_KEY"]),
    ("HARPOON_TOKENS: hk_a_${X}", ["1:17: HARPOON_TOKENS: ${X} is not filled in here"]),
    ('HARPOON_STATE: "\\ud83d"', ["1:16: HARPOON_STATE: half of a surrogate pair is no character"]),
    ("GROQ_API_KEY: $GROQ_KEY", ["1:15: GROQ_API_KEY: ${GROQ_KEY} is not filled in here"]),
    # Values: each with the place where it stands.
    ("service:\n  port: 80800", ["2:9: service.port: must be a whole number from 0 to 65535"]),
    ("service:\n  log_level: loud", ["2:14: service.log_level: must be one of debug, info, warning, error"]),
    ("service:\n  host: 0.0.0.0", ["2:9: service.host: listening on 0.0.0.0 without a token"]),
    ("models:\n  gemma:\n    temperature: 3", ["3:18: models.gemma.temperature: must be a number from 0 to 2"]),
    ("models:\n  qwen:\n    top_p: 7e-1", ["3:12: models.qwen.top_p: must be a number from 0 to 1"]),
    ("models:\n  qwen:\n    enable_thinking: yes", ["3:22: models.qwen.enable_thinking: must be one of true, false"]),
    ("models:\n  qwen:\n    context_limit: 8k", ["3:20: models.qwen.context_limit: must be a whole number"]),
    (
        "models:\n  qwen:\n    max_new_tokens: 8193",
        ["3:21: models.qwen.max_new_tokens: is more than the context limit"],
    ),
    ("models:\n  qwen:\n    repo: gpt-4o", ["3:11: models.qwen.repo: 'gpt-4o' is the name of something else"]),
    ("harpoon:\n  hygiene_threshold: 7", ["2:22: harpoon.hygiene_threshold: must be a number from 0 to 1"]),
    ("harpoon:\n  max_iterations: 0", ["2:19: harpoon.max_iterations: must be a whole number from 1"]),
    ("harpoon:\n  thread_count: auto", ["2:17: harpoon.thread_count: must be a whole number from 1 to 1024"]),
    ("hosted_ai:\n  pool: nope", ["2:9: hosted_ai.pool: must be a pool of the catalogue: private-1x (1)"]),
    ("hosted_ai:\n  overcommit: x3", ["2:15: hosted_ai.overcommit: must be true, false, or a whole number"]),
    ("hosted_ai:\n  base_url: pod", ["2:13: hosted_ai.base_url: a provider's base URL must begin with https://"]),
    ("hosted_ai:\n  timeout_secs: 30s", ["2:17: hosted_ai.timeout_secs: must be a whole number from 1 to 3600"]),
    ("hosted_ai:\n  max_retries: 9", ["2:16: hosted_ai.max_retries: must be a whole number from 0 to 5"]),
    ("native:\n  attests: safe", ["2:12: native.attests: must be some of"]),
    ("native:\n  regions: Mars", ["2:12: native.regions: must be ISO 3166-1 codes"]),
    ("DEPLOYMENT_MODE: cloud", ["1:18: DEPLOYMENT_MODE: must be one of native"]),
    ("HARPOON_BUDGET_USD: ten", ["1:21: HARPOON_BUDGET_USD: an amount is dollars"]),
    ("HARPOON_TOKENS: hush", ["1:17: HARPOON_TOKENS: token 1 is not of the form"]),
    ("HARPOON_CATALOGUE: nowhere.json", ["1:20: HARPOON_CATALOGUE: nowhere.json can't be read"]),
    ("HARPOON_CATALOGUE_JSON: '{}'", ["1:25: HARPOON_CATALOGUE_JSON: the catalogue can't be used"]),
]


@pytest.mark.parametrize(("text", "expected"), MALFORMED, ids=[str(at) for at in range(len(MALFORMED))])
def test_whatever_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, text)
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert words in line


@pytest.mark.parametrize(
    "value", ["!hush", "!hu!hush", "&hush x", "*hush", "x${hush}", "[hush]", "hush: hush", "@hush"]
)
def test_no_error_repeats_what_may_be_a_secret(tmp_path: Path, value: str) -> None:
    assert "hu" not in "".join(problems(tmp_path, f"GROQ_API_KEY: {value}"))


def test_an_empty_text_counts_as_not_set(tmp_path: Path) -> None:
    settings = read(tmp_path, 'SERVICE_PORT: ""\nnative: {base_url: ""}\n')
    assert (settings.port, settings.configuration.configured) == (8080, {"simulator"})


def test_everything_wrong_is_said_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = "service:\n  port: x\n  prot: 1\nHARPOON_WORKERS: 0\nmodels:\n  gemma:\n    top_p: 2\n    context_limit: 0\n"
    found = problems(tmp_path, text)
    assert [line.split(":")[0] for line in found] == ["2", "3", "4", "7", "8"]


def test_the_file_is_not_blamed_for_what_stands_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path, "service:\n  port: 1\n")
    with pytest.raises(SettingsError) as raised:
        read_settings({"SERVICE_PORT": "x"}, {}, path)
    assert raised.value.message == "SERVICE_PORT must be a whole number from 0 to 65535"


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.yaml", tmp_path / "large.yaml"
    binary.write_bytes(b"a: 1\nb: \xff\xfe")
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    for path in (tmp_path / "missing.yaml", tmp_path, binary, large):
        with pytest.raises(SettingsError, match="can't be read"):
            read_settings({}, {}, path)
    with pytest.raises(SettingsError, match=r"binary\.yaml:2: .*UTF-8"):
        read_settings({}, {}, binary)
    large.write_bytes(b"#" * MAX_FILE_BYTES)
    assert read_settings({}, {}, large).port == 8080


def parsed(text: str) -> ConfigFile:
    return parse_config(Path("c.yaml"), text, DEFAULTS)


@given(st.text(alphabet="ab:{}[]&*!|>-'\"# \t\n\r$%@`,?\x00\u0085\ufeff\U0001f600", max_size=60))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    found = parsed(text)
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in found.problems)
    assert found.problems or not found.written


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS.keys())), st.text(min_size=1, max_size=20), max_size=6))
def test_whatever_is_written_quoted_is_read_back(values: dict[str, str]) -> None:
    """JSON is YAML, so a program can write the file."""
    found = parsed(json.dumps({"settings": values}))
    texts = {name: written.text for name, written in found.written.items()}
    refused = {problem.key.removeprefix("settings.") for problem in found.problems}
    assert {**texts, **{name: values[name] for name in refused}} == values
    # JSON's escapes for what lies beyond 16 bits are two halves to YAML.
    assert all("$" in values[name] or max(values[name]) > "\uffff" for name in refused)


def test_what_nothing_reads_yet_is_checked_all_the_same() -> None:
    assert all(setting.later for setting in LATER_SETTINGS)
    assert {setting.name for setting in ALL_SETTINGS if setting.later} == {setting.name for setting in LATER_SETTINGS}
