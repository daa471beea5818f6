"""`harpoon config`: what an operator sees of the settings, before anything is started."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.command_group import cli
from gateway.commands.config import config_cli
from gateway.settings import ALL_SETTINGS

GOOD = """\
hosted_ai:
  base_url: https://pods.example/v1
  api_key: hush-hosted
  pool: shared-4x
harpoon:
  hygiene_threshold: 0.8
service:
  port: 9000
"""
OURS = [*(setting.name for setting in ALL_SETTINGS), "HARPOON_URL", "HARPOON_TOKEN"]


def invoke(home: Path, *arguments: str, **settings: str) -> Result:
    """The command in this process, with nothing set but what is said."""
    environment: dict[str, Any] = {**dict.fromkeys(OURS), "HOME": str(home), "COLUMNS": "200", **settings}
    return CliRunner().invoke(cli, ["config", *arguments], env=environment)


def write(folder: Path, text: str, name: str = "harpoon.yaml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_the_group_is_exported_by_its_name() -> None:
    assert {command.callback.__name__ for command in config_cli.registered_commands if command.callback} == {
        "check",
        "show",
        "path",
    }


def test_without_any_setting_all_is_well(tmp_path: Path) -> None:
    result = invoke(tmp_path, "check")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("ok: no configuration file, 0 of the environment\n")
    assert "simulator" in result.stdout


def test_the_file_in_the_home_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, ".orchestrator/config.yaml")
    assert invoke(tmp_path, "path").stdout == f"{path}\n"
    result = invoke(tmp_path, "check", GROQ_API_KEY="hush-groq")
    assert result.exit_code == 0, result.output
    assert f"ok: 5 settings of {path}, 1 of the environment" in result.stdout
    assert "providers  groq, hosted-ai" in result.stdout
    assert f"harpoon.hygiene_threshold ({path}:6): read by fusion, when it lands" in result.stdout
    assert "hush" not in result.output


def test_a_file_that_is_named_is_read_instead(tmp_path: Path) -> None:
    write(tmp_path, "SERVICE_PORT: x", ".orchestrator/config.yaml")
    good = write(tmp_path, GOOD)
    assert invoke(tmp_path, "check").exit_code == 2
    assert invoke(tmp_path, "check", "--config", good).exit_code == 0
    assert invoke(tmp_path, "check", HARPOON_CONFIG=good).exit_code == 0
    assert invoke(tmp_path, "path", HARPOON_CONFIG=good).stdout == f"{good}\n"
    assert invoke(tmp_path / "nobody", "path").stdout == f"{tmp_path / 'nobody' / '.orchestrator' / 'config.yaml'}\n"


def test_everything_wrong_is_printed(tmp_path: Path) -> None:
    path = write(tmp_path, "service:\n  prot: 1\n  port: x\nmodels:\n  qwen:\n    top_p: 3\n")
    result = invoke(tmp_path, "check", "--config", path, HARPOON_WORKERS="0", HARPOON_BUDGET="5")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert lines[0] == "harpoon: 4 things are wrong"
    assert lines[1:] == [
        "  HARPOON_WORKERS must be a whole number from 1 to 64",
        f"  {path}:2:3: service.prot: there is no such key here: did you mean port?",
        f"  {path}:3:9: service.port: must be a whole number from 0 to 65535",
        f"  {path}:6:12: models.qwen.top_p: must be a number from 0 to 1, such as 0.7",
        "  environment: HARPOON_BUDGET is no setting: did you mean HARPOON_BUDGET_USD?",
    ]


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_file_that_is_not_there_is_said(tmp_path: Path, command: str) -> None:
    result = invoke(tmp_path, command, "--config", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "none.yaml can't be read" in result.stderr
    assert "Traceback" not in result.output


def test_show_tells_where_each_value_came_from(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    result = invoke(tmp_path, "show", "--config", path, SERVICE_PORT="9001", OPENAI_API_KEY="hush-openai")
    assert result.exit_code == 0
    rows = {line.split()[0]: re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines()[1:]}
    assert [setting.name for setting in ALL_SETTINGS] == list(rows)
    assert rows["SERVICE_PORT"][1:] == ["9001", "environment"]
    assert rows["SERVICE_HOST"][1:] == ["127.0.0.1", "default"]
    assert rows["HOSTED_AI_POOL_ID"][1:] == ["shared-4x", f"{path}:4"]
    assert rows["HOSTED_AI_API_KEY"][1:] == ["********", f"{path}:3"]
    assert rows["GROQ_API_KEY"][1:] == ["-", "default"]
    assert rows["HARPOON_HYGIENE_THRESHOLD"][1:] == ["0.8", f"{path}:6", "read by fusion, when it lands"]
    assert "hush" not in result.output
    changed = invoke(tmp_path, "show", "--changed", "--config", path).stdout.splitlines()[1:]
    assert [line.split()[0] for line in changed] == [
        "SERVICE_PORT",
        "HOSTED_AI_BASE_URL",
        "HOSTED_AI_API_KEY",
        "HOSTED_AI_POOL_ID",
        "HARPOON_HYGIENE_THRESHOLD",
    ]


def test_show_as_json_is_complete_even_if_something_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "  log_level: loud\n")
    result = invoke(tmp_path, "show", "--json", "--config", path)
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["config"] == path
    assert shown["problems"] == [f"{path}:9:14: service.log_level: must be one of debug, info, warning, error"]
    assert [row["name"] for row in shown["settings"]] == [setting.name for setting in ALL_SETTINGS]
    assert "hush" not in result.output


def test_serve_reads_the_file_in_the_home(tmp_path: Path) -> None:
    path = write(tmp_path, "service:\n  port: eighty\n", ".orchestrator/config.yaml")
    environment: dict[str, Any] = {**dict.fromkeys(OURS), "HOME": str(tmp_path)}
    result = CliRunner().invoke(cli, ["serve"], env=environment)
    assert result.exit_code == 2
    assert f"{path}:2:9: service.port: must be a whole number" in result.stderr


def test_what_is_changed_may_be_nothing(tmp_path: Path) -> None:
    assert "every setting is at its default" in invoke(tmp_path, "show", "--changed").stdout


def test_routes_are_checked_with_what_their_destinations_need(tmp_path: Path) -> None:
    routes = write(
        tmp_path,
        "version: 1\ndestinations:\n  billing: {type: webhook, url: 'https://example.com/', secret_env: HOOK_SECRET}\n"
        "rules:\n  - {name: all, to: [billing]}\n",
        "routes.yaml",
    )
    good = "whsec_" + "a" * 32
    assert invoke(tmp_path, "check", SCR_ROUTES=routes, HOOK_SECRET=good).exit_code == 0
    missing = invoke(tmp_path, "check", SCR_ROUTES=routes)
    assert missing.exit_code == 2
    assert "HOOK_SECRET" in missing.output
    wrong = invoke(tmp_path, "check", SCR_ROUTES=routes, HOOK_SECRET="hush")
    assert wrong.exit_code == 2
    assert "hush" not in wrong.output
    write(tmp_path, "version: 1\ndestinations: {}\nrules:\n  - {name: all, to: [billing]}\n", "routes.yaml")
    broken = invoke(tmp_path, "check", SCR_ROUTES=routes)
    assert broken.exit_code == 2
    assert "routes.yaml:4:22: " in broken.output
