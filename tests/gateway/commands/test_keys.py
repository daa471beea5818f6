"""`harpoon tenants` and `harpoon keys`: over a state folder without a server, beside one, and over the admin API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.commands.command_kit import invoke, told
from tests.serving import serving

ADMIN = "hk_admin_" + "0123456789" * 3
UNSET = {"HARPOON_ADMIN_TOKEN": ""}
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}


class Local:
    """The commands with --local over one state folder."""

    def __init__(self, state: Path) -> None:
        self.settings = {"HARPOON_STATE": str(state), "HARPOON_CONFIG": "", "HOME": str(state.parent)}

    def json(self, *arguments: str) -> Any:
        result = invoke(*arguments, "--local", "--json", **self.settings)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def text(self, *arguments: str) -> str:
        result = invoke(*arguments, "--local", **self.settings)
        assert result.exit_code == 0, result.output
        return result.stdout

    def fails(self, *arguments: str) -> Any:
        return invoke(*arguments, "--local", **self.settings)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path / "state")


def test_a_tenant_and_its_key_without_any_server(local: Local) -> None:
    assert local.text("tenants", "list").startswith("no tenants yet")
    made = local.json("tenants", "create", "acme", "--limit", "requests_per_minute=600", "--limit", "usd_per_day=5")
    assert (made["limits"]["requests_per_minute"], made["limits"]["usd_per_day"]) == (600, "5")
    assert local.text("keys", "list", "acme").startswith("no keys yet")
    key = local.json(
        "keys", "create", "acme", "ci", "--expires", "90d", "--provider", "groq", "--model", "qwen3-30b-a3b"
    )
    assert key["expires_us"] - key["created_us"] == 90 * 86_400 * 10**6
    assert (key["providers"], key["models"]) == (["groq"], ["qwen3-30b-a3b"])
    listed = local.text("keys", "list", "acme")
    assert key["key_id"] in listed
    assert key["token"] not in listed
    changed = local.json("keys", "limits", "acme", key["key_id"], "--limit", "usd_total=1", "--provider", "any")
    assert (changed["limits"]["usd_total"], changed["providers"], changed["models"]) == ("1", None, ["qwen3-30b-a3b"])
    lifted = local.json("tenants", "limits", "acme", "--limit", "usd_per_day=none")
    assert (lifted["limits"]["usd_per_day"], lifted["limits"]["requests_per_minute"]) == (None, 600)
    rotated = local.json("keys", "rotate", "acme", key["key_id"], "--overlap", "1h")
    assert rotated["token"] != key["token"]
    assert rotated["old_token_until_us"] - rotated["rotated_us"] == 3_600 * 10**6
    assert local.json("keys", "revoke", "acme", key["key_id"])["status"] == "revoked"
    assert local.json("keys", "usage", "acme", key["key_id"])["total"]["requests"] == 0
    assert local.json("tenants", "show", "acme")["spent_usd"] == "0"
    assert [one["tenant"] for one in local.json("tenants", "list")] == ["acme"]


def test_tables_for_people(local: Local) -> None:
    shown = local.text("tenants", "create", "acme", "--limit", "concurrent_requests=4")
    assert "concurrent_requests=4" in shown
    made = invoke("keys", "create", "acme", "ci", "--local", **local.settings)
    assert "hk_acme_key_" in made.stdout
    assert "only its hash is kept" in made.stderr
    assert "together" in local.text("tenants", "usage", "acme", "--days", "3")


def test_a_key_made_beside_a_running_server_holds_at_once(tmp_path: Path) -> None:
    local = Local(tmp_path / "state")
    with serving(tmp_path / "state", HARPOON_ADMIN_TOKEN=ADMIN) as server:
        local.json("tenants", "create", "acme")
        key = local.json("keys", "create", "acme", "ci", "--limit", "requests_per_minute=2")
        headers = {"authorization": f"Bearer {key['token']}"}

        def ask() -> int:
            url = f"{server.base}/v1/chat/completions"
            return httpx.post(url, json=QUESTION, headers=headers, trust_env=False).status_code

        assert [ask(), ask(), ask()] == [200, 200, 429]
        local.json("keys", "limits", "acme", key["key_id"], "--limit", "requests_per_minute=none")
        assert ask() == 200
        local.json("keys", "revoke", "acme", key["key_id"])
        assert ask() == 401
        remote = {"HARPOON_URL": server.base, "HARPOON_ADMIN_TOKEN": ADMIN}
        used = invoke("keys", "usage", "acme", key["key_id"], "--json", **remote)
        assert json.loads(used.stdout)["total"] | {"cost_usd": ""} == {
            "requests": 3,
            "refused": 1,
            "input_tokens": 27,
            "output_tokens": 63,
            "cost_usd": "",
        }
        (listed,) = json.loads(invoke("keys", "list", "acme", "--json", **remote).stdout)
        assert listed == json.loads(json.dumps(local.json("keys", "list", "acme")))[0]
        told(invoke("tenants", "create", "acme", **remote), 1, "there is a tenant of this name already")
        wrong = {**remote, "HARPOON_ADMIN_TOKEN": ADMIN + "x"}
        told(invoke("tenants", "list", **wrong), 2, "administrator's token")
        assert key["token"] not in server.log
    assert "stored keys only" in server.log


def test_whom_to_ask_must_be_said() -> None:
    told(invoke("tenants", "list", **UNSET), 2, "--admin-token", "--local")
    told(invoke("keys", "list", "acme", "--admin-token", ADMIN, "--url", "http://127.0.0.1:9"), 2, "--local")


@pytest.mark.parametrize("end", ["\n", "\r", "ß", "\x00"])
def test_a_token_that_no_header_carries_is_refused_unshown(end: str) -> None:
    refused = invoke("tenants", "list", "--admin-token", ADMIN + end, "--url", "http://127.0.0.1:9")
    told(refused, 2, "no header can carry")
    assert ADMIN not in refused.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "create", "nobody", "ci"), "no tenant has this name"),
        (("keys", "create", "acme", "ci", "--expires", "soon"), "90d, 24h"),
        (("keys", "create", "acme", "ci", "--limit", "requests_per_minute"), "not name=value"),
        (("keys", "create", "acme", "ci", "--limit", "requests=5"), "there is no such limit"),
        (("keys", "create", "acme", "ci", "--provider", "nobody"), "what the catalogue has"),
        (("keys", "revoke", "acme", "key_0"), "no key of this tenant"),
        (("tenants", "create", "Acme"), "a-z, 0-9 and -"),
        (("tenants", "show", "nobody"), "no tenant has this name"),
    ],
)
def test_what_is_said_wrongly_is_told_in_a_sentence(local: Local, arguments: tuple[str, ...], words: str) -> None:
    local.json("tenants", "create", "acme")
    told(local.fails(*arguments), 2, words)
