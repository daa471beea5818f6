"""Decides how many tokens a text has: one deterministic estimate for prompt, completion and the pieces of a stream.

A piece is one of: up to six ASCII letters with the space before them, up to three digits with the space before them,
up to two other visible ASCII characters with the space before them, a run of up to eight white-space characters, up to
two characters of two UTF-8 bytes, or one longer character. That gives about four bytes a token, as the tokenizers of
real models do for English. The pieces of a text, joined, are the text. No real model's vocabulary is consulted.
"""

from __future__ import annotations

import re

_PIECE = re.compile(
    r" ?[A-Za-z]{1,6}| ?[0-9]{1,3}| ?[!-/:-@\[-`{-~]{1,2}|[\x00-\x20\x7f]{1,8}|[\x80-\u07ff]{1,2}|[\u0800-\U0010ffff]"
)

#: Tokens a chat message costs beyond its text: its role and its limits.
MESSAGE_TOKENS = 4

#: Tokens counted for a content part that isn't text (an image, audio, a file), whatever its size.
PART_TOKENS = 85


def split_pieces(text: str) -> list[str]:
    """The pieces of `text`, in order; joined they are `text` again."""
    return _PIECE.findall(text)


def count_tokens(text: str) -> int:
    """The number of pieces of `text`."""
    return len(_PIECE.findall(text))


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """The longest start of `text` that has at most `max_tokens` pieces (0 or fewer: nothing)."""
    end = 0
    for number, piece in enumerate(_PIECE.finditer(text)):
        if number >= max_tokens:
            return text[:end]
        end = piece.end()
    return text
