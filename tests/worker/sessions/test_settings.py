"""What can be set about sessions: every wrong value is refused in words that say what to do, and show no secret."""

from __future__ import annotations

import pytest

from gateway.settings import read_settings
from worker.configuration import read_configuration
from worker.errors import SettingsError
from worker.sessions.settings import POWER, SessionsSettings

KEY = "scr_demo_key_123"


def sessions(**given: str) -> SessionsSettings:
    return read_configuration({"HARPOON_OPEN": "1", **given}).sessions


def test_without_any_setting_the_defaults_hold() -> None:
    assert sessions() == SessionsSettings()


def test_everything_can_be_set() -> None:
    found = sessions(
        HARPOON_SURFACES="sessions",
        SCR_API_KEY=KEY,
        SCR_TENANT="acme",
        SCR_PUBLIC_KEYS=f"{KEY}-1, {KEY}-2,",
        SCR_ALLOWED_ORIGINS="https://app.example.com,http://localhost:3000, http://[::1]:8080",
        SCR_SPOOL_MAX_EVENTS="5",
        SCR_DURABILITY="power",
        SCR_DESTINATIONS="billing,analytics,audit",
        SCR_RETENTION_DAYS="0",
        SCR_DASHBOARD_USER="ops",
        SCR_DASHBOARD_PASSWORD="a long password",
    )
    assert (found.is_alone, found.tenant, found.spool_max_events, found.durability) == (True, "acme", 5, POWER)
    assert found.public_keys == (f"{KEY}-1", f"{KEY}-2")
    assert found.allowed_origins == ("https://app.example.com", "http://localhost:3000", "http://[::1]:8080")
    assert found.destinations == ("billing", "analytics", "audit")
    assert found.retention_us == 0
    assert KEY not in repr(found)
    assert "a long password" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "more"),
    [
        ("HARPOON_SURFACES", "some", {}),
        ("SCR_API_KEY", "short", {}),
        ("SCR_API_KEY", "with a blank in it", {}),
        ("SCR_API_KEY", "hk_acme_0123456789abcdef", {}),
        ("SCR_API_KEY", "k" * 513, {}),
        ("SCR_API_KEY", "sch\u00fcssel_0123456789", {}),
        ("SCR_TENANT", "Acme", {}),
        ("SCR_TENANT", "admin", {}),
        ("SCR_PUBLIC_KEYS", f"{KEY},short", {}),
        ("SCR_ALLOWED_ORIGINS", "*", {}),
        ("SCR_ALLOWED_ORIGINS", "https://app.example.com/", {}),
        ("SCR_ALLOWED_ORIGINS", "app.example.com", {}),
        ("SCR_ALLOWED_ORIGINS", "https://App.example.com", {}),
        ("SCR_SPOOL_MAX_EVENTS", "0", {}),
        ("SCR_SPOOL_MAX_EVENTS", "-1", {}),
        ("SCR_DURABILITY", "none", {}),
        ("SCR_DESTINATIONS", "billing,two words", {}),
        ("SCR_RETENTION_DAYS", "1.5", {}),
        ("SCR_DASHBOARD_PASSWORD", "short", {"SCR_DASHBOARD_USER": "ops"}),
        ("SCR_DASHBOARD_USER", "", {"SCR_DASHBOARD_PASSWORD": "a long password"}),
        ("SCR_DASHBOARD_PASSWORD", "", {"SCR_DASHBOARD_USER": "ops"}),
        ("SCR_DASHBOARD_USER", "a:b", {"SCR_DASHBOARD_PASSWORD": "a long password"}),
    ],
)
def test_a_wrong_value_is_named_and_no_secret_shown(name: str, value: str, more: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        sessions(**{name: value, **more})
    assert refused.value.param == name
    assert name in refused.value.message
    if name in ("SCR_API_KEY", "SCR_PUBLIC_KEYS", "SCR_DASHBOARD_PASSWORD") and value:
        assert value not in refused.value.message


def test_a_key_alone_lets_the_sessions_api_alone_out_of_this_machine() -> None:
    outside = {"SERVICE_HOST": "0.0.0.0", "SCR_API_KEY": KEY}
    settings = read_settings({**outside, "HARPOON_SURFACES": "sessions"}, {}, None)
    assert not settings.configuration.keyring().is_open
    assert KEY in settings.secrets
    for given in (outside, {"SERVICE_HOST": "0.0.0.0", "HARPOON_SURFACES": "sessions"}):
        with pytest.raises(SettingsError, match="without a token"):
            read_settings(given, {}, None)


def test_on_this_machine_a_key_closes_the_sessions_api_alone() -> None:
    """Beside the gateway it guards the sessions; chats stay as open as they were."""
    assert read_settings({"SCR_API_KEY": KEY}, {}, None).configuration.keyring().is_open
    alone = read_settings({"SCR_API_KEY": KEY, "HARPOON_SURFACES": "sessions"}, {}, None)
    assert not alone.configuration.keyring().is_open
    assert read_settings({"HARPOON_SURFACES": "sessions"}, {}, None).configuration.keyring().is_open
