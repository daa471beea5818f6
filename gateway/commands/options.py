"""Options and arguments that several commands share, and how their values are read."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from gateway.failure import CommandFailed

Url = Annotated[str, typer.Option("--url", help="Where Harpoon serves.", envvar="HARPOON_URL", show_default=True)]
Token = Annotated[
    str, typer.Option("--token", help="Your token, if one is needed.", envvar="HARPOON_TOKEN", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Read JSON objects, one a line, from the named files or standard input.")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(help="The text, in quotes; - or nothing reads standard input.", show_default=False),
]
Model = Annotated[str, typer.Option("--model", help="auto, a model id, or provider/model.")]
Covenant = Annotated[
    str, typer.Option("--covenant", help="What to keep to, in words or as a JSON object.", show_default=False)
]
HERE = "http://127.0.0.1:8080"


def text_of(words: list[str] | None, example: str) -> str:
    """The text a command is about: its arguments, or standard input. Raises: CommandFailed if there is none."""
    if words and words != ["-"]:
        return " ".join(words)
    if not words and sys.stdin.isatty():
        raise CommandFailed(f"what text? Say it in quotes, such as `{example}`, or give it on standard input")
    text = sys.stdin.read()
    if not words and not text.strip():
        raise CommandFailed(f"what text? Say it in quotes, such as `{example}`, or give it on standard input")
    return text.removesuffix("\n")


def covenant_value(covenant: str) -> Any:
    """A covenant of the command line: an object if it is written as JSON, else words. Raises: CommandFailed."""
    if not covenant.lstrip().startswith(("{", "[")):
        return covenant
    import json

    try:
        return json.loads(covenant)
    except ValueError as problem:
        raise CommandFailed(
            f"--covenant looks like JSON but is not ({problem}); write it like '{{\"budget_usd\": 0.01}}', or in words"
        ) from problem
