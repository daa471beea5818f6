"""Decides what of a conversation is the request and what is the text it is about.

The request is the part of the last user message that asks or orders something, at its start or its end; the material is
the rest of that message. Earlier messages are background. Whatever has another shape than OpenAI's messages is ignored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.simulator.sentence import fold, sentences
from gateway.simulator.tokens import MESSAGE_TOKENS, PART_TOKENS, count_tokens
from worker.covenant.labelled_lines import labelled_lines

Message = Mapping[str, object]

_LONGEST_REQUEST = 400  # characters; a longer sentence is text, even if it ends with a question mark
_MOST_REQUEST_CHARACTERS = 2_000
_MOST_REQUESTS = 4  # sentences at the start, and at the end, of a text that may belong to its request

_VERB_TEXT = """
summarise summarize sum list name give count explain describe define translate write tell show extract find
identify calculate compute compare classify rewrite reply respond answer say repeat reverse sort shorten condense
outline highlight provide generate create draft analyse analyze review evaluate solve convert suggest tl;dr tldr
state enumerate pick echo print output spell make turn rank score simplify paraphrase fix correct improve complete
read using based fasse nenne erkläre übersetze zähle schreibe résume resume résumez explique traduis traduisez liste
resumir traduce explica enumera riassumi spiega traduci elenca
"""
_VERBS = frozenset(_VERB_TEXT.split())
_ASKING_TEXT = (
    "what who when where why how which whose is are does do did can could should will was were has have was wer wie wo "
    "warum wann welche que qui quand où pourquoi comment combien quel quelle qué quién cuándo cómo cuánto cuál"
)
_ASKING = frozenset(_ASKING_TEXT.split())
_POLITE = re.compile(
    r"^(?:(?:please|kindly|now|then|so|also|and|hi|hello|hey|ok|okay|thanks|bitte|briefly|shortly|can you|could you|"
    r"would you|will you|i want you to|i need you to|i would like you to|your task is to|help me|let's|"
    r"in (?:one|two|three|a few|[0-9]+) (?:word|sentence|line|bullet|bullet point)s?|question|task|instructions?|q)"
    r"\b[\s,:!.]*)+"
)
_FIRST_WORD = re.compile(r"[^\s,.:!?]+")
_BLOCKS = (
    ("```", "```"),
    ('"""', '"""'),
    ("<document>", "</document>"),
    ("<text>", "</text>"),
    ("<context>", "</context>"),
    ("“", "”"),
    ('"', '"'),
)
_SHORTEST_BLOCK = 40  # characters; a shorter quotation is a part of the request
_HEAD = re.compile(r"\s*([^:\n]{2,200}):\s+(?=\S)")
_TEXT_LABEL = re.compile(r"^\s*(?:context|text|document|article|passage|input|data)\s*:\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation as the simulator sees it; every text is valid Unicode."""

    last: str  # the last user message
    request: str  # what of it asks or orders
    material: str  # the rest of it
    background: str  # the earlier user and tool messages
    system: str  # system and developer messages
    tool_result: str | None  # the last message, if a tool wrote it
    other_parts: tuple[tuple[str, int], ...]  # content parts that aren't text, by type, with their numbers
    tokens: int


def read_prompt(messages: Sequence[Message]) -> Prompt:
    """Sort the texts of `messages` by what they are for. Never raises."""
    spoken = [(str(message.get("role", "")), _read_content(message.get("content"))) for message in messages]
    texts = [(role, text) for role, (text, _) in spoken]
    others = Counter(kind for _, (_, kinds) in spoken for kind in kinds)
    last_user = max((at for at, (role, _) in enumerate(texts) if role == "user"), default=-1)
    last = _without_covenant(texts[last_user][1]) if last_user >= 0 else ""
    request, material = split_request(last)
    earlier = (
        text for at, (role, text) in enumerate(texts) if role in ("user", "tool", "function") and at != last_user
    )
    tokens = sum(MESSAGE_TOKENS + count_tokens(text) for _, text in texts) + PART_TOKENS * others.total()
    return Prompt(
        last=last,
        request=" ".join(request.split())[:_MOST_REQUEST_CHARACTERS],
        material=material,
        background="\n\n".join(text for text in earlier if text),
        system="\n\n".join(text for role, text in texts if role in ("system", "developer") and text),
        tool_result=texts[-1][1] if texts and texts[-1][0] in ("tool", "function") else None,
        other_parts=tuple(sorted(others.items())),
        tokens=tokens,
    )


def _without_covenant(text: str) -> str:
    """A message without the labelled lines at its end: they say how to serve it, and are no text to work on."""
    lines = labelled_lines(text)
    task = text if lines is None else text[: text.rindex(lines)].rstrip()
    return task or text


def _read_content(content: object) -> tuple[str, list[str]]:
    """The text of a message's content, and the types of its parts that aren't text."""
    if isinstance(content, str):
        return _without_surrogates(content), []
    if not isinstance(content, list):
        return "", []
    texts: list[str] = []
    others: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            text = next((part[key] for key in ("text", "refusal") if isinstance(part.get(key), str)), None)
            if text is not None:
                texts.append(str(text))
            else:
                others.append(_without_surrogates(str(part.get("type", "unknown")))[:40])
    return _without_surrogates("\n".join(texts)), others


def _without_surrogates(text: str) -> str:
    """`text` with each lone surrogate, which no UTF-8 answer could carry, replaced by "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_request(sentence: str) -> bool:
    """Whether `sentence` asks or orders something."""
    if not 0 < len(sentence) <= _LONGEST_REQUEST:
        return False
    low = fold(sentence.strip())
    bare = _POLITE.sub("", low)
    first = _FIRST_WORD.match(bare)
    if low.endswith(("?", "？")) or not bare:
        return True
    return first is not None and first.group() in _VERBS


def split_request(text: str) -> tuple[str, str]:
    """`text` as (request, material); a short text in which nothing asks is all request, a long one all material."""
    text = text.strip()
    block = _split_block(text)
    if block is not None:
        return block
    head = _HEAD.match(text)
    if head is not None and (is_request(head.group(1)) or _asks(head.group(1))):
        tail, rest = _split_lines(text[head.end() :])
        return f"{head.group(1).strip()} {tail}".strip(), rest
    request, material = _split_lines(text)
    if not request and len(material) <= _LONGEST_REQUEST and len(sentences(material)) <= 1:
        return material, ""
    return request, material


def _split_block(text: str) -> tuple[str, str] | None:
    """Split at a fenced, tagged or quoted text when what stands around it is the request."""
    for opener, closer in _BLOCKS:
        start = text.find(opener)
        inner = start + len(opener)
        end = text.rfind(closer) if start >= 0 else -1
        if end - inner < _SHORTEST_BLOCK:
            continue
        around = [part.strip().rstrip(":").strip() for part in (text[:start], text[end + len(closer) :])]
        around = [part for part in around if part.strip(".")]
        if around and all(is_request(part) or _asks(part) for part in around):
            return " ".join(around), text[inner:end].strip()
    return None


def _asks(head: str) -> bool:
    """Whether a line's head before a colon begins like a question: "how many words are in this sentence"."""
    first = _FIRST_WORD.match(_POLITE.sub("", fold(head.strip())))
    return first is not None and first.group() in _ASKING


def _split_lines(text: str) -> tuple[str, str]:
    """Take requests off the first and last lines of `text`, else off its first and last sentences."""
    lines = text.strip().split("\n")
    first = [lines.pop(0).strip()] if len(lines) > 1 and is_request(lines[0]) else []
    last = [lines.pop().strip()] if len(lines) > 1 and is_request(lines[-1]) else []
    if first or last:
        return " ".join(first + last), _TEXT_LABEL.sub("", "\n".join(lines).strip())
    if len(text) > 4 * _LONGEST_REQUEST and not text.rstrip().endswith(("?", "？")):
        found = sentences(text[:_LONGEST_REQUEST])[:1]
        if not found or not is_request(found[0]):
            return "", text.strip()
    found = sentences(text)
    start, end = 0, len(found)
    while start < min(end, _MOST_REQUESTS) and is_request(found[start]):
        start += 1
    while end > max(start, len(found) - _MOST_REQUESTS) and is_request(found[end - 1]):
        end -= 1
    if start == 0 and end == len(found):
        return "", _TEXT_LABEL.sub("", text.strip())
    return " ".join(found[:start] + found[end:]), _TEXT_LABEL.sub("", " ".join(found[start:end]))
