"""Why a text was given its class, in one true sentence: its score, the bound it is held against, and what raised it.

The reference's score is a sum of terms of one count each, so what a count contributes is what the score gains by it
alone. Of a score that another engine gave only the number is told.
"""

from __future__ import annotations

from wasm_classifier import reference
from wasm_classifier.features import Features, extract
from worker.classification import Classification

#: What each count is called; those that never raise the score have no name here.
_NAMES = {
    "effective_bytes": "its length",
    "reasoning": "words that ask for judgement",
    "explaining": "words that ask for an explanation",
    "multi_step": "several steps",
    "quality": "demands on the quality",
    "subject": "a specialist's subject",
    "code_name": "names of the programmer's world",
    "code_noun": "words about code",
    "math_name": "names of mathematics",
    "math_noun": "words about mathematics",
    "number_count": "its numbers",
    "list_marker_count": "its lists",
    "fence_count": "quoted code",
    "math_sign_count": "signs of mathematics",
    "further_questions": "further questions",
}
#: How many of the strongest reasons are told.
_MOST_REASONS = 3


def hundredths(ppm: int) -> str:
    """Parts per million as a decimal with two places, rounded half up: 847,500 is `0.85`."""
    rounded = (ppm + 5_000) // 10_000
    return f"{rounded // 100}.{rounded % 100:02d}"


def confidence_ppm(classification: Classification) -> int:
    """How likely the verdict "complex" or "not complex" is right: the chance that the small model fails, or doesn't."""
    p_ppm = classification.p_small_fails_ppm
    return p_ppm if classification.complexity == "complex" else 1_000_000 - p_ppm


def reasoning(classification: Classification, text: bytes) -> str:
    """The sentence. `text`: what was classified."""
    score = classification.p_small_fails_ppm
    sentence = (
        f"a small model is expected to fail on it with probability {hundredths(score)}: {classification.complexity}"
    )
    if classification.model_version != reference.MODEL_VERSION:
        return sentence
    moderate, hard = hundredths(reference.MODERATE_FROM_PPM), hundredths(reference.COMPLEX_FROM_PPM)
    bounds = f"moderate from {moderate}, complex from {hard}"
    gains = _gains(extract(text))
    if not gains:
        return f"{sentence} ({bounds}); nothing in the text raises it above the least score"
    told = ", ".join(f"{name} ({hundredths(gain)})" for gain, name in gains[:_MOST_REASONS])
    return f"{sentence} ({bounds}); raised most by {told}"


def _gains(features: Features) -> list[tuple[int, str]]:
    """What each count adds to the score, in ppm, the largest first."""
    found = [(ppm, _NAMES.get(name, name.replace("_", " "))) for name, _, ppm in reference.terms(features)]
    return sorted([gain for gain in found if gain[0] >= 5_000], key=lambda one: (-one[0], one[1]))
