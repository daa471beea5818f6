"""Decides where sentences and words begin and end, and which words carry meaning.

Works on fixed character ranges, never on the interpreter's Unicode tables, so that every Python version reads a text
alike. Letters are folded for ASCII, Latin-1, Greek and Cyrillic; a character of Chinese, Japanese or Korean is a word.
"""

from __future__ import annotations

import re

_FOLD = {
    **{code: code + 32 for code in range(0x41, 0x5B)},
    **{code: code + 32 for code in range(0xC0, 0xDF) if code != 0xD7},
    **{code: code + 32 for code in range(0x391, 0x3AA) if code != 0x3A2},
    **{code: code + 32 for code in range(0x410, 0x430)},
    **{code: code + 80 for code in range(0x400, 0x410)},
    0x2019: 0x27,
}

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_LETTER = r"A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u2c00-\u2dff"
_WORD = re.compile(rf"[{_LETTER}0-9]+(?:['’.,\-](?=[{_LETTER}0-9])[{_LETTER}0-9]+)*|[{_CJK}]")

_BULLET = re.compile(r"^[ \t]*(?:[-*+•–]|\(?[0-9]{1,3}[.)]|\(?[a-z][.)]|#{1,6})[ \t]+")
_SENTENCE_END = re.compile(r"(?:[.!?…]{1,4}[\"'”’)\]]{0,3}(?=\s|$)|[。！？]{1,4}[」』”]?)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|mr|mrs|ms|dr|prof|no|nos|inc|ltd|corp|co|vs|approx|art|sec|fig|cf|al|st|z\.b|bzw|resp|incl)"
    r"|\b[A-Za-z])\.$",
    re.IGNORECASE | re.ASCII,
)

_LONGEST_ABBREVIATION = 8

_STOP_TEXT = """
a about above after again all also am an and any are as at be because been before being below between both but by
can could did do does doing down during each few for from further give had has have having he her here hers him his
how i if in into is it its itself just know let like list main make may me might more most must my name no nor not
now of off on once one only or other our out over own please same shall she should so some such tell than that the
their them then there these they this those through to too under until up upon us very was we were what when where
which while who whom why will with would you your s t text document following describe explain summarise summarize
summary key important top point sentence der die das und ist ein eine den dem des zu mit von auf für im nicht sich
le la les un une des et est de du que qui dans pour sur pas el los las una y es en por con del al il di che per non
sont il elle auch als wird write translate happened work works count hello hi
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


def fold(text: str) -> str:
    """`text` in lower case for the alphabets this module knows, with straight apostrophes; the length never changes."""
    return text.translate(_FOLD)


def words(text: str) -> list[str]:
    """The words of `text` as written: "4.5", "vGPU" and "tenant's" are one word each."""
    return _WORD.findall(text)


def _stem(word: str) -> str:
    if word.endswith("'s"):
        word = word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    singular = word.endswith(("ss", "us", "is")) and not word.endswith(("cpus", "gpus"))
    if len(word) > 3 and word.endswith("s") and not singular:
        return word[:-1]
    return word


def stems(text: str) -> list[str]:
    """All words of `text`, folded and in the singular."""
    return [_stem(word) for word in words(fold(text))]


def terms(text: str) -> list[str]:
    """The folded, singular words of `text` that carry meaning, in order and with repetitions."""
    return [_stem(word) for word in words(fold(text)) if word not in _STOP_WORDS]


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order, with bullets and line breaks taken out; headings count as sentences."""
    found: list[str] = []
    for block in _blocks(text):
        start = 0
        for end in _SENTENCE_END.finditer(block):
            tail = block[max(start, end.end() - _LONGEST_ABBREVIATION) : end.end()]
            if _ABBREVIATION.search(tail) and end.end() < len(block):
                continue
            found.append(block[start : end.end()].strip())
            start = end.end()
        found.append(block[start:].strip())
    return [sentence for sentence in found if _WORD.search(sentence)]


def _blocks(text: str) -> list[str]:
    """Lines joined to what belongs together: a blank line, a bullet or a finished line ends a block."""
    blocks: list[list[str]] = []
    open_block = False
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        content = (line[bullet.end() :] if bullet else line).strip()
        if not content:
            open_block = False
            continue
        if open_block and not bullet:
            blocks[-1].append(content)
        else:
            blocks.append([content])
        open_block = not content.endswith((".", "!", "?", ":", "。", "！", "？"))
    return [" ".join(lines) for lines in blocks]
