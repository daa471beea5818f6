"""What is found in a text, what is left alone though it looks alike, and that no text takes long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.guard.finding import find_all, finders, mask
from worker.guard.numbers import is_luhn
from worker.guard.span import (
    CARD,
    EMAIL,
    IBAN,
    ID,
    IP,
    KEY,
    KINDS,
    PHONE,
    PRIVATE_KEY,
    SECRET,
    TOKEN,
    Span,
)

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAK\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g"

#: Kind, the text around it, what is found in it.
HITS = [
    (EMAIL, "write to a.b+c@example.co.uk, please", "a.b+c@example.co.uk"),
    (EMAIL, "<jane_doe@mail.example.com>.", "jane_doe@mail.example.com"),
    (EMAIL, "mailto:x@y.org?subject=1", "x@y.org"),
    (EMAIL, "'o'brien@example.ie'", "o'brien@example.ie"),
    (EMAIL, "メールはa@b.comです", "a@b.com"),
    (EMAIL, "an jörg@müller.de und", "jörg@müller.de"),
    (EMAIL, "?to=jane%40example.com&x=1", "jane%40example.com"),
    (EMAIL, "jane@example.com.", "jane@example.com"),
    (EMAIL, "jane@example.com-now", "jane@example.com"),
    (EMAIL, "x@xn--bcher-kva.xn--p1ai", "x@xn--bcher-kva.xn--p1ai"),
    (PHONE, "call +49 711 1234567 now", "+49 711 1234567"),
    (PHONE, "+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
    (PHONE, "0049-711-1234567", "0049-711-1234567"),
    (PHONE, "(555) 234-5678", "(555) 234-5678"),
    (PHONE, "555-234-5678x99", "555-234-5678x99"),
    (PHONE, "1-800-234-5678", "1-800-234-5678"),
    (PHONE, "415.555.2671", "415.555.2671"),
    (PHONE, "0711 123 45 67", "0711 123 45 67"),
    (PHONE, "03.93.92.16.85", "03.93.92.16.85"),
    (PHONE, "Phone:\n9469 9966", "9469 9966"),
    (PHONE, "my mobile is 5551234567", "5551234567"),
    (IP, "from 8.8.4.4:443", "8.8.4.4"),
    (IP, "host 2001:db8:85a3::8a2e:370:7334,", "2001:db8:85a3::8a2e:370:7334"),
    (IP, "6e40:4041:c617:e898:c11:40d2:c669:2eb4", "6e40:4041:c617:e898:c11:40d2:c669:2eb4"),
    (IP, "::ffff:10.2.3.4", "::ffff:10.2.3.4"),
    (KEY, "OPENAI=sk-proj-abcdefghij0123456789", "sk-proj-abcdefghij0123456789"),
    (KEY, "hk_acme_0123456789abcdef!", "hk_acme_0123456789abcdef"),
    (KEY, "gsk_abcdefghij0123456789AB", "gsk_abcdefghij0123456789AB"),
    (KEY, "ghp_abcdefghij0123456789AB", "ghp_abcdefghij0123456789AB"),
    (KEY, "github_pat_11ABCDEFG0123456789_x", "github_pat_11ABCDEFG0123456789_x"),
    (KEY, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    (KEY, "xoxb-123456789012-abcdef", "xoxb-123456789012-abcdef"),
    (KEY, "sk_live_0123456789abcdefXY", "sk_live_0123456789abcdefXY"),
    (KEY, "hf_abcdefghijklmnopqrstuv", "hf_abcdefghijklmnopqrstuv"),
    (KEY, "AIza" + "x" * 35, "AIza" + "x" * 35),
    (TOKEN, f"cookie={JWT};", JWT),
    (TOKEN, "Authorization: Bearer abcdef.123456-xyz", "abcdef.123456-xyz"),
    (TOKEN, "authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
    (PRIVATE_KEY, f"key:\n{PEM}\n", PEM),
    (PRIVATE_KEY, "-----BEGIN PRIVATE KEY-----\nMIIE and no end", "-----BEGIN PRIVATE KEY-----\nMIIE and no end"),
    (SECRET, "password: hunter2hunter2", "hunter2hunter2"),
    (SECRET, 'API_KEY = "q1w2e3r4t5y6"', "q1w2e3r4t5y6"),
    (SECRET, "postgres://bob:s3cret@localhost:5432/x", "bob:s3cret"),
    (CARD, "card 4111 1111 1111 1111.", "4111 1111 1111 1111"),
    (CARD, "4111-1111-1111-1111", "4111-1111-1111-1111"),
    (CARD, "378282246310005", "378282246310005"),
    (CARD, "3782 822463 10005", "3782 822463 10005"),
    (CARD, "6011111111111117", "6011111111111117"),
    (CARD, "5555555555554444,", "5555555555554444"),
    (CARD, "180016070420458", "180016070420458"),
    (IBAN, "to DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
    (IBAN, "GB82WEST12345698765432", "GB82WEST12345698765432"),
    (IBAN, "gb82west12345698765432", "gb82west12345698765432"),
    (IBAN, "NO93 8601 1117 947", "NO93 8601 1117 947"),
    (ID, "SSN 078-05-1121", "078-05-1121"),
    (ID, "ssn: 078 05 1121", "078 05 1121"),
    (ID, "NINO AB123456C", "AB123456C"),
    (ID, "NHS 943 476 5919", "943 476 5919"),
    (ID, "DNI 12345678Z", "12345678Z"),
    (ID, "NIE X1234567L", "X1234567L"),
    (ID, "CF RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    (ID, "PESEL 44051401359", "44051401359"),
    (ID, "NIR 2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
    (ID, "CPF 529.982.247-25", "529.982.247-25"),
    (ID, "Aadhaar 2341 2341 2346", "2341 2341 2346"),
]

#: What looks like one of these kinds and is none of any.
NEAR_MISSES = [
    "user@localhost and @handle and a @ b.com",
    "foo@bar, x@y.c, @example.com, a@.com, a@b..com",
    "git@ github.com",
    "2024-01-15 and 01/02/2003 and 15.01.2024 10:30:45",
    "call me at 10:30 on 12/11/2024",
    "1,000,000 or 1.234.567,89 or 3.14159265358979",
    "ISBN 978-3-16-148410-0",
    "version 1.2.3.4.5 and 10.0.0 and 256.1.1.1 and 1.2.3",
    "127.0.0.1, 0.0.0.0, ::1 and ::",
    "std::vector, a::b, Foo::Bar::baz, 12:30:45, be::ef",
    "order 4111 1111 1111 1112",  # the check digit is wrong
    "9111111111111111",  # nobody issues these
    "DE89370400440532013001",  # mod 97
    "GB82WEST1234569876543",  # too short
    "XX82WEST12345698765432",  # no country
    "000-12-3456 and 666-12-3456 and 123-00-4567 and 123-45-0000",
    "12345678A",  # the letter is wrong
    "529.982.247-26",
    "44051401358",
    "2341 2341 2347",
    "sk-short, hk_acme_, hk_<tenant>_<secret>, gsk_, ghp_x, AKIA123",
    "task-force-of-twenty-people-here",
    "desk-abcdefghijklmnopqrstuvwxyz",
    "Bearer token, bearer of bad news",
    "eyJhbGciOiJIUzI1NiJ9",
    "the password is required; password: ********",
    "https://example.com/a:b@c",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "What is 12345678 times 87654321?",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "550e8400-e29b-41d4-a716-446655440000",
    "dec_0006433a1b2c3d4e5f60718293a4b5c6",
    "x = [1, 2, 3]; y[0] = 10 + 20 - 30",
]


@pytest.mark.parametrize(("kind", "text", "found"), HITS)
def test_it_is_found(kind: str, text: str, found: str) -> None:
    assert [(span.kind, text[span.start : span.end]) for span in find_all(text)] == [(kind, found)]
    assert mask(text) == text.replace(found, f"[{kind.upper()}]")


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_it_is_left_alone(text: str) -> None:
    assert [(span.kind, text[span.start : span.end]) for span in find_all(text)] == []
    assert mask(text) == text


def test_every_kind_has_a_finder_and_examples() -> None:
    assert set(finders()) == set(KINDS) == {kind for kind, _, _ in HITS}


def test_findings_that_overlap_become_one_that_covers_them_all() -> None:
    text = "postgres://bob:s3cret@db.example.com/x"
    assert find_all(text) == [Span(SECRET, 11, 11 + len("bob:s3cret@db.example.com"))]
    text = f"Authorization: Bearer {JWT}"
    assert find_all(text) == [Span(TOKEN, 22, len(text))]
    assert find_all("call 943 476 5919") == [Span(ID, 5, 17)]  # a health service number, and a telephone number


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    text = "a@b.com or 8.8.8.8"
    assert mask(text, {IP}) == "a@b.com or [IP]"
    assert mask(text, ()) == text


def test_the_luhn_check() -> None:
    for number in ("4111111111111111", "79927398713", "0"):
        assert is_luhn(number)
        assert not any(is_luhn(number[:-1] + str(digit)) for digit in range(10) if str(digit) != number[-1])


@given(st.text(max_size=200))
def test_any_text_is_read_and_its_findings_are_in_order(text: str) -> None:
    spans = find_all(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


@given(st.lists(st.sampled_from([text for _, text, _ in HITS] + NEAR_MISSES), max_size=6))
def test_nothing_of_a_kind_is_left_after_it_was_masked(texts: list[str]) -> None:
    once = mask(" \n ".join(texts))
    assert mask(once) == once


HOSTILE = (
    *("a", "1", "@", "a@", "a.", "a@a.", "1 ", "1-", "1.", "(", "+1", "00", "0-1", "01 ", "é@", "a%40", "xn--", "_"),
    *("eyJ", "-eyJ", "eyJa.", "eyJaaaaaaaaa.", "sk-", "sk-a", "hk_a", "SG.aaaaaaaaaaaaaaaaaaaa.", "bearer ", "-"),
    *("-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "password=", "password is ", "Bearer aaaaaaaaaaaa ", "://a:"),
    *("AA11", "AA11 ", "DE89 3704 ", "4111 ", "phone 1", "tel", "ssn ", "[EMAIL_1]", '"', "\n", "ÿ", "𝟘", "::", "ab:"),
)


@pytest.mark.parametrize("seed", HOSTILE)
def test_a_text_made_to_be_slow_is_read_through(seed: str) -> None:
    # A finder that read anything again and again would not come to an end here.
    text = (seed * 200_000)[:200_000]
    for finder in finders().values():
        assert sum(1 for _ in finder(text)) <= len(text)


@pytest.mark.parametrize("escape", ["\\n", "\\r\\n", "\\t", "\\u4e2d", "\\\\"])
@pytest.mark.parametrize(
    "secret", ["bob@example.com", "4111 1111 1111 1111", "+49 711 1234567", "sk-abcdefghijklmnop1234", "192.0.2.10"]
)
def test_an_escape_in_front_neither_hides_nor_joins_what_is_found(escape: str, secret: str) -> None:
    text = f"x{escape}{secret}{escape}y"
    found = find_all(text)
    assert [text[span.start : span.end] for span in found] == [secret]
