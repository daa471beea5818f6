"""How hard a request is, what kind of task it is and how long its answer will be: integers from counts.

Two parts make the score, a length and the terms of an instruction:

    p_small_fails_ppm = min(P_CEILING, P_FLOOR + LENGTH_CURVE(effective bytes) + sum of min(count, cap) * weight)

A text counts for its effective bytes: its question's own bytes, multiplied by what makes a question harder to get right
than it is long. `train.py` fits those exponents; the terms of an instruction are reasoned, not fitted, and hold only
where the text is neither a question with listed choices nor mathematics. Every number is an integer, so two hosts can't
differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from wasm_classifier import weights
from wasm_classifier.choices import is_worded
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import Features, extract

Complexity = Literal["simple", "moderate", "complex"]
Task = Literal["code", "math", "classification", "extraction", "summarisation", "other"]

MODEL_VERSION: Final = "reference-2"

#: Ends of the probability, in parts per million: a rule this crude is never sure.
P_FLOOR: Final = 20_000
P_CEILING: Final = 900_000
#: Complexity classes: simple below the first, complex from the second on.
MODERATE_FROM_PPM: Final = 150_000
COMPLEX_FROM_PPM: Final = 450_000

#: (effective bytes, ppm) corners of the length term; flat after the last.
LENGTH_CURVE: Final = (
    (0, 0),
    (40, 20_000),
    (200, 120_000),
    (800, 280_000),
    (3_000, 400_000),
    (16_384, 480_000),
    (65_536, 520_000),
)
#: Bounds of what `effective_bytes` multiplies.
EFFECTIVE_LIMIT: Final = 65_536
QUANTITY_LIMIT: Final = 255
RATIO_ONE: Final = 256
RATIO_ONE_ROOT: Final = 16
RATIO_LIMIT: Final = 4_096
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

#: What mathematics has in place of the terms of an instruction.
MATH_PPM: Final = 100_000

#: Evidence points at which a text is about code or mathematics.
CODE_POINTS: Final = 4
MATH_POINTS: Final = 4
#: Signs are weak evidence: together they count for at most so many points, too few to decide alone.
SIGN_POINTS_CAP: Final = 3
#: A worded sum has a number, at least so many words of quantity, and so many of both together.
QUANTITY_WORDS: Final = 2
WORDED_SUM_EVIDENCE: Final = 4
#: A question needs only one word of quantity, if there are so many numbers, spelled ones among them.
ASKED_SUM_NUMBERS: Final = 2

#: Bounds of the expected answer, in tokens.
TOKENS_MIN: Final = 8
TOKENS_MAX: Final = 4_096
#: (tokens for the shortest prompt, tokens for each KiB of prompt up to 8) by task.
TASK_TOKENS: Final[dict[Task, tuple[int, int]]] = {
    "code": (260, 160),
    "math": (50, 380),
    "classification": (8, 24),
    "extraction": (40, 120),
    "summarisation": (100, 60),
    "other": (64, 160),
}
LENGTH_TOKENS_CAP_BYTES: Final = 8_192
#: Tokens for each number of a mathematical text and against each sentence, and how many of each are counted.
MATH_COUNT_TOKENS: Final = 12
MATH_COUNT_CAP: Final = 16
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
    domain: str = "other"  # one of domain.DOMAINS
    personal_data: bool = False


def classify(text: bytes) -> Score:
    """Score one text; never raises for bytes.

    Args:
        text: UTF-8, or any bytes of any length.
    """
    return score_of(extract(text))


def score_of(features: Features) -> Score:
    """Score the text of these counts."""
    p_ppm = p_small_fails_ppm(features)
    task = task_of(features)
    return Score(
        p_small_fails_ppm=p_ppm,
        complexity=complexity_of(p_ppm),
        task=task,
        expected_output_tokens=expected_output_tokens(features, task),
        model_version=MODEL_VERSION,
        domain=DOMAINS[features.domain],
        personal_data=features.personal == 1,
    )


def p_small_fails_ppm(features: Features) -> int:
    """Probability that a small model's answer fails, in ppm."""
    points = P_FLOOR + _length_term(effective_bytes(features))
    if features.choice_count < 2:
        points += MATH_PPM if task_of(features) == "math" else _instruction_terms(features)
    return min(points, P_CEILING)


def effective_bytes(features: Features) -> int:
    """The length a text counts for, in bytes; at most EFFECTIVE_LIMIT.

    own = stem_bytes + CHOICE_BYTES_FACTOR * shortest_choice_bytes - pasted_bytes * 3 // 4, from 0 to EFFECTIVE_LIMIT

    Of a list of choices in which two or more have a digit:

        effective = (own + 1) * NUMERIC_CHOICES_FACTOR

    Of any other text:

        effective = (own + 1) * (statement + 1) ** (STATEMENT_HALVES / 2)

    and if choices are listed, also

        * (quantities + 1) ** (QUANTITY_HALVES / 2) * (ratio / 256) ** (JOINT_HALVES / 2)

    where ratio is 256 times the words of the choices over the different ones. All roots are one integer root, rounded
    down, then the scale of ratio is divided out, rounded down; every product stays below 2 ** 63. The shortest choice
    is taken because a long one among short ones is often the answer and no work.
    """
    own = features.stem_bytes + weights.CHOICE_BYTES_FACTOR * features.shortest_choice_bytes
    own = max(0, min(own - features.pasted_bytes * 3 // 4, EFFECTIVE_LIMIT))
    worded = is_worded(features.choice_count, features.numeric_choice_count)
    if features.choice_count > 1 and not worded:
        return min((own + 1) * weights.NUMERIC_CHOICES_FACTOR, EFFECTIVE_LIMIT)
    radicand, scale = (features.statement + 1) ** weights.STATEMENT_HALVES, 1
    if worded:
        ratio = RATIO_ONE * features.choice_word_count // max(features.distinct_choice_word_count, 1)
        ratio = max(RATIO_ONE, min(ratio, RATIO_LIMIT))
        quantities = min(features.stem_quantity_count, QUANTITY_LIMIT)
        radicand *= (quantities + 1) ** weights.QUANTITY_HALVES * ratio**weights.JOINT_HALVES
        scale = RATIO_ONE_ROOT**weights.JOINT_HALVES
    return min((own + 1) * _root(radicand) // scale, EFFECTIVE_LIMIT)


def _root(radicand: int) -> int:
    """The integer square root of a number from 1 on, by Newton's steps from above."""
    root = 1 << ((radicand.bit_length() + 1) // 2)
    while True:
        lower = (root + radicand // root) // 2
        if lower >= root:
            return root
        root = lower


def terms(features: Features) -> list[tuple[str, int, int]]:
    """What the score is the sum of, P_FLOOR and P_CEILING aside: (name, count found, ppm), those of 0 ppm left out.

    Names are those of `Features`, and "effective_bytes", "further_questions" and "mathematics".
    """
    length = effective_bytes(features)
    found = [("effective_bytes", length, _length_term(length))]
    if features.choice_count < 2 and task_of(features) == "math":
        found.append(("mathematics", 1, MATH_PPM))
    elif features.choice_count < 2:
        further = max(features.question_count - 1, 0)
        found.append(("further_questions", further, min(further, FURTHER_QUESTION_CAP) * FURTHER_QUESTION_PPM))
        shares: dict[str, int] = {}
        for name, cap, weight in WEIGHTS:
            shares[name] = shares.get(name, 0) + min(getattr(features, name), cap) * weight
        found += [(name, getattr(features, name), share) for name, share in shares.items()]
    return [term for term in found if term[2]]


def _instruction_terms(features: Features) -> int:
    """Ppm for what an instruction asks; no count, grown, ever lowers it."""
    points = min(max(features.question_count - 1, 0), FURTHER_QUESTION_CAP) * FURTHER_QUESTION_PPM
    for index, cap, weight in _WEIGHT_INDEX:
        count = features[index]
        if count:
            points += min(count, cap) * weight
    return points


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
    if features.number_count and features.quantity >= QUANTITY_WORDS and evidence >= WORDED_SUM_EVIDENCE:
        return True
    numbers = features.number_count + features.spelled_number
    is_asked = features.question_count > 0 and features.quantity > 0 and numbers >= ASKED_SUM_NUMBERS
    return is_asked and numbers + features.quantity >= WORDED_SUM_EVIDENCE


def expected_output_tokens(features: Features, task: Task) -> int:
    """Length of the answer in tokens, between TOKENS_MIN and TOKENS_MAX.

    Mathematics and code by their own size; else a length the text asks for decides alone, and where none is asked for
    the task's base grows with the prompt and with what is asked.
    """
    if task == "math":
        return _clamp_tokens(_math_tokens(features))
    if features.asked_words:
        return _clamp_tokens(features.asked_words * 4 // 3)
    reasoned = features.reasoning + features.explaining
    if features.greeting and features.word_count <= GREETING_WORDS and not reasoned + features.asked_items:
        return GREETING_TOKENS
    base, for_each_kib = TASK_TOKENS[task]
    tokens = base + min(features.byte_count, LENGTH_TOKENS_CAP_BYTES) * for_each_kib // 1024
    if task == "code":
        return _clamp_tokens(tokens)
    for index, cap, extra in _EXTRA_INDEX:
        tokens += min(features[index], cap) * extra
    tokens += features.asked_items * (REASONED_ITEM_TOKENS if reasoned else ITEM_TOKENS)
    return _clamp_tokens(tokens // 2 if features.brevity else tokens)


def _math_tokens(features: Features) -> int:
    """More for a longer problem and for each number in it, less for each sentence: many short ones are easy steps."""
    base, for_each_kib = TASK_TOKENS["math"]
    tokens = base + min(features.byte_count, LENGTH_TOKENS_CAP_BYTES) * for_each_kib // 1024
    numbers = min(features.number_count + features.spelled_number, MATH_COUNT_CAP)
    return tokens + MATH_COUNT_TOKENS * (numbers - min(features.sentence_count, MATH_COUNT_CAP))


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
