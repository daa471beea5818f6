"""Decides what the simulator says to a conversation. No model is asked: every answer is worked out from the prompt.

In this order: a tool's result is passed on; sums are done; things are counted; words are rearranged; a text is
summarised by its own sentences, or its best points are listed; a question is answered by the sentences that speak of
its subject; a small glossary defines a term. Whatever remains gets a frank word that no model is here, with what can be
told from the prompt and how to connect a provider. The same conversation gets the same answer, everywhere and always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.simulator.arithmetic import answer_arithmetic
from gateway.simulator.count import answer_count
from gateway.simulator.extract import MAX_CHARACTERS, MAX_SENTENCES, choose_sentences, find_about, find_topics, is_cue
from gateway.simulator.glossary import define, find_list
from gateway.simulator.prompt import Message, Prompt, read_prompt
from gateway.simulator.sentence import fold, sentences, terms, words
from gateway.simulator.tokens import count_tokens, cut_to_tokens
from gateway.simulator.transform import answer_transform

_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER = rf"(?P<number>[0-9]{{1,3}}|{'|'.join(_NUMBER_WORDS)})"
_RANK = "top|main|key|biggest|most important|major|largest|best"
_LONGEST_TOOL_RESULT = 2_000  # characters
_USUAL_POINTS = 3

_SUMMARY = re.compile(
    r"\b(?:summari[sz]e|summary|sum up|tl;?dr|shorten|condense|in short|gist|main idea|key message|fasse|zusammenfass"
    r"|résum|resum|riassum)"
)
_LENGTH = re.compile(rf"\b{_NUMBER}(?: short| brief| simple)? (?P<unit>sentence|bullet|point|word|line)")
_LIST = re.compile(
    r"\b(?:(?P<order>list|name|give|identify|extract|highlight|find|show|tell|outline|provide|state|mention|pick|"
    r"enumerate|nenne|suggest)|what are|which are|"
    r"(?P<single>what(?:'s| is)(?= the (?:top|main|key|biggest|most|major))))"
    r"\b(?: me| us)?+(?P<article> the| all| any| some| a| an| your| its| their)*+"
    rf"(?: (?:{_RANK}|first|different|possible|principal))*+(?: {_NUMBER})?+(?: (?:{_RANK}|different|of the))*+"
    r"(?: (?:examples? of|kinds of|types of|members of|names of))?+(?: the)?+ "
    r"(?!(?:about|how|why|what|whether|if|who|when|where) )(?P<subject>[^.?!:;,\n]{2,80})"
)
_TOP = re.compile(
    rf"\b(?:top|main|key|biggest|first|best|most important)\s+{_NUMBER}\s+(?P<subject>[^.?!:;,\n]{{2,80}})"
)
_SUBJECT_END = re.compile(
    r"\s+(?:in|from|of|mentioned in|described in|contained in|for|to|on) (?:this|that|it|these|the (?:text|document|"
    r"above|following|passage|article|contract|agreement|report|email|message|conversation|plan|memo|note)).*$"
    r"|\s+(?:above|below|here|please|mentioned|described)\b.*$"
)
_GENERIC_TEXT = (
    "point fact reason argument item topic theme idea takeaway highlight thing detail insight aspect part statement"
)
_GENERIC = frozenset(_GENERIC_TEXT.split())
_DEFINE = re.compile(
    r"\b(?:what(?:'s| is| are| was| were| does)|who(?:'s| is| was| are)|define|definition of|meaning of|describe"
    r"|explain(?: what| how)?|how (?:do|does)|tell me about|what do you know about|was ist|qu'est-ce que?|qué es)"
    r"(?: the term| the word)? (?P<subject>[^?!\n]{2,120})"
)
_DEFINE_END = re.compile(
    r"(?:\s+(?:mean|means|meant|stand for|works?|is|are|do|in (?:one|two|three|a|simple|plain|short) .*|"
    r"briefly|please|to (?:a|me) .*|and why.*))?[\s.,:;\"'”]*$"
)
_DIFFERENCE = re.compile(r"\bdifferences? between (?P<one>.{2,60}?) and (?P<other>[^?.!,]{2,60})")
_WANTS_NUMBER = re.compile(
    r"\b(?:how (?:much|many|long|old|often|far|big|large)|when|costs?|what (?:year|date|day|time|price|number|amount)"
    r"|percentage|price|deadline)\b"
)
_TRANSLATE = re.compile(r"\b(?:translat|übersetz|tradui|traduc|traduz)")
_MAKES = re.compile(
    r"^(?:please |can you |could you )*(?:write|create|draft|compose|generate|make|rewrite|improve|rephrase)\b"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer; token counts by gateway.simulator.tokens."""

    text: str
    finish_reason: str  # "stop", or "length" when max_tokens cut it
    prompt_tokens: int
    completion_tokens: int


def answer(messages: Sequence[Message], *, max_tokens: int | None = None, stop: Sequence[str] = ()) -> Answer:
    """Answer OpenAI chat `messages` within `max_tokens`, up to the first of the `stop` texts. Never raises."""
    prompt = read_prompt(messages)
    return finish(compose(prompt), prompt_tokens=prompt.tokens, max_tokens=max_tokens, stop=stop)


def finish(text: str, *, prompt_tokens: int, max_tokens: int | None, stop: Sequence[str]) -> Answer:
    """Cut `text` before the first of the `stop` texts, then to `max_tokens`."""
    for ending in stop:
        if ending:
            text = text.split(ending, 1)[0]
    tokens = count_tokens(text)
    if max_tokens is None or tokens <= max_tokens:
        return Answer(text, "stop", prompt_tokens, tokens)
    cut = cut_to_tokens(text, max_tokens)
    return Answer(cut, "length", prompt_tokens, count_tokens(cut))


def compose(prompt: Prompt) -> str:
    """The whole answer to `prompt`; never empty."""
    if prompt.tool_result is not None:
        result = prompt.tool_result.strip()[:_LONGEST_TOOL_RESULT]
        return f"The tool answered: {result}" if result else "The tool answered with an empty text."
    if _TRANSLATE.search(fold(prompt.request)):
        return _explain(prompt, "it can't translate")
    work = (answer_arithmetic, answer_count, answer_transform, _summarise, _list, _compare, _define, _look_up)
    for attempt in work:
        if text := attempt(prompt):
            return text
    if not prompt.request:
        return _explain(prompt, "it can only describe what you send")
    return _explain(
        prompt, "it can't make up a text" if _MAKES.search(fold(prompt.request)) else "it can't answer this"
    )


def _read_number(text: str | None) -> int | None:
    if text is None:
        return None
    return _NUMBER_WORDS.index(text) + 1 if text in _NUMBER_WORDS else int(text)


def _numbered(items: Sequence[str]) -> str:
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))


def _summarise(prompt: Prompt) -> str | None:
    low = fold(prompt.request)
    if not _SUMMARY.search(low):
        return None
    text = prompt.material or prompt.background
    text = text[:MAX_CHARACTERS]
    found = sentences(text)
    if not found:
        return "There is no text to summarise in the prompt; put it after the request."
    length = _LENGTH.search(low)
    number = _read_number(length.group("number")) if length else None
    unit = length.group("unit") if length else "sentence"
    if unit == "word" and number is not None:
        return " ".join(choose_sentences(text, 1)[0].split()[: max(number, 1)])
    count = number or min(max(len(found) // 4, 1), _USUAL_POINTS)
    chosen = choose_sentences(text, max(count, 1), request=_asked_about(prompt.request))
    return _numbered(chosen) if unit in ("bullet", "point") else " ".join(chosen)


def _asked_about(request: str) -> str:
    """The words of a request that may name a subject: "summarise the risks in two sentences" is about risks."""
    plain = _SUMMARY.sub(" ", _LENGTH.sub(" ", fold(request)))
    return " ".join(term for term in terms(plain) if term not in _GENERIC)


def _list(prompt: Prompt) -> str | None:
    low = fold(prompt.request)
    asked = _TOP.search(low) or _LIST.search(low)
    if asked is None:
        return None
    subject = _SUBJECT_END.sub("", asked.group("subject")).strip()
    number = _read_number(asked.group("number"))
    if asked.re is _LIST and number is None and (asked.group("single") or asked.group("article") in (" a", " an")):
        number = 1
    known = find_list(subject)
    text = prompt.material
    if known is not None and not frozenset(terms(subject)) & frozenset(terms(text)):
        return _name_members(known[0], number)
    about = frozenset(terms(subject))
    if not text and (any(is_cue(term) or term in _GENERIC for term in about) or find_about(prompt.background, subject)):
        text = prompt.background
    orders = asked.re is _TOP or asked.group("order") is not None or number is not None
    if not text or not (orders or any(is_cue(term) or term in _GENERIC for term in about)):
        return None
    chosen = choose_sentences(text, min(number or _USUAL_POINTS, MAX_SENTENCES), request=subject)
    if number is not None and 0 < len(chosen) < number:
        return f"{_numbered(chosen)}\nThe text has no more than {len(chosen)} to choose from."
    return _numbered(chosen) if len(chosen) != 1 else chosen[0]


def _name_members(members: tuple[str, ...], number: int | None) -> str:
    shown = members[: max(number or len(members), 1)]
    joined = ", ".join(shown[:-1]) + (" and " if len(shown) > 1 else "") + shown[-1]
    joined = joined[0].upper() + joined[1:] if joined.isascii() else joined
    if number is not None and number > len(members):
        return f"{joined}. There are only {len(members)} of them on the simulator's list."
    return f"{joined}."


def _compare(prompt: Prompt) -> str | None:
    asked = _DIFFERENCE.search(fold(prompt.request))
    if asked is None or prompt.material:
        return None
    both = [define(asked.group("one")), define(asked.group("other"))]
    return f"{both[0]} {both[1]}" if both[0] and both[1] else None


def _define(prompt: Prompt) -> str | None:
    asked = _DEFINE.search(fold(prompt.request))
    if asked is None:
        return None
    subject = _DEFINE_END.sub("", asked.group("subject"))
    wanted = frozenset(terms(subject))
    for text in (prompt.material, prompt.background, prompt.system):
        told = find_about(text, subject) if wanted else []
        if told and wanted <= frozenset(terms(" ".join(told))):
            return " ".join(told)
    return None if prompt.material else define(subject)


def _look_up(prompt: Prompt) -> str | None:
    """The sentences that share words with the question; one shared word is enough in the message's own text."""
    wanted = frozenset(terms(prompt.request))
    number = _WANTS_NUMBER.search(fold(prompt.request)) is not None
    if not wanted or not prompt.request or _MAKES.search(fold(prompt.request)):
        return None
    if told := find_about(prompt.material, prompt.request, wants_number=number):
        return " ".join(told)
    for text in (prompt.background, prompt.system):
        told = find_about(text, prompt.request, limit=1, wants_number=number)
        if told and 2 * len(wanted & frozenset(terms(told[0]))) >= len(wanted):
            return told[0]
    return None


def _explain(prompt: Prompt, reason: str) -> str:
    """What can be told of a prompt the simulator has no answer to, and how to get one."""
    text = prompt.last or prompt.system
    parts = [f"This is Harpoon's simulator: there is no model behind it, so {reason}."]
    count = len(words(text))
    if count:
        found = sentences(text)
        topics = find_topics(text, 3)
        about = f", mostly about {_join(topics)}" if topics else ""
        parts.append(f"Your message has {_plural(count, 'word')} in {_plural(len(found), 'sentence')}{about}.")
        asked = [sentence for sentence in found if sentence.endswith(("?", "？")) and len(sentence) <= 200][:2]
        if asked:
            parts.append("It asks: " + " ".join(f'"{sentence}"' for sentence in asked))
    else:
        parts.append("Your message has no words in it.")
    if prompt.material and prompt.request and not _TRANSLATE.search(fold(prompt.request)):
        parts.append("Nothing in the text you sent speaks of what you ask.")
    elif prompt.material:
        parts.extend(f'The sentence that says most of it: "{best}"' for best in choose_sentences(prompt.material, 1))
    if prompt.other_parts:
        kinds = _join([f"{number} {kind}" for kind, number in prompt.other_parts])
        parts.append(f"It also has parts this simulator doesn't read: {kinds}.")
    parts.append(
        "It can summarise or search a text you send, count, calculate, and define a few terms. For a model's answer "
        "connect a provider: set HOSTED_AI_BASE_URL and HOSTED_AI_API_KEY, or GROQ_API_KEY, and start Harpoon again."
    )
    return " ".join(parts)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _join(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
