"""What the core knows of a request's difficulty, and which text of a chat it is judged by.

Scoring itself lives in `wasm_classifier`; a host may serve it from the reference or from a compiled kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasm_classifier import reference
from wasm_classifier.correction import Correction, classify_corrected
from wasm_classifier.reference import Complexity, Score, Task

#: Characters of the judged message that are kept; the length term is flat long before.
PROMPT_CHARS: Final = 32_768
#: Messages looked at, counted from the end, and parts of one message, counted from its start.
MESSAGES_LIMIT: Final = 256
PARTS_LIMIT: Final = 256
#: Earlier text counts by its length alone: a blank for so many of its characters, and at most so many blanks. So a
#: long system prompt weighs a little, its words nothing, and "hello" behind it stays simple.
CONTEXT_CHARS_PER_BLANK: Final = 16
CONTEXT_BLANKS: Final = 128
_CONTEXT_ROLES: Final = frozenset(("user", "system", "developer"))


@dataclass(frozen=True, slots=True)
class Classification:
    """A scorer's word on one text; the probability is in parts per million, the answer's length in tokens.

    No decision reads or records `domain` (one of `wasm_classifier.domain.DOMAINS`) and `personal_data`: they are told.
    """

    complexity: Complexity
    p_small_fails_ppm: int
    task: Task
    expected_output_tokens: int
    model_version: str
    domain: str = "other"
    personal_data: bool = False


class ReferenceScorer:
    """The Scorer port over the pure-Python reference: nothing to load, the same on every host."""

    async def load(self) -> None:
        """Nothing to do."""

    def score(self, text: bytes) -> Classification:
        """Classify one text, any bytes of any length; raises nothing."""
        return classification_of(reference.classify(text))


class CorrectedScorer:
    """The Scorer port with a learned correction: in pure Python, because a kernel tells no counts."""

    def __init__(self, correction: Correction) -> None:
        self._correction = correction
        self._version = correction.model_version

    async def load(self) -> None:
        """Nothing to do."""

    def score(self, text: bytes) -> Classification:
        """Classify one text, any bytes of any length; raises nothing."""
        return classification_of(classify_corrected(self._correction, text, self._version))


def scorer_of(correction: Correction | None) -> ReferenceScorer | CorrectedScorer:
    """The scorer in pure Python, with the correction if there is one."""
    return ReferenceScorer() if correction is None else CorrectedScorer(correction)


def classification_of(score: Score) -> Classification:
    """The core's value of a score, whichever engine gave it."""
    return Classification(
        complexity=score.complexity,
        p_small_fails_ppm=score.p_small_fails_ppm,
        task=score.task,
        expected_output_tokens=score.expected_output_tokens,
        model_version=score.model_version,
        domain=score.domain,
        personal_data=score.personal_data,
    )


def prompt_text(messages: object) -> bytes:
    """The text to classify: the last user message's text, then blanks standing for the length of what came before.

    Without a user message the last message of any role is judged. Parts that are no text, and anything of an
    unexpected type, count as absent: a request's shape is checked elsewhere, so nothing is raised here.

    Args:
        messages: the `messages` of an OpenAI chat request, as decoded from JSON.
    """
    if not isinstance(messages, list):
        return b""
    recent = [message for message in messages[-MESSAGES_LIMIT:] if isinstance(message, dict)]
    if not recent:
        return b""
    judged = next((at for at in reversed(range(len(recent))) if _role(recent[at]) == "user"), len(recent) - 1)
    blanks = min(_context_chars(recent[:judged]) // CONTEXT_CHARS_PER_BLANK, CONTEXT_BLANKS)
    # JSON may spell half a surrogate pair; strict UTF-8 would refuse it.
    return _text(recent[judged]).encode("utf-8", "surrogatepass") + b" " * blanks


def _context_chars(earlier: list[dict[object, object]]) -> int:
    """Characters of the earlier user and system messages, counted only as far as they can matter."""
    total = 0
    for message in earlier:
        if _role(message) in _CONTEXT_ROLES:
            total += len(_text(message))
        if total >= CONTEXT_CHARS_PER_BLANK * CONTEXT_BLANKS:
            break
    return total


def _role(message: dict[object, object]) -> str:
    role = message.get("role")
    return role if isinstance(role, str) else ""


def _text(message: dict[object, object]) -> str:
    """The text of one message, its parts joined by line feeds, at most PROMPT_CHARS characters."""
    content = message.get("content")
    if isinstance(content, str):
        return content[:PROMPT_CHARS]
    if not isinstance(content, list):
        return ""
    texts = [
        part.get("text") for part in content[:PARTS_LIMIT] if isinstance(part, dict) and part.get("type") == "text"
    ]
    return "\n".join(text[:PROMPT_CHARS] for text in texts if isinstance(text, str))[:PROMPT_CHARS]
