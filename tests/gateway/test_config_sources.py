"""Where settings come from: which source wins, where the file is, and what is shown of it all."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config_keys import KEYS
from gateway.config_view import MASK, shown_settings, strange_variables, to_json
from gateway.settings import ALL_SETTINGS, DEFAULTS, check_settings, find_config, gather_settings, read_settings
from tests.gateway.test_config_file import WHOLE_FILE, read, write

#: A setting of each kind, with a value for each source; every subset of the sources is tried.
ORDER = ("file", "environment", "flag")
EXAMPLES = {
    "SERVICE_PORT": ("1", "2", "3"),
    "SERVICE_HOST": ("::1", "localhost", "127.0.0.1"),
    "HARPOON_WORKERS": ("2", "3", "4"),
    "HARPOON_QWEN_TEMPERATURE": ("0.1", "0.2", "0.3"),
    "HOSTED_AI_BASE_URL": ("http://a", "http://b", "http://c"),
    "HOSTED_AI_API_KEY": ("a", "b", "c"),
    "HARPOON_MAX_ITERATIONS": ("1", "2", "3"),
    "DEPLOYMENT_MODE": ("native", "hosted_ai", "lightweight"),
}
SUBSETS = [set(some) for size in range(4) for some in itertools.combinations(ORDER, size)]


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("given_by", SUBSETS, ids=["+".join(sorted(some)) or "nothing" for some in SUBSETS])
@pytest.mark.parametrize("short", [False, True])
def test_later_sources_win(tmp_path: Path, name: str, given_by: set[str], short: bool) -> None:
    values = dict(zip(ORDER, EXAMPLES[name], strict=True))
    key = next((key for key, setting in KEYS.items() if setting == name), name) if short else name
    lines = [f"{'  ' * depth}{word}:" for depth, word in enumerate(key.split("."))]
    text = "\n".join(lines) + f" '{values['file']}'\n" if "file" in given_by else ""
    environment = {name: values["environment"]} if "environment" in given_by else {name: ""}
    flags = {name: values["flag"]} if "flag" in given_by else {name: ""}
    gathered = gather_settings(environment, flags, write(tmp_path, text))
    winner = next((source for source in reversed(ORDER) if source in given_by), "default")
    assert gathered.values[name] == values.get(winner, DEFAULTS[name])
    assert gathered.sources[name].kind == winner
    settings, wrong = check_settings(gathered)
    assert wrong == ()
    assert settings is not None
    if winner == "file":
        assert gathered.sources[name].where == f"{tmp_path / 'config.yaml'}:{key.count('.') + 1}"


def test_where_the_file_is(tmp_path: Path) -> None:
    assert find_config({}, None, tmp_path) is None
    usual = tmp_path / ".orchestrator" / "config.yaml"
    usual.parent.mkdir()
    usual.write_text("SERVICE_PORT: 1\n")
    assert find_config({}, None, tmp_path) == usual
    assert find_config({"HARPOON_CONFIG": "/x.yaml"}, None, tmp_path) == Path("/x.yaml")
    assert find_config({"HARPOON_CONFIG": "~/x.yaml"}, None, tmp_path) == Path.home() / "x.yaml"
    assert find_config({"HARPOON_CONFIG": "/x.yaml"}, Path("y.yaml"), tmp_path) == Path("y.yaml")


def test_the_settings_that_are_passed_on_to_worker_processes_are_the_same(tmp_path: Path) -> None:
    """They get no file, only an environment with every value, the empty ones included."""
    first = read(tmp_path, WHOLE_FILE, {"GROQ_API_KEY": "k"}, SERVICE_PORT="7")
    again = read_settings(first.values, {}, None)
    assert again.values == first.values
    assert again.configuration == first.configuration
    assert (again.host, again.port, again.log_level) == (first.host, first.port, first.log_level)


SECRETS = {setting.name: f"hush-{at}" for at, setting in enumerate(ALL_SETTINGS) if setting.secret}
SECRETS["HARPOON_TOKENS"] = "hk_acme_hush"


def test_no_secret_is_shown(tmp_path: Path) -> None:
    environment = {
        **SECRETS,
        "GROQ_BASE_URL": "https://me:p@hush@groq.example/v1?api_key=hush&v=2",
        "SERVICE_PORT": "x",
    }
    path = write(tmp_path, "OPENAI_BASE_URL: http://hush@o.example\nHOSTED_AI_API_KEY: two hush words\n")
    gathered = gather_settings({k: v for k, v in environment.items() if k != "HOSTED_AI_API_KEY"}, {}, path)
    settings, wrong = check_settings(gathered)
    assert settings is None
    shown = f"{gathered!r} {shown_settings(gathered)} {to_json(gathered, wrong)} {wrong}"
    assert "hush" not in shown
    assert f"https://{MASK}@groq.example/v1?api_key={MASK}&v=2" in shown


def test_what_is_shown_can_be_loaded_again(tmp_path: Path) -> None:
    gathered = gather_settings(
        {**SECRETS, "HARPOON_BUDGET_USD": "5"}, {"SERVICE_PORT": "7"}, write(tmp_path, WHOLE_FILE)
    )
    shown: Any = json.loads(json.dumps(to_json(gathered, ())))
    rows = {row["name"]: row for row in shown["settings"]}
    assert list(rows) == [setting.name for setting in ALL_SETTINGS]
    assert {name for name, row in rows.items() if row["secret"]} == set(SECRETS)
    values = {
        name: row["value"]
        for name, row in rows.items()
        if row["value"] and not row["secret"] and name != "HARPOON_CONFIG"
    }
    other = tmp_path / "again.yaml"
    other.write_text(json.dumps({"settings": values}))
    again = gather_settings(SECRETS, {}, other)
    assert again.problems == ()
    # The file's key stands in the file; it is masked, and so it is the environment's that holds now.
    assert dict(again.values) == {**gathered.values, "HOSTED_AI_API_KEY": SECRETS["HOSTED_AI_API_KEY"]}
    assert rows["SERVICE_PORT"]["source"] == "flag"
    assert rows["HOSTED_AI_POOL_ID"] == {
        "name": "HOSTED_AI_POOL_ID",
        "value": "my-pool",
        "secret": False,
        "source": "file",
        "where": f"{tmp_path / 'config.yaml'}:22",
        "key": "hosted_ai.pool",
        "not_used_yet": "",
    }


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    environment = {"HARPOON_BUDGET": "5", "HARPOON_URL": "x", "HARPOON_PORT_X": "", "PATH": "/bin", "HARPOON_QQ": ""}
    first, *_ = notes = strange_variables(environment)
    assert first == "environment: HARPOON_BUDGET is no setting: did you mean HARPOON_BUDGET_USD?"
    assert not any("HARPOON_URL" in note or "PATH" in note for note in notes)
