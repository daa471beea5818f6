"""Decides the answer to a question how many: words, letters or sentences of a text, or members of a known list."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType

from gateway.simulator.glossary import find_list
from gateway.simulator.prompt import Prompt
from gateway.simulator.sentence import fold, sentences, words
from gateway.simulator.tokens import count_tokens

_LETTER = re.compile(r"[A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u2c00-\u2dff\u3040-\ud7a3]")

_COUNTERS: MappingProxyType[str, Callable[[str], int]] = MappingProxyType(
    {
        "word": lambda text: len(words(text)),
        "sentence": lambda text: len(sentences(text)),
        "letter": lambda text: len(_LETTER.findall(text)),
        "character": len,
        "paragraph": lambda text: len([block for block in re.split(r"\n\s*\n", text) if block.strip()]),
        "line": lambda text: len([line for line in text.split("\n") if line.strip()]),
        "vowel": lambda text: len(re.findall(r"[aeiouAEIOU]", text)),
        "digit": lambda text: len(re.findall(r"[0-9]", text)),
        "number": lambda text: len(re.findall(r"[0-9]+(?:[.,][0-9]+)*", text)),
        "question": lambda text: text.count("?") + text.count("？"),
        "byte": lambda text: len(text.encode("utf-8")),
        "token": count_tokens,
    }
)

_UNIT = re.compile(
    r"\b(?:how many|count(?: up)?(?: all)?(?: the)?|(?:the )?number of)\s+(?:(different|unique|distinct) )?"
    r"(?:the )?(word|sentence|letter|character|paragraph|line|vowel|digit|number|question|byte|token)s?\b"
    r"(?!\s+[\"'“‘]?[a-z][\"'”’]?(?:\s|$))"
)
_ONE_LETTER = re.compile(
    r"\b(?:how many|how often|count|number of)\b(?:(?!\bin\b).){0,40}?(?<![a-z'])[\"'“‘]?([a-z])[\"'”’]?(?:'?s)?"
    r"(?: letters?| characters?)?(?: are| do| does| is| appear| appears| occur| occurs| there| you| see| find)*"
    r"\s+(?:are )?in\b"
)
_OCCURRENCES = re.compile(
    r"\b(?:how many times|how often) (?:does|is|do|did) (?:the (?:word|term|phrase|name) )?[\"'“‘]?(.+?)[\"'”’]? "
    r"(?:appear|occur|mentioned|used|come up|show up)"
)
_KNOWN = re.compile(r"\bhow many ([a-z ]{3,40}?)(?: are there| do we have| exist|(?= in )|(?= does )|(?= do )|\?|$)")
_QUOTED = re.compile(r"[\"“”‘']([^\"“”]{1,300}?)[\"”’'](?=[\s.?!,]|$)")
_IN = re.compile(
    r"\bin\s+(?:the\s+|this\s+)?(?:(?:word|words|name|string|phrase|sentence|text)s?\s+)?(.+?)\s*[?.!]*$", re.DOTALL
)


def answer_count(prompt: Prompt) -> str | None:
    """The count the request asks for, as a sentence; None if it asks for none or there is nothing to count in."""
    low = fold(prompt.request)
    if "how" not in low and "count" not in low and "number of" not in low:
        return None
    if found := _OCCURRENCES.search(low):
        return _count_occurrences(prompt, prompt.request[found.start(1) : found.end(1)])
    if found := _ONE_LETTER.search(low):
        counted = _count_letter(found.group(1), _find_target(prompt))
        if counted:
            return counted
    if found := _UNIT.search(low):
        target = _find_target(prompt)
        if target:
            return _count_units(found.group(2), bool(found.group(1)), target)
    return _count_known(low)


def _count_units(unit: str, different: bool, target: str) -> str:
    number = _COUNTERS[unit](target)
    if different and unit == "word":
        number = len({fold(word) for word in words(target)})
    kind = f"different {unit}" if different and unit == "word" else unit
    name = _name(target)
    return f"{name[:1].upper()}{name[1:]} has {number} {kind}{'' if number == 1 else 's'}."


def _count_letter(letter: str, target: str) -> str | None:
    return f'The letter "{letter}" occurs {_times(fold(target).count(letter))} in {_name(target)}.' if target else None


def _count_occurrences(prompt: Prompt, wanted: str) -> str | None:
    text = prompt.material or prompt.background
    if re.fullmatch(r"(?:the )?letter [a-z]", fold(wanted)):
        return _count_letter(fold(wanted)[-1], _find_target(prompt))
    if not text:
        return None
    pattern = rf"(?<![a-z0-9]){re.escape(fold(wanted))}(?![a-z0-9])"
    return f'"{wanted}" occurs {_times(len(re.findall(pattern, fold(text))))} in the text.'


def _count_known(low: str) -> str | None:
    found = _KNOWN.search(low)
    if found is None:
        return None
    place = re.search(r"\bin (?:a |the |one )?(week|year|rainbow|solar system|world)\b", low)
    for subject in (f"{found.group(1)} of {place.group(1)}" if place else "", found.group(1)):
        known = find_list(subject)
        if known is not None and known[1]:
            members = known[0]
            return f"There are {len(members)}: {', '.join(members[:-1])} and {members[-1]}."
    return None


def _find_target(prompt: Prompt) -> str:
    """What to count in: a quoted text, else the material, else what stands after "in", else the earlier messages."""
    quoted = _QUOTED.findall(prompt.request)
    if quoted and len(quoted[-1]) > 1:
        return str(quoted[-1])
    if prompt.material:
        return prompt.material
    inside = _IN.search(prompt.request)
    if inside and fold(inside.group(1)) not in ("text", "it", "this", "that", "above", "document", "following"):
        return inside.group(1).strip("\"'“”‘’ ")
    return prompt.background


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _name(target: str) -> str:
    return f'"{target}"' if len(target) <= 40 and "\n" not in target else "the text"
