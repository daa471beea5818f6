"""How much GPU time a request takes alone on a card, by model: until its first token, and for each token after it.

`published`: fitted to figures of the platform's operator for a 48 GB card (tokens a second at batch 1; first token
after 128, 1,024 and 8,192 tokens of prompt), rough by its own account. `assumed`: ours, the catalogue's for the demo
models. None of it was measured by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

PUBLISHED, ASSUMED = "published", "assumed"


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """`begin_us` + prompt tokens x `prompt_us_per_token` until the first token, `token_us` for each further one."""

    begin_us: int
    prompt_us_per_token: int
    token_us: int
    mark: str = ASSUMED


@dataclass(frozen=True, slots=True)
class Work:
    """GPU time of one request in microseconds: all of it, up to the first token, and for each token after it."""

    work_us: int
    first_us: int
    token_us: int


SPEEDS: Final = MappingProxyType(
    {
        "llama-3.1-8b-instruct": ModelSpeed(15_000, 15, 6_000),
        "qwen3-30b-a3b": ModelSpeed(20_000, 20, 7_000),
        "gemma-3-270m-it": ModelSpeed(5_000, 2, 2_000),
        "hashed-words-256": ModelSpeed(1_000, 1, 1_000),
        "llama-3.1-70b-instruct-awq": ModelSpeed(35_000, 75, 23_810, PUBLISHED),
        "deepseek-r1-distill-qwen-32b": ModelSpeed(29_000, 51, 15_385, PUBLISHED),
        "gemma-2-27b-it": ModelSpeed(22_000, 44, 12_821, PUBLISHED),
        "mixtral-8x7b-instruct": ModelSpeed(30_000, 60, 18_182),
    }
)
#: For a model the table hasn't.
USUAL: Final = ModelSpeed(20_000, 25, 10_000)


def work_of(model: str, prompt_tokens: int, output_tokens: int) -> Work:
    """The work of a request; one without any output tokens takes its first token's time."""
    speed = SPEEDS.get(model, USUAL)
    first_us = speed.begin_us + prompt_tokens * speed.prompt_us_per_token
    return Work(first_us + max(0, output_tokens - 1) * speed.token_us, first_us, speed.token_us)
