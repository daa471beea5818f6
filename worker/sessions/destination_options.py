"""Which types of destinations there are, and the options each of them has in a routing configuration.

A secret is never an option: what is secret stands in an environment variable, and the option names that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.guard.urls import UrlRefused, UrlRules, check_url

WEBHOOK, JSONL, SQLITE, POSTGRES = "webhook", "jsonl", "sqlite", "postgres"
PROMETHEUS, OTEL, NATS, LOG, QUEUE = "prometheus", "otel", "nats", "log", "queue"
OptionValue = str | int | bool | tuple[str, ...]
_NAME: Final = re.compile("[A-Z][A-Z0-9_]{0,127}").fullmatch
_TABLE: Final = re.compile("[a-z_][a-z0-9_]{0,62}")
_SUBJECT: Final = re.compile("[A-Za-z0-9_-]+(?:[.][A-Za-z0-9_-]+){0,15}")
_STREAM: Final = re.compile("[A-Za-z0-9_-]{1,255}")
_URL: Final = re.compile("[a-z]+://[!-~]{1,2000}")
MAX_TEXT: Final = 1_024


class WrongOption(ValueError):
    """What an option must be."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; of some words only, or of a form with a name for people."""

    words: tuple[str, ...] = ()
    form: re.Pattern[str] | None = None
    is_called: str = "a text"

    def read(self, value: object) -> OptionValue:
        if self.words:
            if value not in self.words:
                raise WrongOption(f"must be one of {', '.join(self.words)}")
            return str(value)
        is_text = isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()
        if not is_text or (self.form is not None and self.form.fullmatch(str(value)) is None):
            raise WrongOption(f"must be {self.is_called}")
        return str(value)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    def read(self, value: object) -> OptionValue:
        if type(value) is not int or not self.least <= value <= self.most:
            raise WrongOption(f"must be a whole number from {self.least} to {self.most}")
        return value


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""

    def read(self, value: object) -> OptionValue:
        if type(value) is not bool:
            raise WrongOption("must be true or false")
        return value


@dataclass(frozen=True, slots=True)
class Variables:
    """The name of an environment variable, or several while one secret replaces another."""

    most: int = 1

    def read(self, value: object) -> OptionValue:
        names = value if isinstance(value, list) and self.most > 1 else [value]
        if not 1 <= len(names) <= self.most or not all(isinstance(one, str) and _NAME(one) for one in names):
            several = f", or a list of up to {self.most}" if self.most > 1 else ""
            raise WrongOption(f"must be the name of an environment variable{several}, not the secret itself")
        return tuple(names)


Option = Text | Whole | Truth | Variables


@dataclass(frozen=True, slots=True)
class Type:
    """A type's options, and which of them it can't do without."""

    options: Mapping[str, Option]
    needed: tuple[str, ...] = ()


_PATH: Final = Text(is_called="a path; a relative one is within the state folder")
_ADDRESS: Final = Text(form=_URL, is_called="an address such as https://example.com/hook")
#: Of every type.
COMMON: Final[Mapping[str, Option]] = {
    "type": Text(words=(WEBHOOK, JSONL, SQLITE, POSTGRES, PROMETHEUS, OTEL, NATS, LOG, QUEUE)),
    "begin": Text(words=("end", "beginning")),
    "max_attempts": Whole(1, 1_000),
    "max_wait_s": Whole(1, 86_400),
}
TYPES: Final[Mapping[str, Type]] = {
    WEBHOOK: Type(
        {
            "url": _ADDRESS,
            "secret_env": Variables(8),
            "authorization_env": Variables(),
            "format": Text(words=("event", "cloudevents", "cloudevents-binary")),
            "timeout_ms": Whole(100, 60_000),
            "at_once": Whole(1, 64),
            "allow_private": Truth(),
        },
        ("url", "secret_env"),
    ),
    JSONL: Type({"path": _PATH, "fsync": Truth(), "rotate_bytes": Whole(1_024, 2**40)}),
    SQLITE: Type({"path": _PATH, "fsync": Truth()}),
    POSTGRES: Type(
        {
            "url_env": Variables(),
            "table": Text(form=_TABLE, is_called="a table's name: a-z, 0-9 and _"),
            "timeout_ms": Whole(100, 60_000),
        },
        ("url_env",),
    ),
    NATS: Type(
        {
            "url": _ADDRESS,
            "url_env": Variables(),
            "subject": Text(form=_SUBJECT, is_called="a subject such as sessions.completed"),
            "stream": Text(form=_STREAM, is_called="a stream's name"),
            "timeout_ms": Whole(100, 60_000),
        }
    ),
    PROMETHEUS: Type({}),
    OTEL: Type({}),
    LOG: Type({}),
    QUEUE: Type({}),
}
#: Without a `type` a destination is a file, so that a name alone is enough; the store is a table.
STORE: Final = "store"


def problem_of(name: str, options: Mapping[str, OptionValue]) -> tuple[str, str] | None:
    """What is wrong with options that are good one by one: at which of them, and what; None = nothing."""
    kind = type_of(name, options.get("type"))
    url = str(options.get("url", ""))
    if kind == WEBHOOK and url:
        if options.get("allow_private"):
            return None if url.startswith(("https://", "http://")) else ("url", "must begin with https:// or http://")
        try:
            check_url(url, UrlRules())
        except UrlRefused as refused:
            return "url", f"{refused.message}; allow_private: true is for addresses of your own network"
    if kind == NATS and not (url or options.get("url_env")):
        return "type", "a nats destination needs url or url_env"
    return None


def drops_by_age(kind: str) -> bool:
    """Whether a destination of this type can drop what is older than its `retention_days`."""
    return kind in (SQLITE, POSTGRES)


def type_of(name: str, said: OptionValue | None) -> str:
    """The type of a destination."""
    return str(said) if said is not None else SQLITE if name == STORE else JSONL
