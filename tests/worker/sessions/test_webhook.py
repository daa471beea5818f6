"""Standard Webhooks: the published vector, the official package both ways, rotation, and all that is not genuine."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from worker.errors import SettingsError
from worker.sessions.webhook import WebhookRefused, WebhookSecret, sign, verify

#: Published with the specification's own libraries.
VECTOR_SECRET, VECTOR_ID, VECTOR_S = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
)
VECTOR_BODY, VECTOR_SIGNATURE = b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OLD, NEW = (f"whsec_{b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
OLD_SECRET, NEW_SECRET = WebhookSecret.from_text(OLD), WebhookSecret.from_text(NEW)
BODY = '{"a":"\u00e4"}'.encode()
SECRETS = st.binary(min_size=24, max_size=64)


def test_the_published_vector() -> None:
    secret = WebhookSecret.from_text(VECTOR_SECRET)
    headers = sign([secret], VECTOR_ID, VECTOR_S, VECTOR_BODY)
    assert headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": str(VECTOR_S),
        "webhook-signature": VECTOR_SIGNATURE,
    }
    verify([secret], headers, VECTOR_BODY, VECTOR_S)


def test_the_official_package_takes_what_we_sign() -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = sign([NEW_SECRET, OLD_SECRET], "evt_1", now, BODY)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(BODY, headers) == {"a": "\u00e4"}


@given(SECRETS, st.from_regex("[A-Za-z0-9_:-]{1,20}", fullmatch=True), st.integers(0, 2**33), st.text(max_size=20))
def test_we_sign_as_the_official_package_does_and_take_what_it_signs(
    key: bytes, name: str, at_s: int, body: str
) -> None:
    official = Webhook(key).sign(name, datetime.fromtimestamp(at_s, UTC), body)
    headers = sign([WebhookSecret(key)], name, at_s, body.encode())
    assert headers["webhook-signature"] == official
    verify([WebhookSecret(key)], headers, body.encode(), at_s)


def test_during_a_rotation_either_secret_will_do() -> None:
    headers = sign([NEW_SECRET, OLD_SECRET], "evt_1", 1_000, BODY)
    for known in ([OLD_SECRET], [NEW_SECRET], [OLD_SECRET, NEW_SECRET]):
        verify(known, headers, BODY, 1_000)
    with pytest.raises(WebhookRefused, match="no signature"):
        verify([OLD_SECRET], sign([NEW_SECRET], "evt_1", 1_000, BODY), BODY, 1_000)


@pytest.mark.parametrize("now_s", [700, 1_000, 1_300])
def test_within_the_tolerance_it_is_fresh(now_s: int) -> None:
    verify([OLD_SECRET], sign([OLD_SECRET], "evt_1", 1_000, BODY), BODY, now_s)


@pytest.mark.parametrize("now_s", [0, 699, 1_301, 10**12])
def test_outside_of_it_it_is_not(now_s: int) -> None:
    with pytest.raises(WebhookRefused, match="300 s"):
        verify([OLD_SECRET], sign([OLD_SECRET], "evt_1", 1_000, BODY), BODY, now_s)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""),
        ("webhook-id", "evt_2"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "1001"),
        ("webhook-timestamp", "1000.0"),
        ("webhook-timestamp", "-1000"),
        ("webhook-timestamp", " 1000"),
        ("webhook-timestamp", "\u0661\u0660\u0660\u0660"),
        ("webhook-timestamp", "1" * 13),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,!!!!"),
        ("webhook-signature", "v1a,AAAA v2,AAAA ,"),
        ("webhook-signature", "v1,\u00e4"),
    ],
)
def test_a_header_that_is_changed_or_missing_is_refused(name: str, value: str) -> None:
    headers = sign([OLD_SECRET], "evt_1", 1_000, BODY) | {name: value}
    with pytest.raises(WebhookRefused):
        verify([OLD_SECRET], headers, BODY, 1_000)
    del headers[name]
    with pytest.raises(WebhookRefused):
        verify([OLD_SECRET], headers, BODY, 1_000)


def test_every_changed_bit_of_body_or_signature_is_seen() -> None:
    headers = sign([OLD_SECRET], "evt_1", 1_000, BODY)
    for bit in range(len(BODY) * 8):
        changed = bytearray(BODY)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WebhookRefused):
            verify([OLD_SECRET], headers, bytes(changed), 1_000)


def test_a_signature_of_another_version_is_passed_over() -> None:
    headers = sign([OLD_SECRET], "evt_1", 1_000, BODY)
    headers["webhook-signature"] = f"v1a,AAAA {headers['webhook-signature']}"
    verify([OLD_SECRET], headers, BODY, 1_000)


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, canary", "whsec_AAAA", OLD * 3]
    + [f"whsec_{b64encode(bytes(size)).decode()}" for size in (23, 65)],
)
def test_a_bad_secret_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        WebhookSecret.from_text(text)
    assert "canary" not in str(refused.value)


def test_no_repr_shows_a_secret() -> None:
    assert repr(OLD_SECRET) == "WebhookSecret()"


@pytest.mark.parametrize("name", ["", "evt.1", "evt 1", "evt\n1", "\u00e4"])
def test_an_id_that_is_no_header_or_blurs_what_is_signed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="id"):
        sign([OLD_SECRET], name, 1_000, BODY)


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], "evt_1", 1_000, BODY)
