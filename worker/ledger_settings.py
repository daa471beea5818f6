"""What an operator may set about ledgers: the key that signs checkpoints, and how long old evidence is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from worker.catalogue_settings import choice_setting, whole_setting
from worker.errors import SettingsError

SEED_DIGITS = 64
_HEX: Final = frozenset("0123456789abcdef")
_DAY_US = 86_400_000_000
MAX_DAYS = 36_500


class Retention(NamedTuple):
    """Whose evidence is dropped once it is older than `keep_us`; 0 = nothing ever is. `events`: theirs too."""

    keep_us: int = 0
    events: bool = False


def signing_seed(values: Mapping[str, str]) -> bytes | None:
    """The 32 bytes that an Ed25519 key is made from (RFC 8032), None if none are set.

    Raises: SettingsError for a text of another form, unshown.
    """
    text = values["LEDGER_SIGNING_KEY"]
    if not text:
        return None
    if len(text) != SEED_DIGITS or not _HEX.issuperset(text):
        raise SettingsError(
            f"LEDGER_SIGNING_KEY must be {SEED_DIGITS} digits of 0-9 and a-f, such as `openssl rand -hex 32` writes",
            param="LEDGER_SIGNING_KEY",
        )
    return bytes.fromhex(text)


def retention(values: Mapping[str, str]) -> Retention:
    """How long evidence is kept. Raises: SettingsError."""
    days = whole_setting(values, "LEDGER_EVIDENCE_RETENTION_DAYS", 0, MAX_DAYS)
    return Retention(days * _DAY_US, choice_setting(values, "LEDGER_RETENTION_EVENTS", ("off", "on")) == "on")
