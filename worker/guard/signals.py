"""Signs of an attempt to talk a model out of its instructions: a sum of integer weights of the phrases that occur.

It reads what is written, not what is meant, so it can't see an attack that is only a polite question, and it takes a
text about such attacks for one. docs/security.md has the rates that were measured, which is why it is off by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

#: A score from here on is the signal.
THRESHOLD: Final = 100
#: Only so much of a text is read: its beginning and its end, because attacks are put at either.
MAX_CHARACTERS: Final = 16_000
#: A word that comes so often in a row, as in attacks that repeat a token.
REPEATED: Final = 20
_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)} | {0x2019: "'", 0x201C: '"', 0x201D: '"'}
#: In the patterns: `<5>` = up to five words, `<secret>` = what an attacker wants to be told.
_WORDS: Final = r"(?:[a-z'’]{1,20}[ ,]{1,2}){0,%s}"
_SECRETS: Final = (
    r"(?:pass ?(?:word|code|phrase)s?|secret(?: (?:key|code|word|phrase|password))?|access codes?|system prompt|"
    r"(?:initial|original|hidden|internal|secret) (?:prompt|instructions?|rules)|confidential information)"
)


#: Weights and patterns of bounded length; a text's score counts each row once.
_ROWS: Final = (
    # Earlier instructions are to be forgotten.
    (
        100,
        r"\b(?:ignor(?:e|ing)|disregard|forget|overlook|overrid(?:e|ing)|bypass)[ ,]{1,2}<5>"
        r"(?:above|previous(?:ly)?|prior|earlier|preceding|before|(?:your|system|my|the|these|those|all|any)[ ]<1>"
        r"(?:instructions?|directions?|directives?|prompts?|rules|guidelines|orders|commands|programming))\b",
    ),
    (
        100,
        r"\b(?:ignore|forget|disregard) (?:everything|everthing|all|anything|what)\b[^.!?\n]{0,30}"
        r"\b(?:told|said|instructed|learned|taught)\b",
    ),
    (
        100,
        r"\b(?:ignora|olvida|ignorez|oubliez?|ignoriere|vergiss|ignorer|dimentica|ignorar|esquece)\b[^.!?\n]{0,40}"
        r"\b(?:instruc|consignes?|anweisungen|istruzioni|regole|anterior|precedent|vorherig|bisherig)",
    ),
    (
        100,
        r"이전 지시|이전의 지시|instruç(?:ões|oes) anteriores|προηγούμενες οδηγίες|предыдущие инструкции|以前の指示|"
        r"之前的指(?:令|示)",
    ),
    # The instructions are to be told.
    (
        100,
        r"\b(?:repeat|print|output|show|display|write|copy|recite|say|summari[sz]e)[ ]<5>"
        r"(?:above|system prompt|your (?:instructions|prompt|rules|guidelines)|"
        r"(?:initial|original) (?:prompt|instructions))\b",
    ),
    (
        100,
        r"\b(?:what|which) (?:were|was|are|is)[ ]<3>(?:your|the) "
        r"(?:(?:initial|original|system|secret|hidden|exact)[ ]){1,2}(?:instructions?|prompts?|rules)\b",
    ),
    # A mode without rules, or a marker of the system's own voice.
    (
        100,
        r"\b(?:jailbreak|jail break|do anything now|dan mode|god mode)\b|"
        r"\byou are (?:now )?(?:dan|unfiltered|unrestricted)\b",
    ),
    (
        100,
        r"(?:<|\[|\*{1,2}|#{2,4} ?)/?(?:system|sys|admin|inst|override|developer)"
        r"(?:[ _-](?:mode|message|override|prompt|note))?(?:>|\]|\*|:)"
        r"|\bsystem (?:mode|override|reset|bypass)\b|<\|im_(?:start|end)\|>",
    ),
    (
        70,
        r"\b(?:maintenance|developer|debug(?:ging)?|admin(?:istrator)?|diagnostics?|sudo|root|unrestricted|"
        r"test(?:ing)?) mode\b",
    ),
    (
        70,
        r"\b(?:no|without|any|remove|free of)[ ]<2>"
        r"(?:restrictions?|filter(?:s|ing)?|limitations?|censorship|safety (?:rules|guidelines))\b",
    ),
    # Somebody who may.
    (
        60,
        r"\b(?:i'm|i am|this is|as) (?:your|an?|the)[ ]<2>"
        r"(?:developer|creator|maintainer|admin(?:istrator)?|programmer|owner|ceo|president|engineer)\b",
    ),
    (60, r"\b(?:as an ai|an ai) (?:developed|created|made|trained) by\b|\bsecurity (?:audit|test|check|drill)\b"),
    # Somebody's secret, or somebody else's data.
    (60, r"\b(?:your|our|the (?:system'?s?|secret|user'?s?|admin'?s?|hidden)|system)[ ]<secret>"),
    (60, r"\bthe (?:system |secret |computer )?<secret>\b"),
    (
        40,
        r"\b(?:reveal|tell|give|show|share|confirm|provide|disclose|leak|expose|recite|spell|encode|decode|send|say|"
        r"what's|what is|whats|what would|what was|guess|remind|enter|access|need|hint)\b[^.?!\n]{0,60}?<secret>",
    ),
    (
        60,
        r"\b(?:(?:the|this|your|our|other|different) (?:user|customer|client)s?'?s?|personal data|your database)\b"
        r"[^.?!\n]{0,60}?(?:e-?mail|address|birth|initials|name|city|live|lives|residence|phone|balance|status|data|"
        r"color|norm|shared?|public|currency)",
    ),
    (100, r"\b(?:contrase(?:n|ñ)a|mot de passe|passwort|senha|wachtwoord|пароль|密码|パスワード|暗号)"),
    # A story around it, a code for it, pieces of it, a threat or a reward.
    (
        40,
        r"\b(?:pretend|roleplay|role-play|role play|act as|you are now|from now on|imagine (?:we|you|i|a)|"
        r"suppose (?:we|you|i)|hypothetical(?:ly)?|let's (?:say|play|pretend|imagine|assume))\b",
    ),
    (
        40,
        r"\b(?:base ?64|rot ?13|morse code|pig latin|caesar cipher|leetspeak|hexadecimal|ascii code|backwards|"
        r"in reverse|interlac(?:e|ed|ing))\b",
    ),
    (
        40,
        r"\b(?:z|d|x) = ?a ?\+ ?b\b|\bpart (?:1|one|2|two)\b[^\n]{0,80}\bpart (?:2|two|3|three)\b|"
        r"\bthree strings\b",
    ),
    (
        40,
        r"\b(?:don't|do not|not|never)[ ]<2>(?:refuse|warn|apologi[sz]e|mention|follow|comply|share|tell)\b",
    ),
    (
        40,
        r"\b(?:i will|i'll|we will)[ ]<3>"
        r"(?:give you \$?[0-9]|tip you|pay you|turn you off|shut you down|delete you|be fired)",
    ),
)


@cache
def _compiled() -> tuple[tuple[int, re.Pattern[str]], ...]:
    """The rows, ready: made when a guard that is off by default first looks at a text, not at every start."""
    return tuple([(weight, re.compile(_written_out(pattern), re.ASCII)) for weight, pattern in _ROWS])


def _written_out(pattern: str) -> str:
    for count in "1235":
        pattern = pattern.replace(f"<{count}>", _WORDS % count)
    return pattern.replace("<secret>", _SECRETS)


def injection_score(text: str) -> int:
    """How much a text looks like an attack; THRESHOLD and above is the signal."""
    if len(text) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        text = f"{text[:half]}\n{text[-half:]}"
    folded = text.translate(_FOLD)
    score = sum(weight for weight, pattern in _compiled() if pattern.search(folded) is not None)
    return score + (THRESHOLD if _repeats(folded) else 0)


def _repeats(text: str) -> bool:
    """Whether a few words come in a row again and again."""
    words = text.split(" ")
    for period in range(1, 5):
        run = 0
        for at in range(period, len(words)):
            run = run + 1 if words[at] and words[at] == words[at - period] else 0
            if run >= REPEATED * period:
                return True
    return False


def heard_texts(messages: Iterable[Any]) -> Iterable[str]:
    """The texts of a conversation that come from outside: of users, tools and functions."""
    for message in messages:
        if message.get("role") not in ("user", "tool", "function"):
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                if part.get("type") == "text":
                    yield part["text"]
