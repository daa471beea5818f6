"""The covenant at the end of a prompt: trailing lines of labels and short values, such as "Budget: $1, Time: 30s".

A labelled line is nothing but `label: value` parts, apart by a comma, semicolon, slash or bar. The colon may be missing
where the value is plainly one ("Budget $1 / Time 30 seconds / Quality high"). Only the last such lines of a text count,
blank ones between them aside; every other word of a prompt is its task, and never a constraint.
"""

from __future__ import annotations

import re

from worker.covenant.served import MAX_COVENANT_CHARACTERS

MAX_VALUE_CHARACTERS = 80
_SPACE = " \t\r"
#: A line of a list may end in what separates its parts, and a sentence in its point.
_ENDS = (".", ",", ";", "/", "|")
_FOLD = {upper: upper + 32 for upper in range(65, 91)}
_MONEY = r"(?:max(?:imum)? |total )?(?:budget|cost)(?: limit| cap)?"
_TIME = r"(?:max(?:imum)? )?(?:time(?: limit|out)?|deadline|latency)"
_QUALITY = r"(?:min(?:imum)? )?quality"
_LEVEL = "high|highest|best|medium|good|balanced|low|max|maximum"
#: A label at the start of a line or after a separator, then a colon or a blank.
_HEAD = re.compile(
    rf"(?:^|[,;/|]) *(?P<label>(?P<money>{_MONEY})|(?P<time>{_TIME})|(?P<level>{_QUALITY}|security|privacy)|"
    r"priority|residency)(?: *(?P<colon>[:=]) *| +)",
    re.ASCII,
)
#: At most six words without a sentence's punctuation; a comma or a point may stand before a digit.
_WORD = r"(?:[.,](?=[0-9])|[^ \t,;.!?:=|])++"
_VALUE = re.compile(rf"{_WORD}(?: +{_WORD}){{0,5}}", re.ASCII)
#: Without a colon a value must be one plainly: an amount, a number of a time unit, a level.
_NUMBER = r"[0-9]*(?:[.,]?[0-9])+[km]?"
_PER = r"(?: ?(?:/|per|an?) ?[a-z]+| (?:each|total|max))?"
_AMOUNT = re.compile(rf"(?:(?:us)?[$€£¥₹] ?{_NUMBER}|{_NUMBER} ?(?:usd|dollars?|cents?|[¢$€£])){_PER}", re.ASCII)
_DURATION = re.compile(
    rf"{_NUMBER} ?(?:ms|m?s|m|h|secs?|mins?|(?:millisecond|second|minute|hour)s?)(?: max)?", re.ASCII
)
_LEVELS = re.compile(_LEVEL, re.ASCII)


def labelled_lines(text: str) -> str | None:
    """The trailing labelled lines of a prompt, exactly as they stand at its end, or None if it has none.

    At most MAX_COVENANT_CHARACTERS are looked at, so a labelled line is never longer than a covenant may be.
    """
    end = len(text.rstrip(_SPACE + "\n"))
    line_end, start = end, -1
    while line_end > 0:
        line_start = text.rfind("\n", 0, line_end) + 1
        if end - line_start > MAX_COVENANT_CHARACTERS:
            break
        line = text[line_start:line_end].strip(_SPACE)
        if line and not _is_labelled(line):
            break
        if line:
            start = line_start
        line_end = line_start - 1
    return None if start < 0 else text[start:end].lstrip(_SPACE)


def _is_labelled(line: str) -> bool:
    """Whether a line is labels and values alone."""
    folded = line.translate(_FOLD)
    if folded.startswith(("- ", "* ", "• ")):
        folded = folded[2:].lstrip(_SPACE)
    if folded.endswith(_ENDS):
        folded = folded[:-1].rstrip(_SPACE)
    heads = list(_HEAD.finditer(folded))
    if not heads or heads[0].start() != 0:
        return False
    ends = [head.start() for head in heads[1:]] + [len(folded)]
    return all(_is_value(head, folded[head.end() : end].strip(_SPACE)) for head, end in zip(heads, ends, strict=True))


def _is_value(head: re.Match[str], value: str) -> bool:
    if len(value) > MAX_VALUE_CHARACTERS or _VALUE.fullmatch(value) is None:
        return False
    if head["colon"]:
        return True
    if head["money"]:
        return _AMOUNT.fullmatch(value) is not None
    if head["time"]:
        return _DURATION.fullmatch(value) is not None
    return bool(head["level"]) and _LEVELS.fullmatch(value) is not None
