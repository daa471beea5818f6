"""Standard Webhooks: how a delivery is signed, and how whoever receives it tells that it is genuine and fresh.

A secret is `whsec_` and base64. While one replaces another, a message carries a signature by each, so that receivers
may change over at any time.

Source: Standard Webhooks specification, "Webhook metadata" and "Signature scheme" (symmetric, version v1).
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from worker.errors import SettingsError

SECRET_PREFIX: Final = "whsec_"
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
TOLERANCE_S: Final = 300
ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
_VERSION: Final = "v1"
#: Enough for any rotation; a header with more is not worth hashing for.
_MAX_SIGNATURES: Final = 16
_MAX_TIMESTAMP_DIGITS: Final = 12
_DIGITS: Final = frozenset("0123456789")


class WebhookRefused(ValueError):
    """A message that isn't genuine or isn't fresh; the text says which, and nothing of any secret."""


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A shared secret; its bytes are in no repr."""

    key: bytes = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> WebhookSecret:
        """The secret written as `whsec_<base64 of 24 to 64 bytes>`. Raises: SettingsError, which doesn't quote it."""
        encoded = text.removeprefix(SECRET_PREFIX)
        try:
            if encoded == text:
                raise ValueError
            key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (ValueError, binascii.Error):
            raise SettingsError(f"a webhook secret is {SECRET_PREFIX} followed by base64") from None
        if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise SettingsError(f"a webhook secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
        return cls(key)


def sign(secrets: Sequence[WebhookSecret], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message, signed by every secret in turn.

    Args: message_id: the same for every attempt; timestamp_s: of this attempt, seconds since 1970.
    Raises: ValueError without a secret, or for an id that the signed text couldn't be told from what follows it.
    """
    if not secrets:
        raise ValueError("a message is signed by at least one secret")
    if not message_id or not message_id.isascii() or not message_id.isprintable() or set(message_id) & {".", " "}:
        raise ValueError("a message's id is printable ASCII without a full stop")
    signatures = [_signature(secret, message_id, str(timestamp_s), body) for secret in secrets]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: " ".join(f"{_VERSION},{b64encode(one).decode()}" for one in signatures),
    }


def verify(
    secrets: Sequence[WebhookSecret],
    headers: Mapping[str, str],
    body: bytes,
    now_s: int,
    tolerance_s: int = TOLERANCE_S,
) -> None:
    """Pass a message that one of the secrets signed at most `tolerance_s` seconds before or after `now_s`.

    Args: headers: under lower-case names. Raises: WebhookRefused.
    """
    message_id, timestamp, signatures = (
        headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    )
    if not message_id or not timestamp or not signatures:
        raise WebhookRefused("one of the three headers is missing")
    if len(timestamp) > _MAX_TIMESTAMP_DIGITS or not _DIGITS.issuperset(timestamp):
        raise WebhookRefused("the timestamp is no number of seconds")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise WebhookRefused(f"the timestamp is more than {tolerance_s} s from now")
    expected = [_signature(secret, message_id, timestamp, body) for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing of which came near.
    genuine = [hmac.compare_digest(one, given) for given in _given(signatures) for one in expected]
    if not any(genuine):
        raise WebhookRefused("no signature is by a secret that is known here")


def _signature(secret: WebhookSecret, message_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret.key, f"{message_id}.{timestamp}.".encode() + body, "sha256")


def _given(signatures: str) -> list[bytes]:
    """The signatures of our version; others, and what can't be read, are left out."""
    found = []
    for part in signatures.split(" ")[:_MAX_SIGNATURES]:
        version, _, encoded = part.partition(",")
        if version == _VERSION:
            try:
                found.append(b64decode(encoded, validate=True))
            except (ValueError, binascii.Error):
                continue
    return found
