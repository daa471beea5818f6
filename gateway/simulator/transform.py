"""Decides the answer to requests that rearrange the prompt's own words: say, reverse, sort, upper or lower case."""

from __future__ import annotations

import re
from fractions import Fraction

from gateway.simulator.prompt import Prompt
from gateway.simulator.sentence import fold

_LONGEST_ECHO = 200  # characters

_SAY = re.compile(
    r"^(?:please |just |now |can you |could you )*(?:say|repeat|echo|reply with|respond with|answer with|output|print|"
    r"reply|respond|write)\b(?P<only>(?: only| just| exactly| with| back| after me| the| word| words| sentence| phrase"
    r"| text)*)\s*[:,]?\s*(?P<said>.+?)\s*$",
    re.DOTALL,
)
_FREE = re.compile(r"\b(?:in|about|as|why|how|what|if|whether|which|for|that|on|to|of|your)\b")
_REVERSE = re.compile(r"\b(?:reverse|backwards?)\b")
_UPPER = re.compile(r"\b(?:upper ?case|capital letters|capitals|all caps)\b")
_LOWER = re.compile(r"\blower ?case\b")
_SORT = re.compile(r"\bsort\b")
_OPERAND = re.compile(r"(?:word|string|text|name|letters of|sentence|of)\s+(.+?)\s*(?:backwards?)?[.?!]*$", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def answer_transform(prompt: Prompt) -> str | None:
    """The rearranged words, or None if the request asks for no such thing."""
    low = fold(prompt.request)
    if _SORT.search(low) and prompt.material:
        return _sort(prompt.material, descending="descending" in low or "reverse" in low or "largest first" in low)
    if _REVERSE.search(low) and len(operand := _operand(prompt)) <= _LONGEST_ECHO:
        return operand[::-1] or None
    if _UPPER.search(low):
        return _swap_case(_operand(prompt), upper=True) or None
    if _LOWER.search(low):
        return _swap_case(_operand(prompt), upper=False) or None
    return _echo(prompt.last.strip())


def _echo(text: str) -> str | None:
    if len(text) > _LONGEST_ECHO:
        return None
    found = _SAY.match(fold(text))
    if found is None:
        return None
    said = text[found.start("said") :].strip()
    quoted = re.match(r"^[\"“'‘](.+)[\"”'’][.!]?$", said, re.DOTALL)
    if quoted:
        return quoted.group(1)
    exact = "only" in found.group("only") or "exactly" in found.group("only") or "word" in found.group("only")
    free = fold(text).startswith("write") or _FREE.search(fold(said)) is not None or len(said.split()) > 8
    if free and not exact and ":" not in text[: found.start("said")]:
        return None
    return said


def _operand(prompt: Prompt) -> str:
    if prompt.material:
        return prompt.material
    quoted = re.search(r"[\"“'‘](.+)[\"”'’]", prompt.request, re.DOTALL)
    if quoted:
        return quoted.group(1)
    named = _OPERAND.search(prompt.request)
    return named.group(1) if named else ""


def _swap_case(text: str, *, upper: bool) -> str:
    """Only ASCII letters change, on every Python alike."""
    first, shift = (0x61, -32) if upper else (0x41, 32)
    return text.translate({code: code + shift for code in range(first, first + 26)})


def _sort(text: str, *, descending: bool) -> str | None:
    items = [item.strip(" .") for item in re.split(r"[,;\n]", text) if item.strip(" .")]
    if len(items) == 1:
        items = text.split()
    if all(_NUMBER.fullmatch(item) for item in items):
        ordered = sorted(items, key=lambda item: (Fraction(item), item), reverse=descending)
    else:
        ordered = sorted(items, key=lambda item: (fold(item), item), reverse=descending)
    return ", ".join(ordered) if len(ordered) > 1 else None
