"""How hard a request is, what kind of task it is and how long its answer will be: integers from counts, untrained.

The score is a sum of saturating terms, each growing with one count, so more text and more evidence never lower it:

    p_small_fails_ppm = min(P_CEILING, P_FLOOR + length term + sum of min(count, cap) * weight)

The weights are reasoned, not fitted; MODEL_CARD.md says how far that goes. Every number is an integer, so two hosts
can't differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from wasm_classifier.features import Features, extract

Complexity = Literal["simple", "moderate", "complex"]
Task = Literal["code", "math", "classification", "extraction", "summarisation", "other"]

MODEL_VERSION: Final = "reference-1"

#: Ends of the probability, in parts per million: a rule this crude is never sure.
P_FLOOR: Final = 20_000
P_CEILING: Final = 900_000
#: Complexity classes: simple below the first, complex from the second on.
MODERATE_FROM_PPM: Final = 150_000
COMPLEX_FROM_PPM: Final = 450_000

#: (bytes, ppm) corners of the length term; flat after the last.
LENGTH_CURVE: Final = ((0, 0), (40, 20_000), (200, 120_000), (800, 280_000), (3_000, 400_000), (16_384, 480_000))
#: (feature, cap, ppm for each up to the cap).
WEIGHTS: Final = (
    ("reasoning", 1, 120_000),  # the first verb of judgement says most; the next line adds for each further one
    ("reasoning", 4, 60_000),
    ("explaining", 2, 60_000),
    ("multi_step", 4, 50_000),
    ("quality", 3, 50_000),
    ("subject", 3, 50_000),
    ("code_name", 1, 80_000),
    ("code_noun", 3, 20_000),
    ("math_name", 2, 50_000),
    ("math_noun", 3, 20_000),
    ("number_count", 8, 6_000),
    ("list_marker_count", 5, 15_000),
    ("fence_count", 2, 25_000),
    ("math_sign_count", 5, 6_000),
)
#: Every question mark after the first.
FURTHER_QUESTION_CAP: Final = 3
FURTHER_QUESTION_PPM: Final = 30_000

#: Evidence points at which a text is about code or mathematics.
CODE_POINTS: Final = 4
MATH_POINTS: Final = 4
#: Signs are weak evidence: together they count for at most so many points, too few to decide alone.
SIGN_POINTS_CAP: Final = 3
#: A worded sum has a number, at least so many words of quantity, and so many of both together.
QUANTITY_WORDS: Final = 2
WORDED_SUM_EVIDENCE: Final = 4

#: Bounds of the expected answer, in tokens.
TOKENS_MIN: Final = 8
TOKENS_MAX: Final = 4_096
#: (tokens for the shortest prompt, tokens for each KiB of prompt up to 8) by task.
TASK_TOKENS: Final[dict[Task, tuple[int, int]]] = {
    "code": (260, 160),
    "math": (24, 480),
    "classification": (8, 24),
    "extraction": (40, 120),
    "summarisation": (100, 60),
    "other": (64, 160),
}
LENGTH_TOKENS_CAP_BYTES: Final = 8_192
#: Further tokens for each different word of a group, up to a cap: (feature, cap, tokens).
EXTRA_TOKENS: Final = (("reasoning", 3, 140), ("explaining", 3, 120), ("multi_step", 3, 40), ("long_form", 2, 200))
#: An item of a list costs less to name than to reason about.
ITEM_TOKENS: Final = 8
REASONED_ITEM_TOKENS: Final = 40
#: A text of at most so many words with a greeting and nothing else to do gets a greeting back.
GREETING_WORDS: Final = 6
GREETING_TOKENS: Final = 16


@dataclass(frozen=True, slots=True)
class Score:
    """What the classifier says of one text; `p_small_fails_ppm` is 0.000001 units of probability."""

    p_small_fails_ppm: int
    complexity: Complexity
    task: Task
    expected_output_tokens: int
    model_version: str


def classify(text: bytes) -> Score:
    """Score one text; never raises for bytes.

    Args:
        text: UTF-8, or any bytes of any length.
    """
    features = extract(text)
    p_ppm = p_small_fails_ppm(features)
    task = task_of(features)
    return Score(p_ppm, complexity_of(p_ppm), task, expected_output_tokens(features, task), MODEL_VERSION)


def p_small_fails_ppm(features: Features) -> int:
    """Probability that a small model's answer fails, in ppm; no count of `features`, grown, ever lowers it."""
    points = P_FLOOR + _length_term(features.byte_count)
    for index, cap, weight in _WEIGHT_INDEX:
        count = features[index]
        if count:
            points += min(count, cap) * weight
    points += min(max(features.question_count - 1, 0), FURTHER_QUESTION_CAP) * FURTHER_QUESTION_PPM
    return min(points, P_CEILING)


def complexity_of(p_ppm: int) -> Complexity:
    """The class of a probability in ppm."""
    if p_ppm >= COMPLEX_FROM_PPM:
        return "complex"
    return "moderate" if p_ppm >= MODERATE_FROM_PPM else "simple"


def task_of(features: Features) -> Task:
    """The kind of work, by the first rule that holds: code, summarisation, extraction, mathematics, classification.

    A name of the programmer's world or a fence settles it; the nouns code shares with mathematics must outweigh its.
    """
    code_points = features.code_noun * 2 + min(features.bracket_count, SIGN_POINTS_CAP)
    math_points = features.math_name * 4 + features.math_noun * 2 + 4 * min(features.sum_count, 1)
    math_points += 4 * _is_worded_sum(features) + min(features.math_sign_count, SIGN_POINTS_CAP)
    if features.code_name or features.fence_count or code_points >= max(CODE_POINTS, math_points):
        return "code"
    if features.summarising:
        return "summarisation"
    if features.extracting:
        return "extraction"
    if math_points >= MATH_POINTS:
        return "math"
    return "classification" if features.classifying or features.polarity > 1 else "other"


def _is_worded_sum(features: Features) -> bool:
    evidence = features.number_count + features.quantity
    return bool(features.number_count) and features.quantity >= QUANTITY_WORDS and evidence >= WORDED_SUM_EVIDENCE


def expected_output_tokens(features: Features, task: Task) -> int:
    """Length of the answer in tokens, between TOKENS_MIN and TOKENS_MAX.

    A length the text asks for decides alone; otherwise the task's base grows with the prompt and with what is asked.
    """
    if features.asked_words:
        return _clamp_tokens(features.asked_words * 4 // 3)
    reasoned = features.reasoning + features.explaining
    if features.greeting and features.word_count <= GREETING_WORDS and not reasoned + features.asked_items:
        return GREETING_TOKENS
    base, for_each_kib = TASK_TOKENS[task]
    tokens = base + min(features.byte_count, LENGTH_TOKENS_CAP_BYTES) * for_each_kib // 1024
    for index, cap, extra in _EXTRA_INDEX:
        tokens += min(features[index], cap) * extra
    tokens += features.asked_items * (REASONED_ITEM_TOKENS if reasoned else ITEM_TOKENS)
    return _clamp_tokens(tokens // 2 if features.brevity else tokens)


def _clamp_tokens(tokens: int) -> int:
    return max(TOKENS_MIN, min(tokens, TOKENS_MAX))


def _length_term(byte_count: int) -> int:
    """Ppm for a length, straight between the corners of LENGTH_CURVE."""
    x0, y0 = LENGTH_CURVE[0]
    for x1, y1 in LENGTH_CURVE[1:]:
        if byte_count < x1:
            return y0 + (byte_count - x0) * (y1 - y0) // (x1 - x0)
        x0, y0 = x1, y1
    return y0


#: The tables above with a field's place instead of its name: a tuple is read faster by index.
_WEIGHT_INDEX: Final = tuple((Features._fields.index(name), cap, weight) for name, cap, weight in WEIGHTS)
_EXTRA_INDEX: Final = tuple((Features._fields.index(name), cap, tokens) for name, cap, tokens in EXTRA_TOKENS)
