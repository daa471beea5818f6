"""Settings of hosted.ai's dialects: what they mean, and that every wrong one is refused by its name."""

from __future__ import annotations

import pytest

from gateway.hostedai.settings import LEASED_HOST
from gateway.settings import HostSettings, read_settings
from worker.errors import SettingsError

LEASED = {
    "HOSTED_AI_DIALECT": "gpuaas",
    "HOSTED_AI_PANEL_URL": "https://panel.example",
    "HOSTED_AI_PANEL_KEY": "hush-panel",
    "HOSTED_AI_TEAM_ID": "7f1d3c52",
}
ADMIN = {"HOSTED_AI_ADMIN_URL": "https://admin.example", "HOSTED_AI_ADMIN_USER": "me"}


def read(**settings: str) -> HostSettings:
    return read_settings(settings, {}, None)


def test_direct_is_the_default_and_leases_nothing() -> None:
    settings = read(HOSTED_AI_BASE_URL="http://pod:8000")
    assert settings.leases is None
    assert str(settings.configuration.access["hosted-ai"].chat_url) == "http://pod:8000/v1/chat/completions"


def test_gpuaas_leases_every_pool_of_the_catalogue() -> None:
    settings = read(**LEASED)
    assert settings.leases is not None
    assert settings.leases.panel.base == "https://panel.example/api"
    assert set(settings.leases.classes) == {"private-1x", "shared-4x", "shared-8x"}
    access = settings.configuration.access["hosted-ai"]
    assert access.chat_url.host == LEASED_HOST
    assert settings.configuration.configured == {"hosted-ai"}


def test_the_simulator_needs_nothing_more() -> None:
    settings = read(HOSTED_AI_DIALECT="simulator")
    assert settings.leases is not None
    assert settings.leases.panel.url == "http://127.0.0.1:8090"
    assert settings.leases.team


def test_one_pool_by_its_number_is_planned_like_the_one_that_is_shared_as_much() -> None:
    settings = read(**LEASED, HOSTED_AI_POOL_ID="42", HOSTED_AI_OVERCOMMIT="4")
    assert settings.leases is not None
    assert settings.leases.classes == {"42": "shared-4x"}
    assert settings.leases.desk.pool_ids == {42}
    assert settings.leases.desk.sharing_ratio == 4
    assert {route.pool for route in settings.configuration.catalogue.routes if route.provider == "hosted-ai"} == {"42"}


def test_a_pool_of_the_catalogue_is_the_only_one_leased() -> None:
    settings = read(**LEASED, HOSTED_AI_POOL_ID="shared-4x")
    assert settings.leases is not None
    assert settings.leases.classes == {"shared-4x": "shared-4x"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"HOSTED_AI_DIALECT": "openstack"}, "HOSTED_AI_DIALECT must be one of direct, gpuaas, simulator"),
        ({"HOSTED_AI_PANEL_URL": ""}, "HOSTED_AI_PANEL_URL is needed with HOSTED_AI_DIALECT=gpuaas"),
        ({"HOSTED_AI_PANEL_URL": "panel.example"}, "HOSTED_AI_PANEL_URL must begin with https://"),
        ({"HOSTED_AI_PANEL_URL": "https://me:hush@panel.example"}, "HOSTED_AI_PANEL_URL must begin with https://"),
        ({"HOSTED_AI_PANEL_KEY": ""}, "HOSTED_AI_PANEL_KEY is needed"),
        ({"HOSTED_AI_PANEL_KEY": "hush panel"}, "HOSTED_AI_PANEL_KEY must be visible ASCII"),
        ({"HOSTED_AI_PANEL_AUTH": "basic"}, "HOSTED_AI_PANEL_AUTH must be one of api-key, bearer"),
        ({"HOSTED_AI_TEAM_ID": ""}, "HOSTED_AI_TEAM_ID is needed"),
        ({"HOSTED_AI_BASE_URL": "http://pod"}, "HOSTED_AI_BASE_URL is for HOSTED_AI_DIALECT=direct"),
        ({"HOSTED_AI_VIA": "gateway:custom-x/v1"}, "HOSTED_AI_VIA is for HOSTED_AI_DIALECT=direct"),
        ({"HOSTED_AI_POOL_ID": "mine"}, "HOSTED_AI_POOL_ID must be the number of a pool"),
        ({"HOSTED_AI_POOL_ID": "42"}, "HOSTED_AI_OVERCOMMIT is needed with the number of a pool"),
        ({"HOSTED_AI_POOL_ID": "42", "HOSTED_AI_OVERCOMMIT": "11"}, "HOSTED_AI_OVERCOMMIT must be"),
        ({"HOSTED_AI_POD_PORT": "0"}, "HOSTED_AI_POD_PORT must be"),
        ({"HOSTED_AI_POD_MEMORY_MB": "95000"}, "HOSTED_AI_POD_MEMORY_MB is more than HOSTED_AI_GPU_MEMORY_MB"),
        ({"HOSTED_AI_LEASE_BUDGET_USD": "lots"}, "HOSTED_AI_LEASE_BUDGET_USD: an amount is"),
        ({"HOSTED_AI_LEASE_IDLE_S": "0"}, "HOSTED_AI_LEASE_IDLE_S must be"),
        ({"HOSTED_AI_LEASE_WAIT_S": "301"}, "HOSTED_AI_LEASE_WAIT_S must be"),
        (ADMIN, "HOSTED_AI_ADMIN_PASSWORD is needed with the other settings"),
    ],
)
def test_every_wrong_setting_is_said_by_its_name(changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{**LEASED, **changes})
    assert words in caught.value.message
    assert "hush" not in caught.value.message


def test_no_secret_is_in_a_repr() -> None:
    settings = read(**LEASED, **ADMIN, HOSTED_AI_ADMIN_PASSWORD="hush-admin")
    assert settings.leases is not None
    assert settings.leases.admin is not None
    assert "hush" not in repr(settings)
    assert {"hush-panel", "hush-admin"} <= set(settings.secrets)


def test_what_was_read_can_be_read_again() -> None:
    settings = read(**LEASED)
    again = read_settings(dict(settings.values), {}, None)
    assert again.leases == settings.leases
