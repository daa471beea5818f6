"""What an operator may say about ledgers, and what is refused by name without being shown."""

from __future__ import annotations

import pytest

from worker.configuration import read_configuration
from worker.errors import SettingsError
from worker.ledger_settings import Retention

DAY_US = 86_400_000_000
MALFORMED = [
    *[("LEDGER_SIGNING_KEY", value) for value in ("s" * 9, "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0x" + "0" * 62)],
    *[("LEDGER_EVIDENCE_RETENTION_DAYS", value) for value in ("-1", "1.5", "36501", "ever")],
    *[("LEDGER_RETENTION_EVENTS", value) for value in ("yes", "ON", "1")],
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_configuration({name: value})
    assert raised.value.param == name
    assert name in raised.value.message
    assert name != "LEDGER_SIGNING_KEY" or value not in raised.value.message


def test_nothing_is_signed_and_nothing_dropped_unless_it_is_said() -> None:
    configuration = read_configuration({})
    assert configuration.signing_seed is None
    assert configuration.retention == Retention(0, events=False)


def test_what_is_said_holds() -> None:
    said = {
        "LEDGER_SIGNING_KEY": "0f" * 32,
        "LEDGER_EVIDENCE_RETENTION_DAYS": "30",
        "LEDGER_RETENTION_EVENTS": "on",
    }
    configuration = read_configuration(said)
    assert configuration.signing_seed == b"\x0f" * 32
    assert configuration.retention == Retention(30 * DAY_US, events=True)
    assert "0f0f" not in repr(configuration)
