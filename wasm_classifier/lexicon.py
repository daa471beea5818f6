"""The word groups the classifier counts: lower-case ASCII whole words, nothing else.

A group says what a word is evidence of; how much that evidence weighs is decided in `reference.py`. A word may stand in
several groups. British and American spellings both stand, since nothing here stems.
"""

from __future__ import annotations

from typing import Final


def _words(*lines: str) -> frozenset[bytes]:
    return frozenset(word for line in lines for word in line.encode("ascii").split())


#: The text asks for judgement over its material.
REASONING: Final = _words(
    "analyze analyse analyzing analysing analysis compare contrast evaluate critique criticize criticise research",
    "investigate assess assessment derive prove justify synthesize synthesise diagnose recommend prioritize prioritise",
    "design plan optimize optimise forecast reason interpret debate argue",
)
#: The text asks for an account of something, which is work but not judgement.
EXPLAINING: Final = _words(
    "explain describe discuss identify outline illustrate elaborate why propose suggest improve",
)
#: The text strings several pieces of work together, or asks for several things.
MULTI_STEP: Final = _words(
    "multi multistep step steps stepwise then next finally afterwards first firstly second secondly third thirdly",
    "lastly phase phases stage stages each both top respectively pros cons alternatives scenarios",
)
#: The text says the answer must be good.
QUALITY: Final = _words(
    "quality accurate accuracy precise rigorous rigorously thorough thoroughly comprehensive comprehensively detailed",
    "detail depth exhaustive expert professional careful carefully robust",
)
#: The material is one where mistakes are easy and cost something.
SUBJECT: Final = _words(
    "report financial risk risks strategy strategic architecture tradeoff tradeoffs offs implications",
    "contract contracts",
    "legal clause clauses compliance regulatory audit portfolio revenue dataset hypothesis diagnosis medical clinical",
    "security vulnerability vulnerabilities migration theorem proof roadmap policy",
)
GREETING: Final = _words("hello hi hey hiya howdy greetings thanks thank thx bye goodbye ok okay")

#: One of these alone makes the text about code.
CODE_NAME: Final = _words(
    "python javascript typescript golang rustc cpp html css sql sqlite postgresql mysql regex regexp bash kotlin php",
    "numpy pandas django fastapi nodejs npm pytest dockerfile kubernetes def elif struct println printf stdout stdin",
    "async await enum nullptr stacktrace traceback segfault leetcode",
)
#: Two of these together make the text about code: "write a script", "refactor this loop".
CODE_NOUN: Final = _words(
    "write implement implementation refactor function functions code script program programming method algorithm api",
    "bug debug compile compiler query database variable loop array arrays string strings int bool boolean import const",
    "json recursion recursive endpoint schema tuple dict repository",
)
#: One of these alone makes the text about mathematics.
MATH_NAME: Final = _words(
    "calculate compute solve equation equations integral derivative polynomial logarithm quadratic algebra arithmetic",
    "trigonometry calculus determinant eigenvalue factorial theorem hypotenuse cosine modulo gcd lcm multiply",
    "multiplied frac sqrt cdot mathbb",
)
#: Two of these together make the text about mathematics.
MATH_NOUN: Final = _words(
    "integer integers digit digits angle angles triangle circle radius perimeter area vertices divisible remainder",
    "prime roots root expression fraction fractions square cube matrix vector probability sequence simplify geometry",
    "sine tangent degrees coordinates graph slope evaluate factor value values",
)
#: Words of worded sums; with several numbers beside them the text is mathematics.
QUANTITY: Final = _words(
    "many much total altogether remaining left each every per twice half double triple quarter times percent",
    "percentage",
    "more less fewer cost costs price average sum difference product fraction ratio number divided minus plus",
)
CLASSIFYING: Final = _words(
    "classify classification categorize categorise category categories label labels sentiment spam moderation toxic",
)
#: The usual answers of a classification; two of them together ask for one.
POLARITY: Final = _words("positive negative neutral")
EXTRACTING: Final = _words("extract extracting extraction entities parse redact transcribe")
SUMMARISING: Final = _words(
    "summarize summarise summarizing summarising summary summaries tldr condense shorten abridge recap gist",
)
BREVITY: Final = _words("brief briefly short shortly concise concisely quick quickly only just")
LONG_FORM: Final = _words(
    "essay story guide tutorial proposal blog speech chapter detailed detail comprehensive thorough exhaustive",
    "documentation whitepaper",
)

#: Words a number of wanted things comes right after ("top 5", "name three").
COUNT_LEADER: Final = _words("top name list give write suggest provide identify find generate following")
#: Answer lengths that can be asked for, in words.
WORDS_PER_UNIT: Final[dict[bytes, int]] = {
    b"word": 1,
    b"words": 1,
    b"sentence": 20,
    b"sentences": 20,
    b"line": 12,
    b"lines": 12,
    b"bullet": 20,
    b"bullets": 20,
    b"paragraph": 80,
    b"paragraphs": 80,
}
NUMBER_WORDS: Final[dict[bytes, int]] = {
    b"one": 1,
    b"single": 1,
    b"two": 2,
    b"three": 3,
    b"four": 4,
    b"five": 5,
    b"six": 6,
    b"seven": 7,
    b"eight": 8,
    b"nine": 9,
    b"ten": 10,
    b"dozen": 12,
    b"twelve": 12,
    b"fifteen": 15,
    b"twenty": 20,
    b"fifty": 50,
    b"hundred": 100,
}

#: The question is over statements to be judged: "which of the following is true", "both", "neither".
STATEMENT: Final = _words("statement statements following true false correct correctly incorrect both neither")
#: Spelled amounts. "one" is left out: it is a pronoun more often than a number.
SPELLED_NUMBER: Final = _words(
    "two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty fifty hundred",
    "half third quarter twice double triple thrice",
)

#: The groups with a field of their own in `features.Features`, in the order of those fields.
COUNTED: Final = (
    REASONING,
    EXPLAINING,
    MULTI_STEP,
    QUALITY,
    SUBJECT,
    GREETING,
    CODE_NAME,
    CODE_NOUN,
    MATH_NAME,
    MATH_NOUN,
    QUANTITY,
    CLASSIFYING,
    POLARITY,
    EXTRACTING,
    SUMMARISING,
    BREVITY,
    LONG_FORM,
)
#: Every word that means anything here: one intersection with it leaves a handful of words to sort into groups.
KEYWORDS: Final = frozenset().union(*COUNTED, COUNT_LEADER, WORDS_PER_UNIT, STATEMENT, SPELLED_NUMBER)
