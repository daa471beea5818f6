"""Options and arguments that several commands share, and how their values are read."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from gateway.address import server_url
from gateway.failure import CommandFailed

Url = Annotated[
    str,
    typer.Option(
        "--url",
        help="Where Harpoon serves; else where the settings of this machine say, else http://127.0.0.1:8080.",
        envvar="HARPOON_URL",
        show_default=False,
        callback=server_url,
    ),
]
Token = Annotated[
    str, typer.Option("--token", help="Your token, if one is needed.", envvar="HARPOON_TOKEN", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Read JSON objects, one a line, from the named files or standard input.")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="TEXT", help="The text, in quotes; - or nothing reads standard input.", show_default=False),
]
Model = Annotated[str, typer.Option("--model", help="auto, a model id, or provider/model.")]
Covenant = Annotated[
    str,
    typer.Option(
        "--covenant",
        help="What to keep to: words, a JSON object, or the id of a stored covenant (cov-...).",
        show_default=False,
    ),
]
#: No address is named: the settings say where to look.
HERE = ""


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


def question_of(words: list[str] | None, example: str) -> str:
    """A text that a model is to answer, which must say something. Raises: CommandFailed."""
    text = text_of(words, example)
    if not text.strip():
        raise CommandFailed(f"the text is empty; say something, such as `{example}`")
    return text


def chat_body(model: str, messages: Any, covenant: Any) -> dict[str, Any]:
    """The body of POST /v1/chat/completions that `harpoon ask` sends, and that `harpoon route` explains.

    Args: covenant: words or an object; None or "" = no covenant.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return {**body, "covenant": covenant} if covenant not in (None, "") else body


def user_message(text: str) -> list[dict[str, str]]:
    """A text as the only message."""
    return [{"role": "user", "content": text}]


def encoded(body: Any) -> bytes:
    """A body as it is sent: its bytes are counted and hashed, so every command has to write the same."""
    import json

    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def covenant_value(covenant: str) -> Any:
    """A covenant of the command line: an object if it is written as JSON, else words. Raises: CommandFailed."""
    if not covenant.lstrip().startswith(("{", "[")):
        return covenant
    import json

    try:
        return json.loads(covenant)
    except ValueError as problem:
        raise CommandFailed(
            f"the covenant looks like JSON but is not ({problem}); write it like '{{\"budget_usd\": 2}}', or in words"
        ) from problem
