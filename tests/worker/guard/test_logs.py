"""Log records without personal data and secrets, whatever part of a record they stand in."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from worker.guard.logs import MAX_CHARACTERS, RedactingFilter, install, secrets_in

CANARIES = ("jane@example.com", "sk-abcdefghij0123456789", "4111 1111 1111 1111", "operators-own-secret")


def logger_to(stream: io.StringIO, secrets: tuple[str, ...] = ()) -> logging.Logger:
    logger = logging.Logger("test", logging.DEBUG)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(extra)s", defaults={"extra": "-"}))
    logger.addHandler(handler)
    install(RedactingFilter(secrets), [logger, handler])
    return logger


def raises(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as problem:
        raise ValueError(f"about {text}") from problem


@pytest.mark.parametrize("canary", CANARIES)
def test_every_part_of_a_record_is_redacted(canary: str) -> None:
    stream = io.StringIO()
    logger = logger_to(stream, (canary,) if canary == CANARIES[-1] else ())
    logger.error("for %s and %d", canary, 7)
    logger.error(f"for {canary}", extra={"extra": f"with {canary}"})
    logger.error("for %(who)s", {"who": canary})
    logger.error(ValueError(canary))
    logger.error("bad %d arguments", canary)
    try:
        raises(canary)
    except ValueError:
        logger.exception("it failed for %s", canary, stack_info=True)
        logger.error("again", exc_info=sys.exc_info())
    text = stream.getvalue()
    assert canary not in text
    assert text.count("Traceback (most recent call last)") == 4
    assert "ERROR for [" in text
    assert "and 7" in text
    assert text.count("test_logs.py") >= 4


def test_a_record_that_is_filtered_twice_says_the_same() -> None:
    stream = io.StringIO()
    logger_to(stream).error("call +49 711 1234567 about 127.0.0.1 and 10.1.2.3")
    assert stream.getvalue() == "ERROR call [PHONE] about 127.0.0.1 and 10.1.2.3 -\n"


def test_ordinary_records_are_left_as_they_are() -> None:
    stream = io.StringIO()
    logger = logger_to(stream, ("", "short"))
    for said in (
        "settled 3 reservations at their worst case",
        "100 %",
        "shortly: dec_0006433a1b2c3d4e5f60718293a4b5c6",
    ):
        logger.info(said)
    assert stream.getvalue().count("[") == 0


def test_a_record_is_no_place_for_a_body() -> None:
    stream = io.StringIO()
    logger_to(stream).error("x" * (MAX_CHARACTERS + 5))
    assert stream.getvalue().endswith("x... (cut off) -\n")


def test_a_later_filter_takes_the_place_of_an_earlier_one() -> None:
    logger = logging.Logger("test")
    install(RedactingFilter(("one-secret",)), [logger])
    install(RedactingFilter(("another-secret",)), [logger])
    assert [repr(one) for one in logger.filters] == ["RedactingFilter(1 secrets)"]


def test_the_secrets_of_a_host() -> None:
    values = {"HARPOON_TOKENS": "hk_a_1, hk_b_2", "OPENAI_API_KEY": "k,with,commas", "OTHER": "x"}
    found = secrets_in(values, ["HARPOON_TOKENS", "OPENAI_API_KEY", "GROQ_API_KEY"])
    assert {"hk_a_1", "hk_b_2", "k,with,commas"} <= set(found)
    assert "x" not in found
