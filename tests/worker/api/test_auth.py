"""Tokens: which are known, which are refused, and that none is ever shown."""

from __future__ import annotations

import hmac

import pytest

from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import Application, application, ask
from worker.api.auth import (
    MAX_TOKEN_CHARACTERS,
    OPEN_TENANT,
    Keyring,
    NotLocal,
    refuse_strangers,
    tenant_of,
    token_digest,
)
from worker.errors import NotAuthenticated, SettingsError

TOKENS = ("hk_acme_s3cret", "hk_acme_0ther", "hk_b-2_under_score")

WELL_FORMED = [
    ("hk_acme_s3cret", "acme"),
    ("hk_a_b", "a"),
    ("hk_a-1_b_c_d", "a-1"),
    ("hk_" + "t" * 63 + "_x", "t" * 63),
    ("hk_a_" + "x" * (MAX_TOKEN_CHARACTERS - 5), "a"),
    ("hk_a_%2F.~", "a"),
]
ILL_FORMED = [
    "",
    "hk",
    "hk_",
    "hk_a",
    "hk_a_",
    "hk__b",
    "hk_A_b",
    "hk_a.b_c",
    "hk_ü_b",
    "hk_a b_c",
    "HK_a_b",
    "sk-proj-123",
    "k_a_b",
    "hk-a-b",
    "hk_" + "t" * 64 + "_x",
    "hk_a_" + "x" * (MAX_TOKEN_CHARACTERS - 4),
]


@pytest.mark.parametrize(("token", "tenant"), WELL_FORMED)
def test_a_token_names_its_tenant(token: str, tenant: str) -> None:
    assert tenant_of(token) == tenant


@pytest.mark.parametrize("token", ILL_FORMED)
def test_what_is_no_token_names_nobody(token: str) -> None:
    assert tenant_of(token) is None
    with pytest.raises(SettingsError) as raised:
        Keyring.from_tokens(["hk_a_b", token], open_access=False)
    assert "token 2" in raised.value.message
    assert token == "" or token in ("hk", "hk_") or token not in raised.value.message


def test_an_operator_cannot_hand_out_a_token_that_no_header_carries() -> None:
    with pytest.raises(SettingsError):
        Keyring.from_tokens(["hk_acme_geheimnisß"], open_access=False)


def test_an_operator_cannot_make_the_administrator_a_tenant() -> None:
    token = "hk_admin_0123456789abcdef01234567"
    with pytest.raises(SettingsError) as raised:
        Keyring.from_tokens(["hk_a_b", token], open_access=False)
    assert "HARPOON_ADMIN_TOKEN" in raised.value.message
    assert token not in raised.value.message


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.from_tokens(TOKENS, open_access=True)


@pytest.mark.parametrize(("token", "tenant"), list(zip(TOKENS, ("acme", "acme", "b-2"), strict=True)))
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "Bearer  {} "])
def test_a_known_token_speaks_for_its_tenant(keyring: Keyring, token: str, tenant: str, form: str) -> None:
    assert keyring.authenticate(form.format(token)) == tenant


REFUSED = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "hk_acme_s3cret",
    "Basic hk_acme_s3cret",
    "Token hk_acme_s3cret",
    "Bearer hk_acme_s3cre",
    "Bearer hk_acme_s3crett",
    "Bearer hk_acme_S3CRET",
    "Bearer hk_acme_under_score",
    "Bearer hk_nobody_s3cret",
    "Bearer hk__s3cret",
    "Bearer sk-proj-123",
    "Bearer hk_acme_s3cret hk_acme_s3cret",
    "Bearer hk_acme_s3cret,",
    "Bearer hk_acme_\xfc",
    "Bearer " + "x" * 100_000,
]


@pytest.mark.parametrize("authorization", REFUSED)
def test_everything_else_is_refused(keyring: Keyring, authorization: str | None) -> None:
    with pytest.raises(NotAuthenticated) as raised:
        keyring.authenticate(authorization)
    assert raised.value.status == 401
    assert "s3cret" not in raised.value.message


def test_every_secret_is_compared_in_constant_time(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a tenant's tokens are compared, as digests of one length, whichever of them matches first."""
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def watched(known: str, given: str) -> bool:
        compared.append((known, given))
        return compare(known, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for token in TOKENS[:2]:
        compared.clear()
        assert keyring.authenticate(f"Bearer {token}") == "acme"
        assert {known for known, _ in compared} == {token_digest(known) for known in TOKENS[:2]}
        assert {given for _, given in compared} == {token_digest(token)}


def test_nothing_shows_a_token_or_its_digest(keyring: Keyring) -> None:
    assert repr(keyring) == "Keyring(2 tenants, open=False)"
    for token in TOKENS:
        assert token not in f"{keyring!r}{keyring}"
        assert token_digest(token) not in repr(keyring)
    assert not hasattr(keyring, "__dict__")


def test_open_access_ends_with_the_first_token(keyring: Keyring) -> None:
    assert not keyring.is_open
    assert not Keyring.from_tokens((), open_access=False).is_open
    everyone = Keyring.from_tokens((), open_access=True)
    assert everyone.is_open
    for authorization in (None, "Bearer anything", "Basic x"):
        assert everyone.authenticate(authorization) == OPEN_TENANT


def test_without_tokens_and_without_open_access_nobody_enters() -> None:
    with pytest.raises(NotAuthenticated):
        Keyring.from_tokens((), open_access=False).authenticate("Bearer hk_a_b")


LOCAL = ["127.0.0.1", "127.0.0.1:8080", "127.1.2.3:1", "localhost", "LocalHost:65535", "[::1]", "[::1]:8080"]
ELSEWHERE = [
    "",
    "harpoon.example",
    "192.168.1.5:8080",
    "0.0.0.0",
    "[::]",
    "::1",
    "127.0.0.1.harpoon.example",
    "127.0.0.1@harpoon.example",
    "localhost.harpoon.example",
    "localhost.",
    "localhost:",
    "localhost:80x",
    "notlocalhost",
    "128.0.0.1",
    "127.1",
    "127.0.0.\u0661",
    "2130706433",
    "localhost, harpoon.example",
]


def headed(**headers: str) -> dict[str, list[tuple[bytes, bytes]]]:
    return {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize("host", LOCAL)
def test_who_names_the_loopback_is_no_stranger(host: str) -> None:
    refuse_strangers(headed(accept="*/*", host=host))
    for scheme in ("http", "https"):
        refuse_strangers(headed(host="127.0.0.1:8080", origin=f"{scheme}://{host}"))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_who_names_another_host_is_a_stranger(host: str) -> None:
    for scope in (headed(host=host), headed(host="localhost", origin=f"http://{host}")):
        with pytest.raises(NotLocal):
            refuse_strangers(scope)


@pytest.mark.parametrize("origin", ["", "null", "localhost", "file://", "ftp://localhost", "http://localhost/", "*"])
def test_a_page_from_nowhere_is_a_stranger(origin: str) -> None:
    with pytest.raises(NotLocal):
        refuse_strangers(headed(host="localhost", origin=origin))


def test_a_request_has_one_host() -> None:
    local, elsewhere = (b"host", b"localhost"), (b"host", b"harpoon.example")
    for hosts in ([], [local, local], [local, elsewhere], [elsewhere, local]):
        with pytest.raises(NotLocal):
            refuse_strangers({"headers": hosts})


async def test_without_a_token_a_page_from_elsewhere_spends_nothing(harpoon: Application) -> None:
    for headers in ({"host": "harpoon.example"}, {"origin": "https://harpoon.example"}):
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_local")
        assert error_findings(answer.json()) == []
        assert answer.headers["x-request-id"].startswith("req_")
        assert (await harpoon.client.get("http://localhost/health", headers=headers)).status_code == 403
    assert await harpoon.rows("SELECT * FROM decision") == []
    answer = await harpoon.client.post("/chat/completions", json=ask(), headers={"origin": "http://localhost:3000"})
    assert answer.status_code == 200


async def test_with_a_token_a_request_may_come_from_anywhere() -> None:
    async with application(HARPOON_TOKENS="hk_acme_s3cret") as harpoon:
        headers = {"host": "harpoon.example", "origin": "https://x.example", "authorization": "Bearer hk_acme_s3cret"}
        answer = await harpoon.client.post("/chat/completions", json=ask(), headers=headers)
        assert answer.status_code == 200
